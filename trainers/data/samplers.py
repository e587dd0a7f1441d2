"""In which order samples come: shuffled, or grouped by length and by whether they show a picture.

Both orders follow from seed and epoch alone. They are spread over ranks one by one, and can be taken up
after any number of samples: `start` counts those of all ranks together, so the number of ranks may have
changed for a plain shuffle; length groups are cut for a number of ranks, and their order changes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Lengths = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How an order is dealt to the ranks."""

    batch: int
    """Samples of one rank in one step: batch, times accumulation where the recipe groups over that."""
    world: int = 1
    rank: int = 0
    seed: int = 0
    whole_steps: bool = True
    """Fill the last step up with samples from the beginning."""


class ShuffledSampler:
    """Every sample once an epoch, in an order of chance."""

    def __init__(self, count: int, spread: Spread) -> None:
        self._count, self.spread = count, spread
        self.epoch = self._start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """The epoch to come, and how many samples of it, over all ranks, are done."""
        self.epoch, self._start = epoch, start

    def order(self) -> list[int]:
        """All ranks' samples of this epoch."""
        indices = self._indices()
        more = self._total() - len(indices)
        again = self._again(indices) if more else []
        return indices + (again * -(-more // max(len(again), 1)))[:more]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order()[self._start :][self.spread.rank :: self.spread.world])

    def __len__(self) -> int:
        return len(range(self._start + self.spread.rank, self._total(), self.spread.world))

    def _total(self) -> int:
        step = self.spread.batch * self.spread.world
        return -(-self._count // step) * step if self.spread.whole_steps else self._count

    def _generator(self, epoch: int | None = None) -> torch.Generator:
        import torch

        return torch.Generator().manual_seed(self.spread.seed + (self.epoch if epoch is None else epoch))

    def _indices(self) -> list[int]:
        return permuted(self._count, self._generator())

    def _again(self, indices: list[int]) -> list[int]:
        """With what the last step is filled up."""
        return indices


class LengthGroupedSampler(ShuffledSampler):
    """Samples of like length together, those with pictures and those without apart."""

    def __init__(self, lengths: Sequence[int] | Lengths, spread: Spread, mega: int | None = None) -> None:
        self._lengths = np.asarray(lengths, np.int64)
        super().__init__(len(self._lengths), spread)
        self._group = group_size(self._count, spread, mega)

    def _indices(self) -> list[int]:
        return length_grouped(self._lengths, self._group, self._generator())


def group_size(count: int, spread: Spread, mega: int | None = None) -> int:
    """How many of so many samples are sorted by length together: those of `mega` steps."""
    step = spread.batch * spread.world
    return step * (mega or max(min(count // (step * 4), 50), 1))


def length_grouped(lengths: Sequence[int] | Lengths, group: int, generator: torch.Generator) -> list[int]:
    """The order of the published trainings: lengths are negative for text alone.

    Each kind is shuffled, cut into groups, and each group sorted by length. The incomplete last groups of
    both kinds are joined and come last; the others are shuffled. The longest sample comes first, so that a
    batch too large for the memory fails at once.
    """
    signed = np.asarray(lengths, np.int64)
    if not signed.all():
        raise ValueError("a sample without tokens cannot be grouped by length.")
    if (signed > 0).all() or (signed < 0).all():
        groups = _groups(signed, np.arange(len(signed)), group, generator)
    else:
        shown = _groups(np.abs(signed), np.flatnonzero(signed > 0), group, generator)
        texts = _groups(np.abs(signed), np.flatnonzero(signed < 0), group, generator)
        rest = _by_length(np.abs(signed), shown[-1] + texts[-1])
        whole = [*shown[:-1], *texts[:-1]]
        groups = [*(whole[place] for place in permuted(len(whole), generator)), rest]
    _longest_first(np.abs(signed), groups)
    return [index for one in groups for index in one]


def _groups(
    lengths: Lengths, members: NDArray[np.intp], group: int, generator: torch.Generator
) -> list[list[int]]:
    shuffled = members[permuted(len(members), generator)].tolist()
    return [_by_length(lengths, shuffled[at : at + group]) for at in range(0, len(shuffled), group)]


def _by_length(lengths: Lengths, indices: list[int]) -> list[int]:
    return sorted(indices, key=lambda index: -int(lengths[index]))


def _longest_first(lengths: Lengths, groups: list[list[int]]) -> None:
    tops = [int(lengths[one[0]]) for one in groups]
    longest = int(np.argmax(tops))
    groups[0][0], groups[longest][0] = groups[longest][0], groups[0][0]


def permuted(count: int, generator: torch.Generator) -> list[int]:
    """So many places in an order of chance."""
    import torch

    return [int(place) for place in torch.randperm(count, generator=generator).tolist()]
