"""A leaderboard from finished runs: its columns, each ranked by tests, and its models.

The runs of a column are complete, answered the same prompts and are scored under one rule set. Runs with
other prompts or another judge have another column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.decoding import decodings_in
from vlmbench.domain import Card, RuleSet
from vlmbench.errors import UserError
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.board.bands import (
    NO_MEAN,
    Standing,
    bands,
    must_be_its_mean,
    same_questions,
    tested_units,
)
from vlmbench.leaderboards.board.entrants import Asked, Entrant, entrants_of
from vlmbench.leaderboards.board.names import (
    billions_in,
    family_of,
    languages_of,
    shown,
    suite_of,
    without_folders,
)
from vlmbench.leaderboards.board.nouns import (
    Board,
    BoardColumn,
    BoardEntry,
    ColumnResult,
    QuotedTable,
    Refused,
)
from vlmbench.leaderboards.board.scores import SCORES, ColumnScores, Units
from vlmbench.plain_text import visible

UNTESTED = "the run was kept without its scores"
OTHER_ROWS = "its scored questions differ from those of the other runs"
ALONE = (
    "no other run here was asked in these words, so there is nothing to rank it against; "
    "`--prompt` asks the model in the words of another column"
)
INDEPENDENT = "the benchmark's file is not here: rows that share a picture are treated as independent"
DECODED = "runs decoded differently share this column; each figure shows its settings"


def build_board(
    runs: Mapping[str, FinishedRun],
    refused: Iterable[Refused],
    *,
    rules: RuleSet,
    cards: Mapping[str, Card],
    quoted: Sequence[QuotedTable] = (),
) -> Board:
    """The board of `runs`, which are by folder; `cards` are those of the benchmarks known here."""
    entrants, apart = entrants_of(runs, rules, cards)
    columns: list[BoardColumn] = []
    places: dict[tuple[str, str], dict[str, ColumnResult]] = {}
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


def _entries(
    places: Mapping[tuple[str, str], Mapping[str, ColumnResult]], columns: Sequence[str]
) -> list[BoardEntry]:
    """Sorted by score, the first column first; equal names get the digest of their files."""
    looks = Counter(shown(name) for name, _ in places)
    entries = [
        BoardEntry(
            name=shown(name) if looks[shown(name)] == 1 else f"{shown(name)} · {digest}",
            family=shown(family_of(name[:400])),
            billions=billions_in(name[:400]),
            places=found,
        )
        for (name, digest), found in sorted(places.items())
    ]

    def order(entry: BoardEntry) -> tuple[object, ...]:
        figures = [entry.places[key].figure.value if key in entry.places else None for key in columns]
        return (*((value is None, -(value or 0)) for value in figures), entry.name)

    return sorted(entries, key=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedColumn:
    """A column with its runs, and the runs that turned out to be damaged."""

    column: BoardColumn
    places: Sequence[tuple[Entrant, ColumnResult]]
    damaged: Sequence[Refused]


def ranked_columns(
    entrants: Sequence[Entrant], rules: RuleSet, cards: Mapping[str, Card]
) -> Iterator[RankedColumn]:
    """Every column, by suite, English before Chinese."""
    groups = _grouped(entrants)
    wordings = Counter(benchmark for benchmark, _ in {(g[0].run.benchmark, g[0].asked[1]) for g in groups})
    for group in groups:
        clusters, notes = _clusters(group)
        units, damaged = _units(group, rules, clusters)
        kept = [entrant for entrant in group if entrant.folder not in damaged]
        places = _places(kept, units, tested_units(kept, units, rules))
        if len(group) == 1 and wordings[group[0].run.benchmark] > 1:
            places = [(entrant, _unranked(place)) for entrant, place in places]
        ways = {place.way for _, place in places if place.way}
        notes = (*notes, DECODED) if len(ways) > 1 else notes
        column = replace(_column(group[0], entrants, cards), notes=notes)
        yield RankedColumn(column=column, places=places, damaged=list(damaged.values()))


def _grouped(entrants: Iterable[Entrant]) -> list[list[Entrant]]:
    columns: dict[Asked, list[Entrant]] = {}
    for entrant in entrants:
        columns.setdefault(entrant.asked, []).append(entrant)

    def order(asked: Asked) -> tuple[object, ...]:
        benchmark, prompts, judge = asked
        # The wording in which most were asked comes first.
        most = -len(columns[asked])
        return suite_of(benchmark)[0], languages_of(benchmark), benchmark, most, prompts, judge or ""

    return [columns[asked] for asked in sorted(columns, key=order)]


def _column(first: Entrant, entrants: Sequence[Entrant], cards: Mapping[str, Card]) -> BoardColumn:
    """The column's heading; its key names the prompts where a benchmark was asked in several wordings."""
    benchmark, prompts, judge = first.asked
    card = cards.get(benchmark)
    group, title = suite_of(benchmark)
    style = shown(str(first.run.results["style"]))
    several = len({e.asked for e in entrants if e.run.benchmark == benchmark}) > 1
    return BoardColumn(
        key=shown(benchmark)
        + (f" · {style} {shown(prompts)[:6]}" if several else "")
        + (f" · {shown(judge)}" if several and judge else ""),
        benchmark=shown(benchmark),
        group=shown(group),
        title=shown(title + (f" · {style}" if several else "")),
        measure=shown(first.run.results["headline"]["name"]),
        style=style,
        languages=card.languages if card else languages_of(benchmark),
        judge=shown(judge) if judge else None,
    )


def _units(
    group: Sequence[Entrant], rules: RuleSet, clusters: Mapping[str, Hashable]
) -> tuple[dict[str, Units], dict[str, Refused]]:
    """By folder: the scored units, and the runs whose scores are damaged."""
    scores = ColumnScores(rules, clusters)
    units: dict[str, Units] = {}
    damaged: dict[str, Refused] = {}
    for entrant in group:
        folder = entrant.folder
        try:
            found = scores.units(entrant.run)
            if found is not None and found.keys and not entrant.run.circular:
                must_be_its_mean(entrant, found, rules)
        except UserError as error:
            damaged[folder] = Refused(
                folder=folder, reason=visible(f"{SCORES}: {without_folders(error.what)}", 500)
            )
            continue
        if found is not None and found.keys:
            units[folder] = found
    return units, damaged


def _places(
    group: Sequence[Entrant], units: Mapping[str, Units], tested: Mapping[str, Units]
) -> list[tuple[Entrant, ColumnResult]]:
    """The result of each run; `tested` are those of `units` that can be tested."""
    values = {entrant.folder: entrant.figure.value for entrant in group}
    known = {folder: tested[folder] for folder in same_questions(tested)}
    standings = bands(values, known, untested=len(group) - len(known))
    names = {entrant.folder: shown(entrant.run.model) for entrant in group}
    return [
        (entrant, _place(entrant, standings.get(entrant.folder), names, _why(entrant.folder, units, tested)))
        for entrant in group
    ]


def _why(folder: str, units: Mapping[str, Units], tested: Mapping[str, Units]) -> str:
    """The reason for a run without a test."""
    return OTHER_ROWS if folder in tested else NO_MEAN if folder in units else UNTESTED


def _place(entrant: Entrant, standing: Standing | None, names: Mapping[str, str], why: str) -> ColumnResult:
    way = decodings_in(entrant.run.facts.get("decoding"))
    place = ColumnResult(figure=entrant.figure, folder=entrant.folder, decoding=way, draws=entrant.run.draws)
    if standing is None:
        return replace(place, untested=why)
    return replace(
        place,
        band=standing.band,
        ranks=standing.ranks,
        leader=names[standing.leader] if standing.leader else None,
        p=standing.p,
    )


def _unranked(place: ColumnResult) -> ColumnResult:
    """The figure of a run that has nobody beside it, while the benchmark has other columns."""
    return replace(place, band=None, ranks=None, leader=None, p=None, untested=place.untested or ALONE)


def _clusters(group: Sequence[Entrant]) -> tuple[Mapping[str, Hashable], tuple[str, ...]]:
    """The cluster of each row by shared pictures, from the questions of one run; circular runs need none."""
    if group[0].run.circular or len(group) == 1:
        return {}, ()
    for entrant in group:
        try:
            questions = entrant.run.questions
        except UserError:
            continue
        if questions.shown:
            return {s.id: s.draw for s in questions.samples}, ()
        break
    return {}, (INDEPENDENT,)
