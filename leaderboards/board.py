"""A leaderboard out of finished runs: what is ranked, what stands apart and why.

Ranked are whole runs that answered the same questions in the same words, under one rule set. Runs asked in
another wording, or read by another judge, have a column of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlmbench.domain import Card, RuleSet
from vlmbench.errors import UserError
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible

from .board_bands import bands, same_questions
from .board_names import billions_in, family_of, languages_of, shown, suite_of
from .board_nouns import Apart, Board, Column, Entry, Figure, Place, QuotedTable, Refused, Why
from .board_scores import SCORES, Units, read_units

UNTESTED = "the run was kept without its scores"
OTHER_ROWS = "its scored questions are not those of the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A run that may be ranked."""

    run: FinishedRun
    folder: str
    model: tuple[str, str]
    """Name, and a digest of the model's files."""
    figure: Figure
    asked: tuple[str, str, str | None]
    """Benchmark, prompts, judge: what a column is."""
    dataset: str


def build_board(
    runs: Mapping[str, FinishedRun],
    refused: Iterable[Refused],
    *,
    rules: RuleSet,
    cards: Mapping[str, Card],
    quoted: Sequence[QuotedTable] = (),
) -> Board:
    """The board of runs by the name of their folder; `cards` where a benchmark is known here."""
    entrants, apart = _sorted_out(runs, rules)
    entrants, other_data = _of_one_dataset(entrants, cards)
    entrants, doubles = _without_doubles(entrants)
    columns: dict[str, Column] = {}
    places: dict[tuple[str, str], dict[str, Place]] = {}
    damaged: list[Refused] = []
    for asked, group in sorted(_by_column(entrants).items(), key=_column_order):
        column = _column(group[0], asked, entrants, cards)
        placed, notes, broken = _placed(group, rules)
        damaged += broken
        if placed:
            columns[column.key] = replace(column, notes=notes)
        for entrant, place in placed:
            places.setdefault(entrant.model, {})[column.key] = place
    return Board(
        rules=rules,
        columns=tuple(columns.values()),
        entries=tuple(_entries(places, list(columns))),
        apart=tuple(sorted((*apart, *other_data, *doubles), key=lambda a: (a.benchmark, a.model, a.folder))),
        refused=tuple(sorted((*refused, *damaged), key=lambda r: r.folder)),
        quoted=tuple(quoted),
    )


def _sorted_out(runs: Mapping[str, FinishedRun], rules: RuleSet) -> tuple[list[Entrant], list[Apart]]:
    entrants, apart = [], []
    for folder in sorted(runs):
        run = runs[folder]
        if (reason := _why_apart(run, rules)) is not None:
            apart.append(_apart(run, folder, *reason, figure=_figure(run, rules)))
            continue
        figure = _figure(run, rules)
        if figure is None:
            apart.append(_apart(run, folder, "empty"))
            continue
        dataset = run.facts["dataset"]
        entrants.append(
            Entrant(
                run=run,
                folder=folder,
                model=(run.model, _digest(run.facts.get("model"))),
                figure=figure,
                asked=(run.benchmark, str(run.facts["prompts"]), _judge(run)),
                dataset=f"{dataset['md5']} {dataset.get('with pictures')}",
            )
        )
    return entrants, apart


def _why_apart(run: FinishedRun, rules: RuleSet) -> tuple[Why, str] | None:
    results = run.results
    rows = results["rows"]
    dataset = run.facts.get("dataset")
    locked = isinstance(dataset, Mapping) and isinstance(dataset.get("md5"), str) and run.facts.get("prompts")
    checks: tuple[tuple[Why, bool, str], ...] = (
        ("blind", results["blind"], ""),
        ("withheld", results["withheld"], ""),
        ("judge", results["needs_judge"], ""),
        ("incomplete", not run.whole, f"{rows['answered']} of {rows['asked']}, {results['errors']} errors"),
        ("partial", results["partial"], f"{rows['asked']} rows"),
        ("rules", rules not in results["by_rules"], rules),
        ("unlocked", not locked, ""),
    )
    return next(((why, detail) for why, true, detail in checks if true), None)


def _apart(run: FinishedRun, folder: str, why: Why, detail: str = "", figure: Figure | None = None) -> Apart:
    return Apart(
        model=shown(run.model),
        benchmark=shown(run.benchmark),
        folder=folder,
        why=why,
        detail=detail,
        figure=figure,
    )


def _figure(run: FinishedRun, rules: RuleSet) -> Figure | None:
    headline = run.results["by_rules"].get(rules, {}).get("headline")
    if headline is None or headline["value"] is None:
        return None
    interval = headline["ci95"]
    return Figure(
        value=headline["value"],
        unit=shown(headline["unit"]),
        ci95=(interval[0], interval[1]) if interval else None,
        n=headline["n"],
    )


def _judge(run: FinishedRun) -> str | None:
    judged = run.results["judged"]
    return judged["model"] if judged["count"] else None


def _digest(facts: Any) -> str:
    """What the model's files are; versions of libraries may change without making it another model."""
    files = facts.get("files", facts) if isinstance(facts, Mapping) else facts
    text = json.dumps(files, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _of_one_dataset(
    entrants: Sequence[Entrant], cards: Mapping[str, Card]
) -> tuple[list[Entrant], list[Apart]]:
    """The published file where it is known and was asked; else the one that most runs were asked."""
    counts: dict[str, Counter[str]] = {}
    for entrant in entrants:
        counts.setdefault(entrant.run.benchmark, Counter())[entrant.dataset] += 1
    chosen = {}
    for benchmark, datasets in counts.items():
        card = cards.get(benchmark)
        published = [d for d in datasets if card and d.split(" ")[0] in card.file.md5]
        chosen[benchmark] = min(published or datasets, key=lambda d: (-datasets[d], d))
    kept = [e for e in entrants if e.dataset == chosen[e.run.benchmark]]
    others = [e for e in entrants if e.dataset != chosen[e.run.benchmark]]
    return kept, [
        _apart(e.run, e.folder, "dataset", f"MD5 {shown(e.dataset.split(' ')[0])[:8]}", e.figure)
        for e in others
    ]


def _without_doubles(entrants: Sequence[Entrant]) -> tuple[list[Entrant], list[Apart]]:
    """Of a model's equal runs the first; of runs that differ none."""
    alike: dict[Hashable, list[Entrant]] = {}
    for entrant in entrants:
        alike.setdefault((entrant.model, entrant.asked), []).append(entrant)
    kept, apart = [], []
    for first, *others in alike.values():
        if all(e.run.results["by_rules"] == first.run.results["by_rules"] for e in others):
            kept.append(first)
            apart += [_apart(e.run, e.folder, "copy", first.folder, e.figure) for e in others]
        else:
            apart += [_apart(e.run, e.folder, "twice", "", e.figure) for e in (first, *others)]
    return kept, apart


def _by_column(entrants: Iterable[Entrant]) -> dict[tuple[str, str, str | None], list[Entrant]]:
    columns: dict[tuple[str, str, str | None], list[Entrant]] = {}
    for entrant in entrants:
        columns.setdefault(entrant.asked, []).append(entrant)
    return columns


def _column_order(item: tuple[tuple[str, str, str | None], object]) -> tuple[object, ...]:
    """By suite; within it English before Chinese."""
    (benchmark, prompts, judge), _ = item
    return suite_of(benchmark)[0], languages_of(benchmark), benchmark, prompts, judge or ""


def _column(
    first: Entrant,
    asked: tuple[str, str, str | None],
    entrants: Sequence[Entrant],
    cards: Mapping[str, Card],
) -> Column:
    benchmark, prompts, judge = asked
    card = cards.get(benchmark)
    group, title = suite_of(benchmark)
    style = shown(str(first.run.results["style"]))
    wordings = {e.asked for e in entrants if e.run.benchmark == benchmark}
    several = len(wordings) > 1
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


def _placed(
    group: Sequence[Entrant], rules: RuleSet
) -> tuple[list[tuple[Entrant, Place]], tuple[str, ...], list[Refused]]:
    """The runs of one column with their bands; those whose scores are damaged are refused."""
    clusters, notes = _clusters(group)
    units: dict[str, Units] = {}
    broken: dict[str, Refused] = {}
    for entrant in group:
        try:
            found = read_units(entrant.run, rules, clusters)
        except UserError as error:
            broken[entrant.folder] = Refused(
                folder=entrant.folder, reason=visible(f"{SCORES}: {error.what}", 500)
            )
            continue
        if found is not None and found.keys:
            units[entrant.folder] = found
    paired = same_questions(units)
    values = {entrant.folder: entrant.figure.value for entrant in group}
    standings = bands(values, {folder: units[folder] for folder in paired})
    names = {entrant.folder: shown(entrant.run.model) for entrant in group}
    placed = []
    for entrant in group:
        if entrant.folder in broken:
            continue
        place = Place(figure=entrant.figure, folder=entrant.folder)
        if standing := standings.get(entrant.folder):
            place = replace(
                place,
                band=standing.band,
                ranks=standing.ranks,
                leader=names[standing.leader] if standing.leader else None,
                p=standing.p,
            )
        else:
            place = replace(place, untested=OTHER_ROWS if entrant.folder in units else UNTESTED)
        placed.append((entrant, place))
    return placed, notes, list(broken.values())


def _clusters(group: Sequence[Entrant]) -> tuple[Mapping[str, Hashable], tuple[str, ...]]:
    """What rows share a picture, from the questions of one run; questions in rotation need none."""
    if group[0].run.circular or len(group) == 1:
        return {}, ()
    for entrant in group:
        try:
            questions = entrant.run.questions
        except UserError:
            continue
        if questions.images is not None:
            return {s.id: s.images or s.group for s in questions.samples}, ()
        break
    return {}, ("the benchmark's file is not at hand: rows that share a picture are taken for independent",)


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
