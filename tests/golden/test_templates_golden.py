"""Templates, as the tool that trained the published models renders them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import _compile_jinja_template

from vlmbench.errors import UserError
from vlmbench.templates import SYSTEM_TEXTS, TEMPLATES, Template, Turn, chat_template, template

GOLDEN = json.loads((Path(__file__).parent / "training" / "templates.json").read_text("utf-8"))
KINDS = ("single", "multi", "system", "text")
CASES = [(name, kind) for name, case in GOLDEN["templates"].items() for kind in KINDS if kind in case]


def turns_of(kind: str) -> list[Turn]:
    said = GOLDEN["input_conversations"][kind]
    return [
        Turn(question=turn["input"], answer=turn["output"], system=turn.get("system") or None)
        for turn in said
    ]


def messages_of(turns: list[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn.system:
            messages.append({"role": "system", "content": [{"type": "text", "text": turn.system}]})
        before, picture, after = turn.question.partition("<image>\n")
        content = [{"type": "image"}, {"type": "text", "text": after}] if picture else before
        messages.append({"role": "user", "content": content})
        if turn.answer is not None:
            messages.append({"role": "assistant", "content": turn.answer})
    return messages


def in_jinja(form: Template, turns: list[Turn], eos: str) -> str:
    compiled = _compile_jinja_template(chat_template(form))
    return str(compiled.render(messages=messages_of(turns), eos_token=eos, add_generation_prompt=True))


def test_all_26_are_there() -> None:
    assert set(TEMPLATES) == set(GOLDEN["templates"])
    assert len(TEMPLATES) == 26


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_renders_as_the_original(name: str, kind: str) -> None:
    golden = GOLDEN["templates"][name][kind]
    form, turns = template(name), turns_of(kind)
    assert form.render(turns) == golden["concatenated_without_bos_eos"]
    for number, (turn, expected) in enumerate(zip(turns, golden["turns"], strict=True), 1):
        assert form.ask(turn, number) == expected["input"]
        assert form.suffix_ends is not expected["need_eos_token"]
        assert turn.answer is not None
        assert turn.answer + form.suffix == expected["output"]
        assert form.separator == expected.get("sep", "")


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("open_end", [False, True], ids=["answered", "asking"])
def test_the_chat_template_renders_alike(name: str, kind: str, open_end: bool) -> None:
    form, turns = template(name), turns_of(kind)
    if open_end:
        turns = [*turns[:-1], Turn(question=turns[-1].question, system=turns[-1].system)]
    assert in_jinja(form, turns, "</s>") == form.render(turns, eos="</s>")


def test_stop_words_and_named_system_texts() -> None:
    for name, case in GOLDEN["templates"].items():
        assert list(template(name).stop_words) == case["fields"].get("STOP_WORDS", [])
    assert GOLDEN["system_templates"] == SYSTEM_TEXTS


def test_braces_in_a_question_are_text() -> None:
    tricky = [Turn(question="{input} {{ 7*7 }} {system} {round}", answer="{% raw %}", system="{input}")]
    for form in TEMPLATES.values():
        turns = tricky if form.system else [Turn(question=tricky[0].question, answer=tricky[0].answer)]
        assert "{input} {{ 7*7 }} {system} {round}" in form.render(turns)
        assert in_jinja(form, turns, "") == form.render(turns)


def test_a_family_without_a_system_text_says_so() -> None:
    with pytest.raises(UserError, match="no place for a system text"):
        template("minicpm").render([Turn(question="?", system="Be brief.")])


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="internlm2_chat"):
        template("internlm2")
