"""Our own way of finding an option. Only bare letters so far."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.answers.found import Found


def find(answer: str, choices: Mapping[str, str]) -> Found:
    """The option an answer names."""
    letter = answer.strip()
    return Found(letter=letter if letter in choices else None, reason="letter alone")
