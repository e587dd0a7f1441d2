"""Sampling is repeatable, and another seed is another draw."""

from __future__ import annotations

from asking import TinyModel, answers, questions

from vlmbench.domain import Decoding
from vlmbench.models.hf.model import load_hf


def said(tiny_model: TinyModel, seed: int, *, do_sample: bool = True) -> list[str]:
    decoding = Decoding(max_new_tokens=6, do_sample=do_sample, num_beams=2 if do_sample else 1, seed=seed)
    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=4)
    return [response.text for response in answers(model, questions(decoding)[:6]).values()]


def test_the_same_seed_draws_the_same_answers_and_another_draws_others(tiny_model: TinyModel) -> None:
    assert said(tiny_model, 1) == said(tiny_model, 1)
    assert said(tiny_model, 1) != said(tiny_model, 2)


def test_greedy_answers_know_no_seed(tiny_model: TinyModel) -> None:
    assert said(tiny_model, 1, do_sample=False) == said(tiny_model, 2, do_sample=False)
