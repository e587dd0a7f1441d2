"""Many questions about one picture in one row, each blind to the others.

A row is the picture followed by several turns. Every turn sees the picture and itself only, and its
positions start where the picture ends, so a packed turn is computed exactly as if it stood alone, while the
picture is encoded once. Only the answers are learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

    from vlmbench.trainers.demo_model.prompts import Turn

IGNORE = -100
_PICTURE, _PADDING = 0, -1


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step needs; `pixels` is None where no picture is shown."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    pixels: torch.Tensor | None


class Packer:
    """Turns rows of turns into tensors."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> None:
        """Remember the tokens every row starts and ends with."""
        self._tokenizer = tokenizer
        ids = tokenizer.get_vocab()
        self._user, self._assistant, self._end = ids["USER:"], ids["ASSISTANT:"], ids["</s>"]
        self._image = [ids["<image>"]] * image_tokens
        self._memo: dict[str, list[int]] = {}

    def batch(self, rows: Sequence[Sequence[Turn]], pixels: NDArray[np.float32] | None) -> Batch:
        """One row of `rows` per picture (or per group of turns, where `pixels` is None)."""
        import torch

        prefix = [self._user, *(self._image if pixels is not None else [])]
        packed = [self._pack(prefix, turns) for turns in rows]
        width = max(len(row[0]) for row in packed)
        shape = (len(packed), width)
        ids = np.zeros(shape, dtype=np.int64)
        places = np.zeros(shape, dtype=np.int64)
        turn_of = np.full(shape, _PADDING, dtype=np.int64)
        labels = np.full(shape, IGNORE, dtype=np.int64)
        for i, columns in enumerate(packed):
            for target, column in zip((ids, places, turn_of, labels), columns, strict=True):
                target[i, : len(column)] = column
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(places),
            _mask(torch.from_numpy(turn_of)),
            torch.from_numpy(labels),
            None if pixels is None else torch.from_numpy(pixels),
        )

    def _tokens(self, text: str) -> list[int]:
        if text not in self._memo:
            if len(self._memo) > 200_000:
                self._memo.clear()
            self._memo[text] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return self._memo[text]

    def _pack(self, prefix: list[int], turns: Sequence[Turn]) -> tuple[list[int], ...]:
        ids, places = list(prefix), list(range(len(prefix)))
        turn_of, labels = [_PICTURE] * len(prefix), [IGNORE] * len(prefix)
        for number, (question, answer) in enumerate(turns, start=1):
            asked = [*self._tokens(question), self._assistant]
            told = [*self._tokens(answer), self._end]
            # the token at each place is to predict the next one
            labels += [IGNORE] * (len(asked) - 1) + told + [IGNORE]
            ids += asked + told
            places += range(len(prefix), len(prefix) + len(asked) + len(told))
            turn_of += [number] * (len(asked) + len(told))
        return ids, places, turn_of, labels


def _mask(turn_of: torch.Tensor) -> torch.Tensor:
    """Who may look at whom, as an additive mask of shape (rows, 1, query, key)."""
    import torch

    query, key = turn_of[:, :, None], turn_of[:, None, :]
    causal = torch.ones(turn_of.shape[1], turn_of.shape[1], dtype=torch.bool).tril()
    allowed = ((key == _PICTURE) | (key == query)) & causal
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return mask[:, None]
