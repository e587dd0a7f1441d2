"""What a rule set finds in an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The option an answer names, or why it names none."""

    letter: str | None
    """An option's letter; `Z` for a refusal under the vlmevalkit rules, a run such as `AB` under xtuner's;
    None when nothing was found (unparsed)."""
    reason: str
    """How it was found, or why not, in a few words."""
