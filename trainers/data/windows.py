"""The order of a mixture with streamed sources: shards are shuffled, and samples within a window of shards.

It follows from seed and epoch, as other orders do. With no more shards than a window has, it is the order
that the same samples have when they are not streamed.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmbench.trainers.data.batches import pack
from vlmbench.trainers.data.samplers import (
    LengthGroupedSampler,
    Lengths,
    ShuffledSampler,
    Spread,
    group_size,
    length_grouped,
    permuted,
)

if TYPE_CHECKING:
    import torch

NOWHERE = -1
"""The shard of a sample whose pictures are always here."""


class Windows(NamedTuple):
    """Of one epoch, in order."""

    shards: tuple[tuple[int, ...], ...]
    ends: tuple[int, ...]
    """How many samples there are up to the end of each window."""

    def at(self, place: int) -> int:
        """The window of a sample, by its place in the order; what fills up the last step is in the last."""
        return min(bisect_right(self.ends, place), len(self.ends) - 1)


class WindowedSampler(ShuffledSampler):
    """Every sample once an epoch, window by window; with `lengths`, those of like length together."""

    def __init__(self, shards: Lengths, window: int, spread: Spread, lengths: Lengths | None = None) -> None:
        """`shards`: of each sample; samples of NOWHERE are spread over all windows."""
        super().__init__(len(shards), spread)
        order = np.argsort(shards, kind="stable")
        numbers, starts = np.unique(shards[order], return_index=True)
        self._members = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
        self._free = self._members.pop(NOWHERE, np.zeros(0, np.int64))
        self._window, self._lengths = window, lengths
        self.windows = lru_cache(2)(self._windows)

    def _windows(self, epoch: int) -> Windows:
        """The windows of an epoch."""
        shards = list(self._members)
        if len(shards) > self._window:
            shards = [shards[place] for place in permuted(len(shards), self._generator(epoch))]
        groups = [tuple(shards[at : at + self._window]) for at in range(0, len(shards), self._window)]
        ends = list(accumulate(sum(len(self._members[shard]) for shard in group) for group in groups))
        free = [len(self._free) * end // ends[-1] for end in ends]
        return Windows(tuple(groups), tuple(end + more for end, more in zip(ends, free, strict=True)))

    def _indices(self) -> list[int]:
        windows, generator = self.windows(self.epoch), self._generator()
        free = self._free
        if len(windows.shards) > 1:
            permuted(len(self._members), generator)  # the draw of the windows
            free = free[permuted(len(free), generator)]
        found: list[int] = []
        for shards, end in zip(windows.shards, windows.ends, strict=True):
            own = [self._members[shard] for shard in shards]
            missing = end - len(found) - sum(map(len, own))
            members = np.sort(np.concatenate([*own, free[:missing]]))
            free = free[missing:]
            found += members[self._shuffled(members, generator)].tolist()
        return found

    def _shuffled(self, members: NDArray[np.int64], generator: torch.Generator) -> list[int]:
        if self._lengths is None:
            return permuted(len(members), generator)
        return length_grouped(self._lengths[members], group_size(len(members), self.spread), generator)

    def _again(self, indices: list[int]) -> list[int]:
        """Samples of the last window, whose shards are here."""
        ends = self.windows(self.epoch).ends
        return indices[ends[-2] if len(ends) > 1 else 0 :]


def sampler_of(shards: Lengths, lengths: Lengths | None, window: int, spread: Spread) -> ShuffledSampler:
    """By the shard of each sample; with `lengths`, those of like length together."""
    if (shards != NOWHERE).any():
        return WindowedSampler(shards, window, spread, lengths)
    return ShuffledSampler(len(shards), spread) if lengths is None else LengthGroupedSampler(lengths, spread)


def packed(shards: Lengths, lengths: Lengths, room: int) -> list[list[int]]:
    """Samples that share a row, as `pack` chooses them within each shard."""
    members = (np.flatnonzero(shards == shard) for shard in np.unique(shards))
    return [own[row].tolist() for own in members for row in pack(lengths[own], room)]
