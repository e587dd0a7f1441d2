"""Which runs are ranked, and why the others are shown apart.

A ranked run is complete, has a figure under the board's rule set, and used the dataset that counts for its
benchmark's name; each model has one. Runs decoded differently share a column; the settings are shown beside
each figure.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.domain import Card, RuleSet
from vlmbench.errors import UserError
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.board.names import shown
from vlmbench.leaderboards.board.nouns import Apart, BoardFigure, Why
from vlmbench.leaderboards.board.scores import ColumnScores

Asked = tuple[str, str, str | None]
"""Benchmark, digest of the prompts, judge: the runs of one column agree in all three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A run that may be ranked."""

    run: FinishedRun
    folder: str
    model: tuple[str, str]
    """Name, and a digest of the model's files."""
    figure: BoardFigure
    asked: Asked
    dataset: str


def entrants_of(
    runs: Mapping[str, FinishedRun], rules: RuleSet, cards: Mapping[str, Card]
) -> tuple[list[Entrant], list[Apart]]:
    """The runs that are ranked, and every other run with the reason; `runs` is by folder."""
    whole, apart = _sorted_out(runs, rules)
    alike, other_data = _of_one_dataset(whole, cards)
    entrants, doubles = _without_doubles(alike, rules)
    return entrants, [*apart, *other_data, *doubles]


def _sorted_out(runs: Mapping[str, FinishedRun], rules: RuleSet) -> tuple[list[Entrant], list[Apart]]:
    entrants, apart = [], []
    for folder in sorted(runs):
        run = runs[folder]
        if (reason := _why_apart(run, rules)) is not None:
            why, detail, numbers = reason
            figure = _figure(run, rules)
            apart.append(replace(_apart(run, folder, why, detail, figure), numbers=numbers))
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
                model=(run.model, _digest(run)),
                figure=figure,
                asked=(run.benchmark, str(run.facts["prompts"]), _judge(run)),
                dataset=f"{dataset['md5']} {dataset.get('with pictures')}",
            )
        )
    return entrants, apart


def _why_apart(run: FinishedRun, rules: RuleSet) -> tuple[Why, str, tuple[int, ...]] | None:
    results = run.results
    rows = results["rows"]
    dataset = run.facts.get("dataset")
    locked = isinstance(dataset, Mapping) and isinstance(dataset.get("md5"), str) and run.facts.get("prompts")
    left = (rows["answered"], rows["asked"], results["errors"])
    checks: tuple[tuple[Why, bool, str, tuple[int, ...]], ...] = (
        ("blind", results["blind"], "", ()),
        ("withheld", results["withheld"], "", ()),
        ("judge", results["needs_judge"], "", ()),
        ("incomplete", not run.whole, "{} of {}, {} errors".format(*left), left),
        ("partial", results["partial"], f"{rows['asked']} rows", (rows["asked"],)),
        ("rules", rules not in results["by_rules"], rules, ()),
        ("unlocked", not locked, "", ()),
    )
    return next(((why, detail, numbers) for why, true, detail, numbers in checks if true), None)


def _apart(
    run: FinishedRun, folder: str, why: Why, detail: str = "", figure: BoardFigure | None = None
) -> Apart:
    return Apart(
        model=shown(run.model),
        benchmark=shown(run.benchmark),
        folder=folder,
        why=why,
        detail=detail,
        figure=figure,
    )


def _figure(run: FinishedRun, rules: RuleSet) -> BoardFigure | None:
    headline = run.results["by_rules"].get(rules, {}).get("headline")
    if headline is None or headline["value"] is None:
        return None
    interval = headline["ci95"]
    return BoardFigure(
        value=headline["value"],
        unit=shown(headline["unit"]),
        ci95=(interval[0], interval[1]) if interval else None,
        n=headline["n"],
    )


def _judge(run: FinishedRun) -> str | None:
    judged = run.results["judged"]
    return judged["model"] if judged["count"] else None


def _digest(run: FinishedRun) -> str:
    """A short digest of the model's files, not of library versions, which do not make it another model.

    A name too long to be shown whole is part of it, so that two such models stay two.
    """
    facts = run.facts.get("model")
    files = facts.get("files", facts) if isinstance(facts, Mapping) else facts
    identity = files if shown(run.model) == run.model else [run.model, files]
    text = json.dumps(identity, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _of_one_dataset(
    entrants: Sequence[Entrant], cards: Mapping[str, Card]
) -> tuple[list[Entrant], list[Apart]]:
    """Keep the runs of the published file where there are any, else those of the file that most runs used."""
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


def _without_doubles(entrants: Sequence[Entrant], rules: RuleSet) -> tuple[list[Entrant], list[Apart]]:
    """Keep one of a model's equal runs, the one with the best scores file; of runs that differ none."""
    alike: dict[Hashable, list[Entrant]] = {}
    for entrant in entrants:
        alike.setdefault((entrant.model, entrant.asked), []).append(entrant)
    kept, apart = [], []
    for equal in alike.values():
        first, *others = equal
        if any(e.run.results["by_rules"] != first.run.results["by_rules"] for e in others):
            apart += [_apart(e.run, e.folder, "twice", "", e.figure) for e in equal]
            continue
        best = first if not others else max(equal, key=lambda e: _soundness(e, rules))
        kept.append(best)
        apart += [_apart(e.run, e.folder, "copy", best.folder, e.figure) for e in equal if e is not best]
    return kept, apart


def _soundness(entrant: Entrant, rules: RuleSet) -> int:
    """2 with scores that can be tested, 1 without, 0 with damaged ones."""
    try:
        units = ColumnScores(rules, {}).units(entrant.run)
    except UserError:
        return 0
    return 2 if units is not None and units.keys else 1
