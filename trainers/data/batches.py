"""Samples to batches, for models that hold one place for each feature of a picture.

The token rows hold one -200 a picture. `expand` puts as many image tokens there as the picture has features,
which is what splicing the features in between would give: the same positions, the same labels, -100 over the
picture.

A packed row holds several samples, so that nothing is spent on padding. Positions start anew with each sample
and none looks at another, so every token is computed as if its sample stood alone; the first token of a
sample is not predicted from the last one of the sample before. What changes is the mean: a packed row weighs
tokens alike, where rows of their own weigh alike within their batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .encoding import IGNORE, IMAGE_ID

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSample:
    """A row of the data set with its pictures ready for the tower."""

    id: str
    ids: Ints
    labels: Ints
    pixels: torch.Tensor | None
    """(pictures, channels, height, width); None for text alone."""
    skipped: tuple[str, ...] = ()
    """Records whose pictures could not be read, and in whose place this one stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collator:
    """Samples to the arguments of `LlavaForConditionalGeneration`, and beside them the samples' ids."""

    pad_id: int
    image_token: int
    features: int
    """Of one picture: 576 for CLIP-L/14 at 336."""
    blank: torch.Tensor | None = None
    """A picture (channels, height, width). Where a batch shows none, this one is put behind the first row,
    masked and without labels: no loss changes, yet tower and projector take part on every rank, as DDP and
    ZeRO-3 need."""

    def __call__(self, samples: Sequence[TrainingSample]) -> dict[str, Any]:
        """One batch."""
        batch = pad([self.expanded(sample) for sample in samples], self.pad_id)
        return self.with_pictures(batch, samples)

    def expanded(self, sample: TrainingSample) -> tuple[Ints, Ints]:
        """Ids and labels of a sample as the model takes them."""
        return expand(sample.ids, sample.labels, self.features, self.image_token)

    def with_pictures(
        self, batch: dict[str, torch.Tensor], samples: Sequence[TrainingSample]
    ) -> dict[str, Any]:
        """The batch with its pictures, the samples' ids, and the records that were skipped."""
        import torch

        pictures = [sample.pixels for sample in samples if sample.pixels is not None and len(sample.pixels)]
        if pictures:
            batch["pixel_values"] = torch.cat(pictures)
        elif self.blank is not None:
            batch = self._with_blank(batch)
            batch["pixel_values"] = self.blank[None]
        skipped = tuple(reason for sample in samples for reason in sample.skipped)
        return {**batch, "record_ids": tuple(sample.id for sample in samples), "skipped": skipped}

    def _with_blank(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The batch with one more picture on the right of the first row, which no token attends to."""
        import torch

        rows, width = batch["input_ids"].shape
        more = pad([(np.zeros(self.features, np.int64), np.full(self.features, IGNORE))] * rows, self.pad_id)
        more["input_ids"][:] = self.pad_id
        more["input_ids"][0] = self.image_token
        more["attention_mask"][:] = False
        more["position_ids"] += width
        return {name: torch.cat([batch[name], more[name]], dim=1) for name in batch}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCollator:
    """Rows of samples to the arguments of `LlavaForConditionalGeneration`.

    There is no mask: transformers keeps samples apart where positions start anew, for eager, SDPA and flash
    attention alike. It does so only without a cache, so the batch switches `use_cache` off.
    """

    plain: Collator

    def __call__(self, rows: Iterable[Sequence[TrainingSample]]) -> dict[str, Any]:
        """One batch."""
        import torch

        rows = list(rows)
        expanded = [[self.plain.expanded(sample) for sample in row] for row in rows]
        for row in expanded:
            for _, labels in row:
                labels[:1] = IGNORE
        joined = [
            (np.concatenate([i for i, _ in row]), np.concatenate([t for _, t in row])) for row in expanded
        ]
        batch: dict[str, Any] = pad(joined, self.plain.pad_id)
        for place, row in enumerate(expanded):
            positions = np.concatenate([np.arange(len(ids)) for ids, _ in row])
            batch["position_ids"][place] = 0
            batch["position_ids"][place, : len(positions)] = torch.from_numpy(positions)
        batch = self.plain.with_pictures(batch, [sample for row in rows for sample in row])
        del batch["attention_mask"]
        return {**batch, "use_cache": False}


def expand(ids: NDArray[Any], labels: NDArray[Any], features: int, image_token: int) -> tuple[Ints, Ints]:
    """Every -200 as `features` image tokens with no label."""
    repeats = np.where(ids == IMAGE_ID, features, 1)
    wide = np.repeat(np.asarray(ids, np.int64), repeats)
    wide_labels = np.repeat(np.asarray(labels, np.int64), repeats)
    pictures = wide == IMAGE_ID
    wide[pictures] = image_token
    wide_labels[pictures] = IGNORE
    return wide, wide_labels


def to_model(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the model's forward takes."""
    return {name: value for name, value in batch.items() if name not in ("record_ids", "skipped")}


def pad(rows: Sequence[tuple[Ints, Ints]], pad_id: int) -> dict[str, torch.Tensor]:
    """Rows of ids and labels side by side, padded on the right; positions count on through the padding."""
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = np.full((len(rows), width), pad_id, np.int64)
    labels = np.full((len(rows), width), IGNORE, np.int64)
    mask = np.zeros((len(rows), width), np.bool_)
    for place, (row, row_labels) in enumerate(rows):
        ids[place, : len(row)] = row
        labels[place, : len(row)] = row_labels
        mask[place, : len(row)] = True
    positions = np.broadcast_to(np.arange(width), ids.shape).copy()
    columns = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": labels}
    return {name: torch.from_numpy(column) for name, column in columns.items()}


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
