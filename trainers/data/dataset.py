"""The samples of a mixture: token rows of several files, with the pictures of each read when asked for."""

from __future__ import annotations

import multiprocessing
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.errors import DataError

from .collate import Sample
from .pictures import BrokenPictures, Pictures
from .policy import Policy
from .token_file import TokenFile, TokenRow

_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One tokenised set and the folder of its pictures."""

    tokens: TokenFile
    images: Path


class LlavaDataset:
    """A map-style data set for torch's DataLoader."""

    def __init__(
        self, parts: Sequence[Part], pictures: Pictures, broken: BrokenPictures | None = None
    ) -> None:
        self.parts = tuple(parts)
        self.broken = broken or BrokenPictures(policy=Policy())
        self._pictures = pictures
        self._ends = list(accumulate(len(part.tokens) for part in parts))
        # Shared with the loading processes, so that each broken record is read and counted once.
        self._known_broken: Any = multiprocessing.get_context("spawn").RawArray("b", max(len(self), 1))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Sample:
        """The sample; in place of one whose picture is broken, where that is allowed, the next sound one.

        So batches keep their size, ranks keep step, and the same data gives the same batches again.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        skipped: list[str] = []
        for step in range(min(len(self), _TRIES)):
            place = (index + step) % len(self)
            if self._known_broken[place]:
                continue
            row, folder = self.row(place)
            try:
                pixels = self._pictures.load(folder, row.images) if row.images else None
            except DataError as error:
                skipped.append(self.broken.take(row.id, error))
                self._known_broken[place] = 1
                continue
            ids, labels = row.ids.astype(np.int64), row.labels.astype(np.int64)
            return Sample(id=row.id, ids=ids, labels=labels, pixels=pixels, skipped=tuple(skipped))
        raise DataError(f"{_TRIES} records in a row, from record {index} on, have broken pictures.")

    def row(self, index: int) -> tuple[TokenRow, Path]:
        """The tokens, and where the pictures lie."""
        number = bisect_right(self._ends, index)
        part = self.parts[number]
        return part.tokens[index - (self._ends[number - 1] if number else 0)], part.images

    def modality_lengths(self) -> NDArray[np.int64]:
        """Lengths with a picture as one token, negative for records without one."""
        return np.concatenate([part.tokens.modality_lengths() for part in self.parts])

    def expanded_lengths(self, features: int) -> NDArray[np.int64]:
        """Lengths as the model sees them."""
        return np.concatenate(
            [part.tokens.lengths() + (features - 1) * part.tokens.pictures() for part in self.parts]
        )
