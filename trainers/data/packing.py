"""Several samples in one row, each blind to the others, so that nothing is spent on padding.

Positions start anew with each sample and none looks at another, so every token is computed as if its sample
stood alone. The first token of a sample is not predicted from the last one of the sample before. What changes
is the mean: a packed row weighs tokens alike, where rows of their own weigh alike within their batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .collate import Collator, Ints, Sample, expand, finish, pad
from .encoding import IGNORE

if TYPE_CHECKING:
    import torch

    from .dataset import LlavaDataset


def pack(lengths: Sequence[int] | NDArray[np.int64], room: int) -> list[list[int]]:
    """Which samples share a row of `room` tokens: the longest first, each into the first row where it fits.

    A sample longer than a row gets one of its own.
    """
    sizes = np.asarray(lengths)
    rows: list[list[int]] = []
    left = _Rooms(len(sizes))
    for index in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[index])
        place = left.first(size)
        if place is None:
            place = len(rows)
            rows.append([])
            left.set(place, room)
        rows[place].append(index)
        left.set(place, left.of(place) - size)
    return rows


class _Rooms:
    """Free room of rows, with the first that holds enough found in logarithmic time."""

    def __init__(self, count: int) -> None:
        self._leaves = 1 << max(count - 1, 0).bit_length()
        self._tree = [-1] * (2 * self._leaves)

    def of(self, place: int) -> int:
        return self._tree[self._leaves + place]

    def set(self, place: int, room: int) -> None:
        node = self._leaves + place
        self._tree[node] = room
        while node := node // 2:
            self._tree[node] = max(self._tree[2 * node], self._tree[2 * node + 1])

    def first(self, size: int) -> int | None:
        if self._tree[1] < size:
            return None
        node = 1
        while node < self._leaves:
            node = 2 * node if self._tree[2 * node] >= size else 2 * node + 1
        return node - self._leaves


class PackedDataset:
    """Rows of samples instead of samples; shuffle these."""

    def __init__(self, data: LlavaDataset, features: int, room: int) -> None:
        self._data = data
        self.rows = pack(data.expanded_lengths(features), room)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> list[Sample]:
        """The samples of one row."""
        return [self._data[number] for number in self.rows[index]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCollator:
    """Rows of samples to the arguments of `LlavaForConditionalGeneration`."""

    plain: Collator
    mask: Literal["positions", "blocks"] = "positions"
    """positions: no mask. transformers tells samples apart where positions start anew, for eager, SDPA and
    flash attention alike; it does so only without a cache, so the batch switches `use_cache` off.
    blocks: a mask of (rows, 1, length, length), for models that do not look at positions."""
    added: torch.dtype | None = None
    """Of a mask of blocks: None makes it True and False, which SDPA takes and eager attention silently
    misreads; a float type makes it numbers to be added to scores, which eager attention needs."""

    def __call__(self, rows: Iterable[Sequence[Sample]]) -> dict[str, Any]:
        """One batch."""
        packed = [_pack_row(row, self.plain) for row in rows]
        return self._finish(packed)

    def _finish(self, packed: Sequence[_Row]) -> dict[str, Any]:
        import torch

        batch: dict[str, Any] = pad([(row.ids, row.labels) for row in packed], self.plain.pad_id)
        numbers = torch.full(batch["input_ids"].shape, -1)
        for place, row in enumerate(packed):
            batch["position_ids"][place] = 0
            batch["position_ids"][place, : len(row.ids)] = torch.from_numpy(row.positions)
            numbers[place, : len(row.ids)] = torch.from_numpy(row.numbers)
        samples = [sample for row in packed for sample in row.samples]
        batch = finish(batch, samples, self.plain)
        return self._masked(batch, numbers)

    def _masked(self, batch: dict[str, Any], numbers: torch.Tensor) -> dict[str, Any]:
        import torch

        if self.mask == "positions":
            del batch["attention_mask"]
            return {**batch, "use_cache": False}
        more = batch["input_ids"].shape[1] - numbers.shape[1]
        numbers = torch.nn.functional.pad(numbers, (0, more), value=-1)
        allowed = block_mask(numbers)
        if self.added is None:
            return {**batch, "attention_mask": allowed}
        lowest = torch.finfo(self.added).min
        return {
            **batch,
            "attention_mask": torch.zeros(allowed.shape).masked_fill(~allowed, lowest).to(self.added),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    ids: Ints
    labels: Ints
    positions: Ints
    numbers: Ints
    samples: tuple[Sample, ...]


def _pack_row(samples: Sequence[Sample], how: Collator) -> _Row:
    wide = [expand(s.ids, s.labels, how.features, how.image_token) for s in samples]
    for _, labels in wide:
        labels[:1] = IGNORE
    return _Row(
        ids=np.concatenate([ids for ids, _ in wide]),
        labels=np.concatenate([labels for _, labels in wide]),
        positions=np.concatenate([np.arange(len(ids)) for ids, _ in wide]),
        numbers=np.concatenate([np.full(len(ids), number) for number, (ids, _) in enumerate(wide)]),
        samples=tuple(samples),
    )


def block_mask(numbers: torch.Tensor) -> torch.Tensor:
    """Who may look at whom, True where allowed: earlier tokens of the same sample. Padding sees itself."""
    import torch

    width = numbers.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    same = numbers[:, :, None] == numbers[:, None, :]
    return (same & causal)[:, None]
