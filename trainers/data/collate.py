"""Samples to batches, for models that hold one place for each feature of a picture.

The token rows hold one -200 a picture. `expand` puts as many image tokens there as the picture has features,
which is what splicing the features in between would give: the same positions, the same labels, -100 over the
picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .encoding import IGNORE, IMAGE_ID

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A row of the data set with its pictures ready for the tower."""

    id: str
    ids: Ints
    labels: Ints
    pixels: torch.Tensor | None
    """(pictures, channels, height, width); None for text alone."""
    skipped: tuple[str, ...] = ()
    """Records whose pictures could not be read, and in whose place this one stands."""


def expand(ids: NDArray[Any], labels: NDArray[Any], features: int, image_token: int) -> tuple[Ints, Ints]:
    """Every -200 as `features` image tokens with no label."""
    repeats = np.where(ids == IMAGE_ID, features, 1)
    wide = np.repeat(np.asarray(ids, np.int64), repeats)
    wide_labels = np.repeat(np.asarray(labels, np.int64), repeats)
    pictures = wide == IMAGE_ID
    wide[pictures] = image_token
    wide_labels[pictures] = IGNORE
    return wide, wide_labels


def pad(rows: Sequence[tuple[Ints, Ints]], pad_id: int) -> dict[str, torch.Tensor]:
    """Rows of ids and labels side by side, filled up on the right; positions count through the filling."""
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

    def __call__(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """One batch."""
        rows = [expand(s.ids, s.labels, self.features, self.image_token) for s in samples]
        return finish(pad(rows, self.pad_id), samples, self)


def finish(batch: dict[str, torch.Tensor], samples: Sequence[Sample], how: Collator) -> dict[str, Any]:
    """The batch with its pictures, ids and what was skipped."""
    import torch

    pictures = [sample.pixels for sample in samples if sample.pixels is not None and len(sample.pixels)]
    if pictures:
        batch["pixel_values"] = torch.cat(pictures)
    elif how.blank is not None:
        batch = with_blank(batch, how)
        batch["pixel_values"] = how.blank[None]
    skipped = tuple(reason for sample in samples for reason in sample.skipped)
    return {**batch, "record_ids": tuple(sample.id for sample in samples), "skipped": skipped}


def with_blank(batch: Mapping[str, torch.Tensor], how: Collator) -> dict[str, torch.Tensor]:
    """The batch with one picture more on the right of the first row, which nothing looks at."""
    import torch

    rows, width = batch["input_ids"].shape
    more = pad([(np.zeros(how.features, np.int64), np.full(how.features, IGNORE))] * rows, how.pad_id)
    more["input_ids"][:] = how.pad_id
    more["input_ids"][0] = how.image_token
    more["attention_mask"][:] = False
    more["position_ids"] += width
    return {name: torch.cat([batch[name], more[name]], dim=1) for name in batch}


def to_model(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the model's forward takes."""
    return {name: value for name, value in batch.items() if name not in ("record_ids", "skipped")}
