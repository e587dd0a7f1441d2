"""Ollama is told the wording that the model was trained in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gguf_models import tiny_llava

from vlmbench.checkpoints.gguf.folder import go_template, modelfile, own_template, stop_words, write_gguf
from vlmbench.templates import TEMPLATES, Turn, chat_template

TURNS = [Turn(question="One?", answer="1", system="Be brief."), Turn(question="Two?")]


def as_ollama_writes(text: str, turns: list[Turn]) -> str:
    """A turn after the other; of the last one nothing from its answer on."""
    written = ""
    for turn in turns:
        part = text if turn.answer is not None else text[: text.index("{{ .Response }}")]
        part = re.sub(r"{{ if \.System }}(.*?){{ end }}", r"\1" if turn.system else "", part, flags=re.DOTALL)
        values = {"Prompt": turn.question, "System": turn.system or "", "Response": turn.answer or ""}
        for name, value in values.items():
            part = part.replace("{{ ." + name + " }}", value)
        written += part
    return written


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_conversation_reads_as_in_training(name: str) -> None:
    template = TEMPLATES[name]
    turns = TURNS if "{round}" not in template.instruction else TURNS[:1]
    if template.system is None:
        turns = [Turn(question=turn.question, answer=turn.answer) for turn in turns]
    written = as_ollama_writes(go_template(template, eos="</s>"), turns)
    assert written == template.render(turns, eos="</s>")


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_chat_template_of_ours_is_recognised(name: str) -> None:
    jinja = chat_template(TEMPLATES[name])
    found = own_template(jinja)
    assert found is not None
    assert chat_template(found) == jinja
    assert '"""' not in go_template(found, eos="</s>")


def test_the_modelfile_names_both_files_and_every_stop_word(tmp_path: Path) -> None:
    write_gguf(tiny_llava(wording="qwen_chat"), tmp_path, kind="q8_0", name="tiny")
    assert (tmp_path / "Modelfile").read_text("utf-8") == (
        "FROM ./tiny-q8_0.gguf\n"
        "FROM ./tiny-mmproj-f16.gguf\n"
        "\n"
        'TEMPLATE """{{ if .System }}<|im_start|>system\n'
        "{{ .System }}<|im_end|>\n"
        "{{ end }}<|im_start|>user\n"
        "{{ .Prompt }}<|im_end|>\n"
        "<|im_start|>assistant\n"
        "{{ .Response }}<|im_end|>\n"
        '"""\n'
        'PARAMETER stop "<|im_end|>"\n'
        'PARAMETER stop "<|endoftext|>"\n'
        'PARAMETER stop "</s>"\n'
        "PARAMETER num_ctx 512\n"
    )


def test_a_wording_that_is_not_ours_is_left_to_the_file() -> None:
    assert own_template("{{ messages }}") is None
    assert own_template(None) is None
    text = modelfile("a.gguf", "b.gguf", None, {"max_position_embeddings": 32768}, eos="</s>")
    assert "TEMPLATE" not in text
    assert text.endswith("PARAMETER num_ctx 4096\n")


def test_stop_words_are_said_once() -> None:
    assert stop_words(TEMPLATES["llama3_chat"], eos="<|eot_id|>") == ("<|eot_id|>",)
    assert stop_words(TEMPLATES["vicuna"], eos="") == ()
