"""The one door to finished run folders: read, checked, and refused with a reason.

    run = open_run(Path("runs/demo/Shapes_DEV_EN"))
    run.results["headline"]["value"], run.scores["strict"], run.questions.samples

Opening reads run.json and results.json; scores, answers and questions are read when asked for. Questions
come from the benchmark's file where it lies here unchanged, else from the run's own predictions.xlsx.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from vlmbench.domain import RULE_SETS, DataFile, RuleSet, Sample, Score
from vlmbench.errors import DataError, RunFolderError, UnknownName, UserError
from vlmbench.finished import FinishedRun, Questions, Scores
from vlmbench.report.files import PREDICTIONS, RESULTS, SCORES
from vlmbench.report.results import SCHEMA_VERSION, results_schema
from vlmbench.report.schema_check import compiled
from vlmbench.store import RUN, read_responses, read_run

_AGAIN = "The same `vlmbench run` writes it again; answers that are there are kept."
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LEVELS = ("l2-category", "category")


def open_run(folder: Path, *, data_dir: Path | None = None, plugins: Sequence[Path] = ()) -> FinishedRun:
    """A finished run, or a RunFolderError that says why the folder is none."""
    about = _about(folder)
    results = _results(folder / RESULTS)
    for key in ("benchmark", "model"):
        if about["spec"].get(key) != results[key]:
            raise RunFolderError(
                f"it tells of {key} `{results[key]}`, run.json of `{about['spec'].get(key)}`; "
                "they are of two runs.",
                file=folder / RESULTS,
                fix=_AGAIN,
            )
    return FinishedRun(
        folder=folder,
        spec=about["spec"],
        facts=about["facts"],
        sittings=tuple(about["sittings"]),
        results=results,
        read_scores=partial(read_scores, folder),
        read_responses=partial(read_responses, folder),
        read_questions=partial(_read_questions, folder, about, data_dir, tuple(plugins)),
    )


def run_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs right inside it (`runs/MODEL`), by name."""
    if (folder / RUN).exists() or not folder.is_dir():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{RUN}"))
    if not found:
        raise RunFolderError(
            "there is no run in this folder: neither a run.json nor folders with one.",
            file=folder,
            fix="Name a run folder such as runs/MODEL/BENCH, or runs/MODEL for all of a model's.",
        )
    return found


def read_scores(folder: Path) -> Scores:
    """What each row is worth under each rule set, in file order."""
    file = folder / SCORES
    found: dict[RuleSet, dict[str, Score]] = {rules: {} for rules in RULE_SETS}
    for number, line in enumerate(_lines(file), 1):
        score = _score(line)
        rows = found.get(score.rules) if score else None  # type: ignore[call-overload]
        if score is None or rows is None or score.id in rows:
            what = "this line is no score" if score is None or rows is None else "this row is there twice"
            raise RunFolderError(
                f"{what}; the file was edited or damaged.", file=file, row=number, fix=_AGAIN
            )
        rows[score.id] = score
    return {rules: tuple(rows.values()) for rules, rows in found.items()}


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = read_run(folder)
    except RecursionError:
        raise _damaged(folder / RUN, "it is nested too deeply") from None
    sittings = about["sittings"]
    if not isinstance(sittings, list) or not all(isinstance(part, dict) for part in sittings):
        raise _damaged(folder / RUN, "`sittings` is no list of objects")
    for key in ("spec", "facts"):
        if not isinstance(about[key], dict):
            raise _damaged(folder / RUN, f"`{key}` is no object")
    return about


def _results(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text("utf-8", "surrogatepass"))
    except FileNotFoundError:
        raise RunFolderError("this run is not finished: it has no results.json.", file=file.parent) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, str(error) or type(error).__name__) from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise RunFolderError(
            f"it was written by {'a newer' if version > SCHEMA_VERSION else 'another'} version of vlmbench "
            f"(schema {version}, this one reads {SCHEMA_VERSION}).",
            file=file,
            fix="Use the version that wrote it, or run again with this one.",
        )
    if problem := _first_problem()(document):
        raise _damaged(file, problem)
    checked: dict[str, Any] = document
    return checked


@functools.cache
def _first_problem() -> Callable[[Any], str | None]:
    """The schema of the figures, made into a function once: a leaderboard reads thousands."""
    return compiled(results_schema())


def _damaged(file: Path, why: str) -> RunFolderError:
    return RunFolderError(f"it is damaged: {why}.", file=file, fix=_AGAIN)


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as lines:
            yield from lines
    except FileNotFoundError:
        raise RunFolderError("the run has no scores.jsonl.", file=file.parent, fix=_AGAIN) from None
    except OSError as error:
        raise _damaged(file, str(error)) from None


def _score(line: bytes) -> Score | None:
    try:
        score = Score(**json.loads(line.decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = all(isinstance(text, str) for text in (score.id, score.group, score.rules, score.reason))
    number = score.value is None or (type(score.value) in (int, float) and math.isfinite(score.value))
    found = score.extracted is None or isinstance(score.extracted, str)
    return score if texts and number and found and score.rules in get_args(RuleSet) else None


def _read_questions(
    folder: Path, about: Mapping[str, Any], data_dir: Path | None, plugins: Sequence[Path]
) -> Questions:
    """From the benchmark's own file where it is the one that was asked, else from the run's table."""
    asked = {score.id: score.group for score in read_scores(folder)["strict"]}
    try:
        return _from_data(about, asked, data_dir, plugins)
    except UserError as error:
        table = folder / PREDICTIONS
        if not table.exists():
            raise RunFolderError(f"the questions are not at hand: {error}", file=folder) from None
    return Questions(samples=tuple(_from_table(table, asked)))


def _from_data(
    about: Mapping[str, Any], asked: Collection[str], data_dir: Path | None, plugins: Sequence[Path]
) -> Questions:
    from vlmbench.data.table import open_table
    from vlmbench.registry import CIRCULAR, Registry, circular

    locked = about["facts"].get("dataset")
    if not isinstance(locked, dict):
        raise RunFolderError("run.json names no dataset.")
    registry, name = Registry(plugins), str(about["spec"].get("benchmark"))
    try:
        benchmark = registry.benchmark(name)
    except UnknownName:
        if (path := _bare_file(about, locked, data_dir)) is None:
            raise
        benchmark = registry.benchmark(str(path))
        if name == benchmark.card.name + CIRCULAR:
            benchmark = circular(benchmark)
    # The published file if it is here; else whatever lies under its name, for runs with --accept-local-data.
    for path in _files(benchmark.card.file, data_dir):
        table = open_table(path, need_integer_index=benchmark.card.circular)
        if (table.md5, table.digest) == (locked.get("md5"), locked.get("with pictures")):
            samples = tuple(s for s in benchmark.samples(table.rows()) if s.id in asked)
            return Questions(samples=samples, card=benchmark.card, images=table.images)
    raise RunFolderError(f"{benchmark.card.file.name} here is not the one this run was asked from.")


def _files(file: DataFile, data_dir: Path | None) -> Iterator[Path]:
    from vlmbench.data.locate import require_file

    with contextlib.suppress(DataError):
        yield require_file(file, data_dir)
    yield require_file(file, data_dir, accept_changed=True)


def _bare_file(about: Mapping[str, Any], locked: Mapping[str, Any], data_dir: Path | None) -> Path | None:
    """A benchmark without code is known by its file, whose path the command line of the run named."""
    file = str(locked.get("file"))
    commands = [sitting.get("command") for sitting in about["sittings"]]
    words = [str(word) for command in commands if isinstance(command, list) for word in command]
    named = [Path(word) for word in words if word.endswith(".tsv") and Path(word).name == file]
    here = [data_dir / file] if data_dir and file.endswith(".tsv") else []
    return next((path for path in (*here, *named) if path.is_file()), None)


def _from_table(path: Path, groups: Mapping[str, str]) -> Iterator[Sample]:
    """The columns that multiple choice shares with every VLMEvalKit table."""
    from vlmbench.report.predictions import index_of
    from vlmbench.report.text_tables import read_table

    table = read_table(path)
    formulas: dict[int, dict[str, str]] = {}
    for (number, name), text in table.formulas.items():
        formulas.setdefault(number, {})[name] = text
    for row in table.rows:
        shown = {**row.cells, **formulas.get(row.number, {})}
        cells = {name: text for name, text in shown.items() if isinstance(text, str) and text}
        index = index_of(table, row, "index")
        if index not in groups:
            continue
        yield Sample(
            id=index,
            question=cells.get("question", ""),
            group=groups[index],
            hint=cells.get("hint"),
            choices={name: text for name, text in cells.items() if name in _LETTERS},
            references=(cells["answer"],) if "answer" in cells else (),
            split=cells.get("split"),
            categories={level: cells[level] for level in _LEVELS if level in cells},
            cells=cells,
        )
