"""Follow the references from row to row until every row has its own pictures or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Link:
    """What is known of one row's pictures; completed in place."""

    index: str
    images: tuple[str, ...] = ()
    reference: str | None = None
    """Another row's index, until followed."""
    problem: str | None = None


def follow_all(links: Sequence[Link]) -> None:
    """Give every referring row the pictures, or the problem, of the row it leads to."""
    by_index = {link.index: link for link in links}
    for link in links:
        if link.reference is not None:
            _follow(link, by_index)


def _follow(first: Link, by_index: Mapping[str, Link]) -> None:
    """Walk to the end of the chain, then settle every row on the way, so that no chain is walked twice."""
    chain = [first]
    seen = {first.index}
    end: Link | None = first
    while end is not None and end.reference is not None:
        end = by_index.get(end.reference)
        if end is not None and end.index in seen:
            circle = " → ".join([*(link.index for link in chain[:8]), end.index])
            _settle(chain, (), f"its image reference goes round in a circle: {circle}")
            return
        if end is not None and end.reference is not None:
            chain.append(end)
            seen.add(end.index)
    if end is None:
        lost = chain[-1].reference
        _settle(chain, (), f"its image cell refers to row `{lost}`, which is not in the file")
    elif end.problem is not None:
        _settle(chain, (), f"it shares the picture of row `{end.index}`: {end.problem}")
    elif not end.images:
        _settle(chain, (), f"its image cell refers to row `{end.index}`, which has no picture")
    else:
        _settle(chain, end.images, None)


def _settle(chain: Sequence[Link], images: tuple[str, ...], problem: str | None) -> None:
    for link in chain:
        link.images, link.problem, link.reference = images, problem, None
