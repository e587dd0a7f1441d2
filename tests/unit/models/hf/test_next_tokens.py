"""What is drawn next in an answer: by the probabilities that settings leave, from the answer's own seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vlmbench.decoding import Decoding, seed_of
from vlmbench.models.hf.next_tokens import NextTokens

ROW = torch.randn(60, generator=torch.Generator().manual_seed(0)) * 2
MANY = 3000


def drawn(decoding: Decoding, names: list[str], logits: Any = ROW) -> list[int]:
    seeds = [[seed_of(decoding, name) for name in names]]
    tokens = NextTokens([[[5]] * len(names)], decoding, seeds)(logits.expand(1, len(names), -1))
    return tokens.flatten().tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "settings", [{}, {"top_k": 4}, {"top_p": 0.6}, {"min_p": 0.3}, {"repetition_penalty": 3.0, "top_k": 9}]
)
def test_tokens_come_as_often_as_they_are_likely(settings: dict[str, Any]) -> None:
    decoding = Decoding(do_sample=True, temperature=1.5, **settings)
    scores = ROW.clone()
    penalty = decoding.repetition_penalty
    scores[5] = scores[5] / penalty if scores[5] > 0 else scores[5] * penalty
    chances = (scores / 1.5).softmax(-1)
    order = chances.argsort(descending=True)
    before = chances[order].cumsum(-1) - chances[order]
    kept = order[: decoding.top_k or None]
    kept = kept[(before[: len(kept)] < decoding.top_p) & (chances[kept] >= decoding.min_p * chances.max())]
    found = drawn(decoding, [f"question#{number}" for number in range(MANY)])
    assert set(found) <= set(kept.tolist())
    for token in kept.tolist():
        expected = float(chances[token] / chances[kept].sum())
        assert found.count(token) / MANY == pytest.approx(expected, abs=0.035)


def test_an_answer_is_drawn_alike_whatever_stands_beside_it() -> None:
    decoding = Decoding(do_sample=True)
    names = [f"q#{number}" for number in range(9)]
    assert drawn(decoding, names)[4:] == drawn(decoding, names[4:])
    assert len(set(drawn(decoding, names))) > 3


def test_an_answer_has_new_random_numbers_at_every_step() -> None:
    decoding = Decoding(do_sample=True)
    choose = NextTokens([[[1], [2]]], decoding, [[7, 8]])
    steps = [choose(torch.zeros(1, 2, 1000)).flatten().tolist() for _ in range(200)]
    assert len({tuple(step) for step in steps}) == 200
    assert all(len({step[place] for step in steps}) > 150 for place in (0, 1))


def test_a_token_of_the_answer_is_penalised_when_it_comes_again() -> None:
    decoding = Decoding(do_sample=True, temperature=0.01, presence_penalty=2.0)
    choose = NextTokens([[[0]]], decoding, [[1]])
    logits = torch.tensor([[[3.0, 2.5, 2.0]]])
    assert [int(choose(logits)) for _ in range(3)] == [0, 1, 2]
