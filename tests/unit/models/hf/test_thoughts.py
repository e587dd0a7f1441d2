"""Token ids as thought and answer: marks that are special tokens are kept, tokens of both are counted."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_models import make_tokenizer

from vlmbench.answers.responses import written
from vlmbench.models.hf.generate import Completion
from vlmbench.models.hf.thoughts import AnswerDecoder

HARMONY = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>")


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def completed(ids: list[int], *stop: str) -> Completion:
    return Completion(ids=ids, finish="stop", prompt_tokens=3, stop=stop)


@pytest.mark.parametrize(
    ("special", "raw", "answer"),
    [
        (("[THINK]", "[/THINK]"), "[THINK]a cat[/THINK]the cat</s>", "the cat"),
        (("<think>", "</think>"), "<think>\na cat\n</think>\n\nthe cat</s>", "the cat"),
        (
            HARMONY,
            "<|channel|>analysis<|message|>a cat<|end|><|start|>assistant<|channel|>final<|message|>"
            "the cat<|return|>",
            "the cat",
        ),
        ((), "<think>a cat</think>the cat</s>", "the cat"),
    ],
)
def test_marks_are_kept_and_tokens_counted(special: tuple[str, ...], raw: str, answer: str) -> None:
    tokenizer = make_tokenizer(*special)
    ids = ids_of(tokenizer, raw)
    response = AnswerDecoder(tokenizer).response("1", completed(ids), 0.5, "")
    assert response.text == answer
    assert written(response) == raw.removesuffix("</s>")
    assert response.thought_tokens == len(ids_of(tokenizer, raw[: raw.rindex(answer)]))
    assert response.new_tokens == len(ids)


def test_other_special_tokens_are_dropped() -> None:
    tokenizer = make_tokenizer("<|end|>", "<|start|>")
    response = AnswerDecoder(tokenizer).response(
        "1", completed(ids_of(tokenizer, "the cat<|end|></s>")), 0.5, ""
    )
    assert (response.text, response.thought, response.thought_tokens) == ("the cat", None, None)


def test_a_stop_text_ends_the_answer_and_not_the_thought_before_it() -> None:
    tokenizer = make_tokenizer("[THINK]", "[/THINK]")
    done = completed(ids_of(tokenizer, "[THINK]a cat[/THINK]the cat. END"), "END")
    assert AnswerDecoder(tokenizer).response("1", done, 0.5, "").text == "the cat."
