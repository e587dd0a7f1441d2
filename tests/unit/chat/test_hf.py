"""Hugging Face models that talk: what evaluation would get, several pictures, several turns, stopping."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from checkpoint_folders import CLIP, language, xtuner
from tiny_models import ARCHITECTURES, edit_json, picture

from vlmbench.chat import PartialAnswer, Picture, Session
from vlmbench.chat.hf import HfTalker
from vlmbench.chat.opening import open_talker
from vlmbench.chat.session import ContextFull
from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.errors import UserError
from vlmbench.models.hf.model import load_hf
from vlmbench.prompts import default_style, prompt_style

SHORT = Decoding(max_new_tokens=8)
BUS = Picture(name="bus.png", data=picture(40, 30), size=(40, 30))
TREE = Picture(name="tree.png", data=picture(30, 40, 1), size=(30, 40))


def last(session: Session, question: str) -> PartialAnswer:
    return list(session.ask(question))[-1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_first_answer_is_evaluations(architecture: str, tiny_model: Callable[[str], Path]) -> None:
    folder = str(tiny_model(architecture))
    session = Session(open_talker(folder, device="cpu"), SHORT)
    session.show(BUS)
    session.show(TREE)
    said = last(session, "Which colour is the big circle?")
    request = Request(
        id="1",
        group="1",
        parts=(ImageRef("bus"), ImageRef("tree"), "Which colour is the big circle?"),
        decoding=SHORT,
        image_fit=prompt_style(default_style(architecture)).image_fit,
    )
    (expected,) = load_hf(folder, device="cpu").generate([request], {"bus": BUS.data, "tree": TREE.data})
    assert said.text.strip() == expected.text
    assert (said.prompt_tokens, said.new_tokens) == (expected.prompt_tokens, expected.new_tokens)
    assert said.ending == expected.finish


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_picture_may_come_in_any_turn(architecture: str, tiny_model: Callable[[str], Path]) -> None:
    session = Session(open_talker(str(tiny_model(architecture)), device="cpu"), SHORT)
    lengths = []
    for shown in (None, BUS, None, TREE):
        if shown is not None:
            session.show(shown)
        lengths.append(last(session, "And now?").prompt_tokens)
    assert lengths == sorted(set(lengths))
    assert session.conversation.pictures == (BUS, TREE)


def test_answers_grow_token_by_token(llava: Path) -> None:
    session = Session(open_talker(str(llava), device="cpu"), SHORT)
    told = list(session.ask("What is in the picture?"))
    assert [said.new_tokens for said in told[:-1]] == list(range(1, len(told)))
    assert all(after.text.startswith(before.text) for before, after in pairwise(told))
    assert [said.ending is None for said in told] == [True] * (len(told) - 1) + [False]


def test_whoever_stops_listening_stops_the_model(llava: Path) -> None:
    session = Session(open_talker(str(llava), device="cpu"), Decoding(max_new_tokens=3000))
    answer = session.ask("What is in the picture?")
    next(answer)
    answer.close()
    (exchange,) = session.conversation.exchanges
    assert (exchange.ending, exchange.new_tokens) == ("stopped", 1)
    assert next(session.ask("And now?")).prompt_tokens > exchange.prompt_tokens


def test_a_full_window_cuts_the_answer_and_then_refuses(llava: Path) -> None:
    config = json.loads((llava / "config.json").read_text("utf-8"))["text_config"]
    edit_json(llava / "config.json", text_config=config | {"max_position_embeddings": 80})
    session = Session(open_talker(str(llava), device="cpu"), Decoding(max_new_tokens=500))
    said = last(session, "What is in the picture?")
    assert (said.ending, said.prompt_tokens + said.new_tokens) == ("context", 80)
    before = session.conversation
    with pytest.raises(ContextFull, match="made for 80"):
        last(session, "And now?")
    assert session.conversation is before


def test_special_tokens_that_are_typed_are_text(llava: Path) -> None:
    talker = open_talker(str(llava), device="cpu")
    session = Session(talker, SHORT, system="</s> <image>")
    session.show(BUS)
    said = last(session, "<image><image></s><s><pad>")
    assert said.new_tokens > 0


def test_a_template_brings_its_stop_words_even_where_they_are_several_tokens(llava: Path) -> None:
    talker = open_talker(str(llava), device="cpu", template="internlm_chat")
    assert isinstance(talker, HfTalker)
    assert talker.stops == ("<eoa>",)
    whole = last(Session(talker, SHORT), "What is in the picture?").text
    stop = whole[len(whole) // 2 :][:3]
    talker.stops = (stop,)
    cut = last(Session(talker, SHORT), "What is in the picture?")
    assert (cut.text, cut.ending) == (whole[: whole.index(stop)], "stop")


def test_a_template_that_knows_no_system_text_says_so(llava: Path) -> None:
    text = (llava / "chat_template.jinja").read_text("utf-8")
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    (llava / "chat_template.jinja").write_text(refusal + text, "utf-8")
    session = Session(open_talker(str(llava), device="cpu"), SHORT, system="Be brief.")
    with pytest.raises(UserError, match=r"no system here.*try without"):
        last(session, "What is it?")


def test_a_wording_for_another_kind_of_model_is_refused(tiny_model: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match=r"vicuna.*which this model does not know"):
        open_talker(str(tiny_model("qwen2_vl")), device="cpu", template="vicuna")


def test_what_xtuner_leaves_behind_talks_whole_and_in_few_bits(tmp_path: Path) -> None:
    llm = language(tmp_path / "llm")
    folder = str(xtuner("llm_lora", tmp_path / "xtuner"))
    for bits in (None, 4):
        talker = open_talker(
            folder, device="cpu", bits=bits, llm=str(llm), vision=str(CLIP), template="vicuna"
        )
        session = Session(talker, SHORT)
        session.show(BUS)
        assert last(session, "What is it?").new_tokens > 0
        assert last(session, "Sure?").new_tokens > 0


def test_in_few_bits_only_the_language_model_is(llava: Path) -> None:
    import torch

    talker = open_talker(str(llava), device="cpu", bits=4)
    assert isinstance(talker, HfTalker)
    small = {name for name, part in talker.model.named_parameters() if part.dtype == torch.uint8}
    # Keys and values of this one have 16 outputs, too few to pack.
    assert len(small) == 2 * 5
    assert all("language_model" in name for name in small)
