"""Predictions of any origin as a run: matched with a benchmark's questions, and scored without a model.

`vlmbench.score` takes them from Python, also as a DataFrame; `vlmbench score` reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.responses import apart, settled
from vlmbench.api.run.benchmark_data import (
    AnyBenchmark,
    AnyMap,
    DataOptions,
    as_list,
    benchmarks_of,
    open_data,
    optional_path,
)
from vlmbench.api.run.judge import JudgeOptions, open_judge
from vlmbench.api.run.runs import AnswerProgress
from vlmbench.api.run_result import RunResult, result_of
from vlmbench.domain import Benchmark, Card, Response, Row, RuleSet, Run, RunSpec, Sample
from vlmbench.draws import draw_ids
from vlmbench.engine.status import RunProgress
from vlmbench.errors import DataError, UsageError
from vlmbench.plain_text import visible
from vlmbench.registry import rule_set
from vlmbench.terminal.screen import silence

if TYPE_CHECKING:
    import pandas as pd

    from vlmbench.data.table import Table
    from vlmbench.engine.judgments import Judgments
    from vlmbench.predictions import Predictions
    from vlmbench.predictions.nouns import Answers


def score(
    predictions: pd.DataFrame | str | Path,
    bench: AnyBenchmark,
    *,
    name: str | None = None,
    rules: RuleSet = "strict",
    circular: bool = False,
    allow_missing: bool = False,
    judge: str | None = None,
    judgments: str | Path | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    accept_local_data: bool = False,
    answers: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    mapping: AnyMap | None = None,
    progress: bool = True,
) -> RunResult:
    """Score predictions under every rule set.

    A DataFrame has a column `index` (or it is the frame's index) and a column `prediction`; the names that
    files may use are accepted too. `name` is what the results call the model. Raises a PredictionsError where
    a question has no prediction, two, or one that belongs to another benchmark.
    """
    from vlmbench.predictions.frames import answers_of_frame

    rule_set(rules)
    extra = [Path(plugin) for plugin in plugins]
    with silence(not progress):
        benchmark = _only_one(benchmarks_of([*as_list(bench)], extra, in_rotations=circular, mapping=mapping))
        given = Path(predictions) if isinstance(predictions, (str, Path)) else answers_of_frame(predictions)
        path = given if isinstance(given, Path) else given.path
        request = ScoreRequest(
            predictions=given,
            name=name or name_of(path),
            data=DataOptions(
                data_dir=optional_path(data_dir),
                accept_local_data=accept_local_data,
                file=optional_path(data),
                answers=optional_path(answers),
            ),
            judge=JudgeOptions(model=judge),
            judgments=optional_path(judgments),
            rules=rules,
            allow_missing=allow_missing,
            plugins=tuple(extra),
        )
        watch = AnswerProgress()
        scored = score_predictions(request, benchmark, watch, lambda line: watch.say(visible(line, 2000)))
    return result_of(scored.run, benchmark, scored.table.images, None)


def _only_one(benchmarks: Sequence[Benchmark]) -> Benchmark:
    if len(benchmarks) > 1:
        raise UsageError(
            f"predictions answer one benchmark, and {len(benchmarks)} are named.",
            key="bench",
            fix="Score them one by one.",
        )
    return benchmarks[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Predictions, and how they are scored. The defaults are those of `vlmbench score`."""

    predictions: Path | Answers
    """A file, a folder, or answers that were read already."""
    name: str
    """The model's name in the results."""
    data: DataOptions = field(default_factory=DataOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    judgments: Path | None = None
    """Verdicts that a judge gave before."""
    rules: RuleSet = "strict"
    allow_missing: bool = False
    plugins: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPredictions:
    """The run that predictions amount to, and the table that its questions come from."""

    run: Run
    table: Table


def score_predictions(
    request: ScoreRequest, benchmark: Benchmark, progress: RunProgress, note: Callable[[str], None]
) -> ScoredPredictions:
    """Read, match and score; `note` receives a line about how the predictions were read."""
    from vlmbench.engine.asking import RunPlan
    from vlmbench.evaluation import left_out, read_samples, scored_run

    card = benchmark.card
    data = open_data(benchmark, request.data, to_ask=False)
    if data.note:
        note(data.note)
    table, rows = data.table, list(data.rows)
    _refuse_rows_without_options(card, rows, benchmark, table.path)
    samples = read_samples(benchmark, table, rows, to_ask=False)
    if card.answers and not any(sample.references for sample in samples):
        raise DataError(
            "this file has no answers to compare with: the column `answer` is missing or empty.",
            file=table.path,
        )
    matched = _matched(request, card, samples)
    predictions, draws = matched[0], len(matched)
    note(predictions.line() + (f"; {draws} draws of each question" if draws > 1 else ""))
    asked = predictions.samples
    run = scored_run(
        RunSpec(model=request.name, benchmark=card.name, style="unknown", rules=request.rules, samples=draws),
        benchmark,
        table.columns,
        RunPlan(samples=asked, requests=(), partial=len(asked) < len(samples), prompts="", draws=draws),
        settled(_responses(matched)),
        facts={
            "dataset": {"md5": table.md5},
            "predictions": predictions.facts(),
            **left_out(benchmark, table),
        },
        judge=open_judge(request.judge, None, progress),
        judgments=_stored_judgments(request, card, samples, predictions.texts),
        joined=data.joined,
    )
    return ScoredPredictions(run=run, table=table)


def _matched(request: ScoreRequest, card: Card, samples: Sequence[Sample]) -> list[Predictions]:
    """The answers of each draw by row; of most files there is one."""
    from vlmbench.predictions import match, read_answers
    from vlmbench.predictions.draws import answers_by_draw

    given = request.predictions
    answers = answers_by_draw(read_answers(given) if isinstance(given, Path) else given)
    if len(answers) > 1 and request.judgments is not None:
        raise UsageError(
            f"judgments are of one answer to each question, and {answers[0].path} has {len(answers)}.",
            key="--judgments",
        )
    every = partial(_cards, request.plugins)
    return [match(one, samples, card, every, allow_missing=request.allow_missing) for one in answers]


def _responses(matched: Sequence[Predictions]) -> dict[str, Response]:
    ids = (
        (draw_ids(name, number + 1)[number], text)
        for number, predictions in enumerate(matched)
        for name, text in predictions.texts.items()
    )
    return {own: apart(Response(id=own, text=text, finish="stop")) for own, text in ids}


def _stored_judgments(
    request: ScoreRequest, card: Card, samples: Sequence[Sample], texts: Mapping[str, str]
) -> Judgments | None:
    """The verdicts of a file, matched with these answers; None where no file is named."""
    if request.judgments is None:
        return None
    from vlmbench.predictions.judgments import read_judgments

    partly = request.allow_missing or request.judge.model is not None
    every = partial(_cards, request.plugins)
    return read_judgments(request.judgments, samples, card, every, texts, partly=partly)


def _cards(plugins: Sequence[Path]) -> list[Card]:
    """Every benchmark's card, to name the benchmark that a wrong file belongs to."""
    from vlmbench.registry import Registry

    return [benchmark.card for benchmark in Registry(plugins).benchmarks.values()]


def name_of(path: Path) -> str:
    """The model's name in the results: that of the folder or file."""
    return path.resolve().name if path.is_dir() else path.stem


def _refuse_rows_without_options(card: Card, rows: Iterable[Row], benchmark: Benchmark, path: Path) -> None:
    """Raise DataError for multiple-choice questions without options: nothing else can score them."""
    if card.family != "multiple-choice":
        return
    bare = [sample.id for sample in benchmark.samples(rows) if sample.problem and not sample.choices]
    if bare:
        from vlmbench.predictions.files import listed

        number = "1 row has" if len(bare) == 1 else f"{len(bare)} rows have"
        raise DataError(
            f"{number} no options, and {card.name} is multiple choice: index {listed(bare)}.",
            file=path,
            fix="Fill the columns A, B, … of these rows, or take the rows out.",
        )
