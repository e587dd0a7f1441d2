"""Records whose pictures could not be read, over all processes: each once, and up to the recipe's limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlmbench.errors import DataError
from vlmbench.trainers.recipe.model import Data

from .guard import Elsewhere, of_all


class Skipped:
    """Those so far; every process has the same."""

    def __init__(self, data: Data, listed: Path) -> None:
        self._data, self._listed = data, listed
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, own: Sequence[str], *, first: bool) -> None:
        """What each process left out in a step; where that makes too many, all stop and the first says so."""
        self._known.update(record for each in of_all(list(own)) for record in each)
        if self._data.broken != "skip" or len(self) <= self._data.broken_limit:
            return
        if not first:
            raise Elsewhere
        raise DataError(
            f"{len(self)} pictures could not be read, in all processes together, and `data.broken_limit` is "
            f"{self._data.broken_limit}; the last: {max(own, default=max(self._known))}",
            file=self._listed,
            fix="Mend them (`vlmbench data check` lists them), or raise the limit.",
        )
