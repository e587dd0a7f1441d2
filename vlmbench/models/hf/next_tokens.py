"""Which token comes next in each answer of a batch: the likeliest, or one that is drawn.

Every answer draws with random numbers of its own, made from its seed alone. So it does not depend on what is
asked beside it, on the size of the batch, or on how many answers to its question there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmbench.decoding import Decoding
from vlmbench.models.hf.logits import MinP, is_penalised, penalised

_AT_ONCE = 64
"""Steps whose random numbers are made together."""
Prompts = Sequence[Sequence[Sequence[int]]]
"""The tokens of every prompt: [unit][prompt][token]."""


class NextTokens:
    """Chooses tokens [unit, prompt] from logits [unit, prompt, vocabulary], step by step."""

    def __init__(self, prompts: Prompts, decoding: Decoding, seeds: Sequence[Sequence[int]]) -> None:
        self._prompts, self._decoding, self._seeds = prompts, decoding, seeds
        self._ahead: list[Any] = []
        self._generators: list[list[Any]] = []
        self._asked: Any = None
        self._written: Any = None
        self._steps = _sampling_steps(decoding) if decoding.do_sample else []

    def __call__(self, logits: Any) -> Any:
        """The next token of every answer."""
        if not is_penalised(self._decoding):
            return self._chosen(logits)
        if self._asked is None:
            self._asked = self._tokens_of_prompts(logits)
            self._written = self._asked.new_zeros(logits.shape)
        tokens = self._chosen(penalised(logits.float(), self._asked, self._written, self._decoding))
        self._written.scatter_(-1, tokens[..., None], value=True)
        return tokens

    def _chosen(self, logits: Any) -> Any:
        return self._drawn(logits) if self._decoding.do_sample else logits.argmax(dim=-1)

    def _drawn(self, logits: Any) -> Any:
        """The token at which the sum of probabilities passes the answer's random number."""
        import torch

        scores = logits.float().flatten(0, 1)
        for step in self._steps:
            scores = step(None, scores)
        # In single precision the sum over a large vocabulary would lose unlikely tokens.
        sums = scores.softmax(dim=-1).to(_exact(logits)).to(torch.float64).cumsum(dim=-1)
        wanted = self._random_numbers(logits).flatten()[:, None] * sums[:, -1:]
        places = torch.searchsorted(sums, wanted, right=True)[:, 0]
        return places.clamp_(max=scores.shape[-1] - 1).view(logits.shape[:2]).to(logits.device)

    def _random_numbers(self, logits: Any) -> Any:
        """One from 0 below 1 for each answer. Made on the CPU, so that they are the same on every device."""
        import torch

        if not self._generators:
            self._generators = [
                [torch.Generator().manual_seed(seed) for seed in unit] for unit in self._seeds
            ]
        if not self._ahead:
            numbers = torch.zeros(_AT_ONCE, *logits.shape[:2], dtype=torch.float64)
            for unit, generators in enumerate(self._generators):
                for place, own in enumerate(generators):
                    numbers[:, unit, place] = torch.rand(_AT_ONCE, generator=own, dtype=torch.float64)
            self._ahead = [*numbers.to(_exact(logits))][::-1]
        return self._ahead.pop()

    def _tokens_of_prompts(self, logits: Any) -> Any:
        """Which tokens stand in each prompt: [unit, prompt, vocabulary]."""
        import torch

        found = torch.zeros(logits.shape, dtype=torch.bool)
        for row, unit in enumerate(self._prompts):
            for place, ids in enumerate(unit):
                found[row, place, [token for token in set(ids) if token < logits.shape[-1]]] = True
        return found.to(logits.device)


def _exact(logits: Any) -> Any:
    """The device that draws: that of the logits, unless it has no double precision."""
    return "cpu" if logits.device.type == "mps" else logits.device


def _sampling_steps(decoding: Decoding) -> list[Any]:
    """What `generate` does to scores before it draws, in its order; min-p comes first, as in vLLM."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    return [
        *([MinP(decoding)] if decoding.min_p else []),
        *([TemperatureLogitsWarper(float(decoding.temperature))] if decoding.temperature != 1 else []),
        *([TopKLogitsWarper(decoding.top_k)] if decoding.top_k else []),
        *([TopPLogitsWarper(decoding.top_p)] if decoding.top_p < 1 else []),
    ]
