"""One column: the runs that were asked the same in the same words, put into bands by their scores."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.domain import Card, RuleSet
from vlmbench.errors import UserError
from vlmbench.leaderboards.board.anonymise import without_places
from vlmbench.leaderboards.board.bands import Standing, bands, same_questions
from vlmbench.leaderboards.board.decoding import decoded, decodings_of
from vlmbench.leaderboards.board.entrants import Asked, Entrant
from vlmbench.leaderboards.board.headlines import NO_MEAN, must_be_its_mean, tested
from vlmbench.leaderboards.board.names import languages_of, shown, suite_of
from vlmbench.leaderboards.board.nouns import Column, Place, Refused
from vlmbench.leaderboards.board.scores import SCORES, ColumnScores, Units
from vlmbench.plain_text import visible

UNTESTED = "the run was kept without its scores"
OTHER_ROWS = "its scored questions are not those of the others"
INDEPENDENT = "the benchmark's file is not at hand: rows that share a picture are taken for independent"
DECODED = "answers were decoded in different ways; every figure says in which"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedColumn:
    """A column with the runs that stand in it, and those that its ranking found to be damaged."""

    column: Column
    places: Sequence[tuple[Entrant, Place]]
    damaged: Sequence[Refused]


def ranked_columns(
    entrants: Sequence[Entrant], rules: RuleSet, cards: Mapping[str, Card]
) -> Iterator[RankedColumn]:
    """Every column, by suite; within it English before Chinese."""
    for group in _grouped(entrants):
        clusters, notes = _clusters(group)
        units, damaged = _units(group, rules, clusters)
        kept = [entrant for entrant in group if entrant.folder not in damaged]
        places = _places(kept, units, tested(kept, units, rules))
        ways = {decoded(place.decoding) for _, place in places if place.decoding}
        notes = (*notes, DECODED) if len(ways) > 1 else notes
        column = replace(_column(group[0], entrants, cards), notes=notes)
        yield RankedColumn(column=column, places=places, damaged=list(damaged.values()))


def _grouped(entrants: Iterable[Entrant]) -> list[list[Entrant]]:
    columns: dict[Asked, list[Entrant]] = {}
    for entrant in entrants:
        columns.setdefault(entrant.asked, []).append(entrant)

    def order(asked: Asked) -> tuple[object, ...]:
        benchmark, prompts, judge = asked
        return suite_of(benchmark)[0], languages_of(benchmark), benchmark, prompts, judge or ""

    return [columns[asked] for asked in sorted(columns, key=order)]


def _column(first: Entrant, entrants: Sequence[Entrant], cards: Mapping[str, Card]) -> Column:
    """What stands above it; where a benchmark was asked in several wordings, which one this is."""
    benchmark, prompts, judge = first.asked
    card = cards.get(benchmark)
    group, title = suite_of(benchmark)
    style = shown(str(first.run.results["style"]))
    several = len({e.asked for e in entrants if e.run.benchmark == benchmark}) > 1
    return Column(
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
    """By folder: what the tests are of, and the runs whose scores are damaged."""
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
                folder=folder, reason=visible(f"{SCORES}: {without_places(error.what)}", 500)
            )
            continue
        if found is not None and found.keys:
            units[folder] = found
    return units, damaged


def _places(
    group: Sequence[Entrant], units: Mapping[str, Units], tested: Mapping[str, Units]
) -> list[tuple[Entrant, Place]]:
    """Where each stands; `units` have a score, `tested` are what tests can be of."""
    values = {entrant.folder: entrant.figure.value for entrant in group}
    known = {folder: tested[folder] for folder in same_questions(tested)}
    standings = bands(values, known, untested=len(group) - len(known))
    names = {entrant.folder: shown(entrant.run.model) for entrant in group}
    return [
        (entrant, _place(entrant, standings.get(entrant.folder), names, _why(entrant.folder, units, tested)))
        for entrant in group
    ]


def _why(folder: str, units: Mapping[str, Units], tested: Mapping[str, Units]) -> str:
    """There is no test, if there is none."""
    return OTHER_ROWS if folder in tested else NO_MEAN if folder in units else UNTESTED


def _place(entrant: Entrant, standing: Standing | None, names: Mapping[str, str], why: str) -> Place:
    place = Place(figure=entrant.figure, folder=entrant.folder, decoding=decodings_of(entrant.run))
    if standing is None:
        return replace(place, untested=why)
    return replace(
        place,
        band=standing.band,
        ranks=standing.ranks,
        leader=names[standing.leader] if standing.leader else None,
        p=standing.p,
    )


def _clusters(group: Sequence[Entrant]) -> tuple[Mapping[str, Hashable], tuple[str, ...]]:
    """What rows share a picture, from the questions of one run; questions in rotation need none."""
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
