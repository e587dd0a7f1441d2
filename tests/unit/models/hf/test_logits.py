"""Penalties and min-p follow vLLM's formulas, and the padding of a batch is no token of a prompt."""

from __future__ import annotations

import math

import torch

from vlmbench.decoding import Decoding
from vlmbench.models.hf.logits import MinP, Penalties, tokens_in

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 3.0, -2.0]])


def after(decoding: Decoding, prompt: list[int], answer: list[int]) -> list[float]:
    ids = torch.tensor([[*prompt, *answer]])
    mask = torch.tensor([[int(token != 9) for token in prompt]])
    ids = ids.where(ids != 9, 0)
    scores: list[float] = Penalties(decoding, mask, len(prompt))(ids, LOGITS.clone())[0].tolist()
    return scores


def test_the_presence_penalty_is_subtracted_once_for_every_token_of_the_answer_and_of_no_prompt() -> None:
    decoding = Decoding(presence_penalty=0.5)
    assert after(decoding, [0, 1], [3, 3, 4]) == [2.0, -1.0, 0.5, 2.5, -2.5]


def test_the_repetition_penalty_makes_tokens_of_prompt_and_answer_less_likely_whatever_their_sign() -> None:
    decoding = Decoding(repetition_penalty=2.0)
    assert after(decoding, [0, 1], [4]) == [1.0, -2.0, 0.5, 3.0, -4.0]


def test_both_penalties_come_in_vllms_order() -> None:
    decoding = Decoding(repetition_penalty=2.0, presence_penalty=0.5)
    assert after(decoding, [0], [3]) == [1.0, -1.0, 0.5, 1.0, -2.0]


def test_padding_is_penalised_in_no_batch() -> None:
    decoding = Decoding(repetition_penalty=2.0)
    assert after(decoding, [9, 9, 1], [4]) == after(decoding, [1], [4])


def test_ids_that_have_no_logit_are_left_out() -> None:
    ids = torch.tensor([[1, 7]])
    assert tokens_in(ids, ids >= 0, 5).tolist() == [[False, True, False, False, False]]


def test_min_p_leaves_out_what_is_too_unlikely_at_the_temperature_that_follows() -> None:
    decoding = Decoding(do_sample=True, temperature=2.0, min_p=0.4)
    kept = MinP(decoding)(torch.tensor([[0]]), LOGITS.clone())
    shares = (LOGITS / 2.0).softmax(-1)
    assert kept.isfinite().tolist() == (shares >= 0.4 * shares.max()).tolist()
    assert kept.isfinite().sum() == 2
    assert kept.amax() == LOGITS.amax()
    assert math.isclose(kept[0, 0], LOGITS[0, 0])
