"""What happens to records and pictures that cannot be used: stop, or leave out so many and list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vlmbench.errors import DataError

LISTED = 1000
"""Ids kept for each note; the count goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`fail` at the first, or `skip` up to `limit` of them."""

    action: Literal["fail", "skip"] = "fail"
    limit: int = 100

    def check(self, count: int, last: DataError) -> None:
        """Raise where `count` of them are too many."""
        if self.action == "fail":
            raise last
        if count > self.limit:
            raise DataError(
                f"more than {self.limit} could not be used; the last: {last}",
                fix="Mend them (`vlmbench data check` lists them), or raise the limit.",
            ) from last


@dataclass(slots=True)
class Notes:
    """What was done to which records: a count and the first ids of each kind."""

    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, name: str) -> None:
        """One more."""
        self.counts[what] = self.counts.get(what, 0) + 1
        listed = self.ids.setdefault(what, [])
        if len(listed) < LISTED:
            listed.append(name)

    def as_json(self) -> dict[str, Any]:
        """For a facts file."""
        return {what: {"count": n, "ids": self.ids[what]} for what, n in self.counts.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Notes:
        """Back from a facts file."""
        return cls(
            {what: note["count"] for what, note in document.items()},
            {what: list(note["ids"]) for what, note in document.items()},
        )

    def lines(self, show: int = 5) -> list[str]:
        """For a person: the count and the first few ids."""
        return [
            f"{what}: {count} ({', '.join(self.ids[what][:show])}{', ...' if count > show else ''})"
            for what, count in self.counts.items()
        ]
