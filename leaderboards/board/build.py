"""A leaderboard out of finished runs: what is ranked, what stands apart and why.

Ranked are whole runs that answered the same questions in the same words, under one rule set. Runs asked in
another wording, or read by another judge, have a column of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from vlmbench.domain import Card, RuleSet
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.board.columns import ranked_columns
from vlmbench.leaderboards.board.entrants import entrants_of
from vlmbench.leaderboards.board.names import billions_in, family_of, shown
from vlmbench.leaderboards.board.nouns import Board, Column, Entry, Place, QuotedTable, Refused


def build_board(
    runs: Mapping[str, FinishedRun],
    refused: Iterable[Refused],
    *,
    rules: RuleSet,
    cards: Mapping[str, Card],
    quoted: Sequence[QuotedTable] = (),
) -> Board:
    """The board of runs by the name of their folder; `cards` where a benchmark is known here."""
    entrants, apart = entrants_of(runs, rules, cards)
    columns: list[Column] = []
    places: dict[tuple[str, str], dict[str, Place]] = {}
    damaged: list[Refused] = []
    for ranked in ranked_columns(entrants, rules, cards):
        damaged += ranked.damaged
        if ranked.places:
            columns.append(ranked.column)
        for entrant, place in ranked.places:
            places.setdefault(entrant.model, {})[ranked.column.key] = place
    return Board(
        rules=rules,
        columns=tuple(columns),
        entries=tuple(_entries(places, [column.key for column in columns])),
        apart=tuple(sorted(apart, key=lambda a: (a.benchmark, a.model, a.folder))),
        refused=tuple(sorted((*refused, *damaged), key=lambda r: r.folder)),
        quoted=tuple(quoted),
    )


def _entries(places: Mapping[tuple[str, str], Mapping[str, Place]], columns: Sequence[str]) -> list[Entry]:
    """Best in the first column first; names that would look alike get the digest of their files."""
    looks = Counter(shown(name) for name, _ in places)
    entries = [
        Entry(
            name=shown(name) if looks[shown(name)] == 1 else f"{shown(name)} · {digest}",
            family=shown(family_of(name[:400])),
            billions=billions_in(name[:400]),
            places=found,
        )
        for (name, digest), found in sorted(places.items())
    ]

    def order(entry: Entry) -> tuple[object, ...]:
        figures = [entry.places[key].figure.value if key in entry.places else None for key in columns]
        return (*((value is None, -(value or 0)) for value in figures), entry.name)

    return sorted(entries, key=order)
