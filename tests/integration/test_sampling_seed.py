"""Sampling is repeatable, another seed is another draw, and draws of one question share its prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import TinyModel, answers, questions, request

from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.draws import draw_ids
from vlmbench.models.hf.model import load_hf

SAMPLED = Decoding(max_new_tokens=6, do_sample=True, temperature=1.3, top_p=0.95)


def said(tiny_model: TinyModel, seed: int, *, do_sample: bool = True) -> list[str]:
    decoding = Decoding(max_new_tokens=6, do_sample=do_sample, num_beams=2 if do_sample else 1, seed=seed)
    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=4)
    return [response.text for response in answers(model, questions(decoding)[:6]).values()]


def drawn(*texts: str, draws: int) -> list[Request]:
    """So many draws of each question, on one picture and on none."""
    asked = [request(text, ImageRef("picture 2"), text, decoding=SAMPLED) for text in texts]
    asked.append(request("none", "No picture.", decoding=SAMPLED))
    return [replace(one, id=name) for one in asked for name in draw_ids(one.id, draws)]


def test_the_same_seed_draws_the_same_answers_and_another_draws_others(tiny_model: TinyModel) -> None:
    assert said(tiny_model, 1) == said(tiny_model, 1)
    assert said(tiny_model, 1) != said(tiny_model, 2)


def test_greedy_answers_know_no_seed(tiny_model: TinyModel) -> None:
    assert said(tiny_model, 1, do_sample=False) == said(tiny_model, 2, do_sample=False)


@pytest.mark.parametrize("architecture", ["llava", "qwen2_vl"])
def test_draws_share_the_prompt_and_depend_on_nothing_beside_them(
    architecture: str, tiny_model: TinyModel
) -> None:
    model = load_hf(str(tiny_model(architecture)), device="cpu")
    one = answers(model, drawn("What is it?", draws=1))
    alone = model.timing["prompt_tokens_computed"]
    six = answers(model, drawn("What is it?", draws=6))
    # Every draw has the last token of its prompt for itself, and nothing else.
    assert model.timing["prompt_tokens_computed"] == alone + 2 * 5
    assert model.timing["paths"] == {"shared prefix": 12}
    assert model.timing["pictures_encoded"] == 1
    assert len({six[name].text for name in draw_ids("What is it?", 6)}) > 3
    assert {name: six[name] for name in one} == one
    other = load_hf(str(tiny_model(architecture)), device="cpu", batch_size=5)
    beside = answers(other, drawn("Is it red?", "What is it?", draws=4)[::-1])
    assert {name: beside[name] for name in beside if name in six} == {
        name: six[name] for name in beside if name in six
    }
