"""Which prompts belong together: all questions on the same pictures, or without any, all of one group.

Requests are read a window at a time, so that a benchmark of any size needs bounded memory. A window
does not end inside a unit if it can help it. Within a window the longest units come first: little
padding in a batch, and one that does not fit shows at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import takewhile

from vlmbench.models.hf.batching import Prompt

MAX_WINDOW_PIXELS = 256_000_000
"""Decoded pictures of one window take about three quarters of a gigabyte, unless a single one takes more."""

Unit = tuple[Prompt, ...]


def windows(prompts: Iterable[Prompt], most: int, pixels: int = MAX_WINDOW_PIXELS) -> Iterator[list[Prompt]]:
    """Consecutive prompts, about so many and with at most so many pixels of distinct pictures."""
    window: list[Prompt] = []
    seen: set[tuple[str, ...]] = set()
    total = 0
    for prompt in prompts:
        new = 0 if prompt.digests in seen else prompt.pixels
        if window and (_is_full(window, prompt, most) or (new and total + new > pixels)):
            yield window
            window, seen, total, new = [], set(), 0, prompt.pixels
        window.append(prompt)
        seen.add(prompt.digests)
        total += new
    if window:
        yield window


def _is_full(window: Sequence[Prompt], prompt: Prompt, most: int) -> bool:
    # A unit may run over the end of a window, but one without end must not.
    over = len(window) >= 2 * most or _together(prompt) != _together(window[-1])
    return len(window) >= most and over


def units(window: Sequence[Prompt]) -> list[Unit]:
    """The prompts of a window, those that belong together in one, alike ones and long ones first."""
    found: dict[Hashable, list[Prompt]] = {}
    for prompt in window:
        found.setdefault(_together(prompt), []).append(prompt)
    kinds: dict[Hashable, int] = {}
    for prompt in window:
        kinds.setdefault(_kind(prompt), len(kinds))
    made = [tuple(prompts) for prompts in found.values()]
    return sorted(made, key=lambda unit: (kinds[_kind(unit[0])], -_length(unit)))


def _together(prompt: Prompt) -> Hashable:
    request = prompt.request
    return prompt.digests or request.group, request.image_fit, request.decoding


def _kind(prompt: Prompt) -> Hashable:
    return prompt.request.decoding, bool(prompt.digests)


def _length(unit: Unit) -> int:
    """About how many tokens: the longest prompt, and of the others what it does not share with them."""
    longest = max(unit, key=lambda prompt: prompt.length)
    letters = zip(*(prompt.text for prompt in unit), strict=False)
    common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, letters))
    return longest.length + sum((len(p.text) - common) // 4 for p in unit if p is not longest)
