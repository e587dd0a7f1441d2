"""Penalties and min-p on logits, as vLLM applies them, whatever else is in the batch.

The repetition penalty divides positive logits of tokens that stand in the prompt or the answer, and
multiplies negative ones. The presence penalty is subtracted for tokens of the answer alone. Then min-p leaves
out what is too unlikely at the temperature that follows, before top-k and top-p. transformers' own penalty
also counts the padding of a batch, has no counterpart to the presence penalty, and its min-p comes last.
"""

from __future__ import annotations

import math
from typing import Any

from vlmbench.decoding import Decoding


def is_penalised(decoding: Decoding) -> bool:
    """Whether tokens that were written before count."""
    return decoding.repetition_penalty != 1 or decoding.presence_penalty != 0


def penalised(logits: Any, prompt: Any, answer: Any, decoding: Decoding) -> Any:
    """The logits [..., vocabulary] after both penalties; masks of that shape say which tokens stand where."""
    penalty = decoding.repetition_penalty
    if penalty != 1:
        less = logits.where(logits <= 0, logits / penalty).where(logits > 0, logits * penalty)
        logits = less.where(prompt | answer, logits)
    return logits - decoding.presence_penalty * answer


def tokens_in(ids: Any, counts: Any, vocabulary: int) -> Any:
    """Which tokens stand in each row of `ids`, of the places that count; [row, vocabulary].

    Ids beyond the logits, such as a picture's placeholder may have, are left out.
    """
    known = ids.where(counts & (ids < vocabulary), vocabulary)
    mask = ids.new_zeros((ids.shape[0], vocabulary + 1), dtype=bool)
    return mask.scatter_(1, known, value=True)[:, :-1]


class Penalties:
    """A logits processor of `generate`, for a batch padded on the left."""

    def __init__(self, decoding: Decoding, prompt_mask: Any, prompt_length: int) -> None:
        self._decoding, self._mask, self._length = decoding, prompt_mask.bool(), prompt_length

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores [row, vocabulary] after what stands in `input_ids`."""
        asked, written = input_ids[:, : self._length], input_ids[:, self._length :]
        # Every prompt stands there once a beam.
        mask = self._mask.repeat_interleave(len(asked) // len(self._mask), dim=0)[:, : self._length]
        prompt = tokens_in(asked, mask, scores.shape[-1])
        answer = tokens_in(written, written >= 0, scores.shape[-1])
        return penalised(scores, prompt, answer, self._decoding)


class MinP:
    """A logits processor of `generate`, which divides by the temperature after it."""

    def __init__(self, decoding: Decoding) -> None:
        self._below = decoding.temperature * math.log(decoding.min_p)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores [row, vocabulary], -inf for what is left out."""
        least = scores.amax(dim=-1, keepdim=True) + self._below
        return scores.masked_fill(scores < least, -math.inf)
