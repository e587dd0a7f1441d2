"""Open a finished run folder: read it, check it, or refuse it with the reason.

    run = open_run(Path("runs/demo/Shapes_DEV_EN"))
    run.results["headline"]["value"], run.scores["strict"], run.questions.samples

`open_run` reads run.json and results.json; scores, answers and questions are read when first used. Questions
come from the benchmark's file where it is here unchanged, else from the run's predictions.xlsx and
pictures.jsonl.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.domain import RULE_SETS, RuleSet, Score
from vlmbench.errors import NoSuchRun, RunFolderError
from vlmbench.files.fields import WrongField, as_instance
from vlmbench.files.json_files import line_object, read_json
from vlmbench.files.regular import is_there, whole_lines_of
from vlmbench.files.set_aside import is_set_aside
from vlmbench.finished import FinishedRun, Questions, Scores
from vlmbench.report.questions import read_questions
from vlmbench.report.results import AGAIN, RESULTS, SCHEMA_VERSION, SCORES, results_schema
from vlmbench.store import RUN, read_responses, read_run

if TYPE_CHECKING:
    from fastjsonschema import JsonSchemaValueException

_KINDS = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def open_run(folder: Path, *, data_dir: Path | None = None, plugins: Sequence[Path] = ()) -> FinishedRun:
    """A finished run; a RunFolderError says why the folder is not one."""
    about = read_run(folder)
    results = read_results(folder / RESULTS)
    for key in ("benchmark", "model"):
        if about["spec"].get(key) != results[key]:
            raise RunFolderError(
                f"its {key} is `{results[key]}`, that of run.json `{about['spec'].get(key)}`: "
                "they belong to two runs.",
                file=folder / RESULTS,
                fix=AGAIN,
            )
    return FinishedRun(
        folder=folder,
        spec=about["spec"],
        facts=about["facts"],
        sittings=tuple(about["sittings"]),
        results=results,
        read_scores=partial(read_scores, folder),
        read_responses=partial(read_responses, folder),
        read_questions=partial(_questions, folder, about, data_dir, tuple(plugins)),
    )


def run_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs directly inside it (`runs/NAME`), by name.

    Answers that `--fresh` set aside are left out, unless the folder is theirs.
    """
    if (folder / RUN).exists() or not folder.is_dir():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{RUN}") if not is_set_aside(path.parent))
    if not found:
        raise NoSuchRun(
            "this folder has neither a run.json nor folders with one.",
            file=folder,
            fix="Name a run folder such as runs/NAME/BENCH, or runs/NAME for all of a model's.",
        )
    return found


def read_scores(folder: Path) -> Scores:
    """The scores under each rule set, in file order."""
    file = folder / SCORES
    found: dict[RuleSet, dict[str, Score]] = {rules: {} for rules in RULE_SETS}
    for number, line in enumerate(_lines(file), 1):
        try:
            score = _score(line)
        except WrongField as wrong:
            raise RunFolderError(
                f"this line is not a score: {wrong}.", file=file, row=number, fix=AGAIN
            ) from None
        rows = found[score.rules]  # type: ignore[index]
        if score.id in rows:
            raise RunFolderError(
                "this row occurs twice; the file was edited or damaged.", file=file, row=number, fix=AGAIN
            )
        rows[score.id] = score
    return {rules: tuple(rows.values()) for rules, rows in found.items()}


def read_results(file: Path) -> dict[str, Any]:
    """A results.json that is valid against its schema."""
    if not is_there(file):
        raise RunFolderError(
            "this run is not finished: it has no results.json.",
            file=file.parent,
            fix="The same `vlmbench run` finishes it.",
        )
    document = read_json(file, raises=RunFolderError, fix=AGAIN, half_characters=True, own=True)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise RunFolderError(
            f"it was written by {'a newer' if version > SCHEMA_VERSION else 'another'} version of vlmbench "
            f"(schema {version}, this one reads {SCHEMA_VERSION}).",
            file=file,
            fix="Use the version that wrote it, or run again with this one.",
        )
    if problem := first_problem(document):
        raise _damaged(file, problem)
    checked: dict[str, Any] = document
    if outside := _outside(checked):
        raise _damaged(file, outside)
    return checked


def _outside(document: Mapping[str, Any]) -> str | None:
    """What is wrong where a figure lies outside its own interval, which vlmbench never writes."""
    for rules, under in document["by_rules"].items():
        for figure in under["metrics"]:
            value, ends = figure["value"], figure["ci95"]
            if value is not None and ends and not ends[0] - 1e-9 <= value <= ends[1] + 1e-9:
                return f"`{figure['name']}` under {rules} is {value}, outside its interval {ends}"
    return None


def first_problem(document: Any) -> str | None:
    """What the schema of results.json finds wrong first, named by its key; None for a valid document."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validate()(document)
    except JsonSchemaValueException as error:
        return _in_words(error)
    return None


@functools.cache
def _validate() -> Callable[[Any], Any]:
    """The schema as a function, compiled once: a leaderboard reads thousands of documents."""
    import fastjsonschema

    validate: Callable[[Any], Any] = fastjsonschema.compile(
        results_schema(), use_default=False, use_formats=False
    )
    return validate


def _in_words(error: JsonSchemaValueException) -> str:
    where = str(error.name).removeprefix("data").removeprefix(".") or "the document"
    value, expected = error.value, error.rule_definition
    if error.rule == "required":
        return f"{where} has no `{next(key for key in expected if key not in value)}`"
    if error.rule == "additionalProperties" and expected is False:
        extra = next(key for key in value if key not in error.definition.get("properties", {}))
        return f"{extra if where == 'the document' else f'{where}.{extra}'} does not belong there"
    if error.rule == "type":
        types = [expected] if isinstance(expected, str) else expected
        return f"{where} is {_KINDS[type(value)]}, not {' or '.join(types)}"
    if error.rule in ("minItems", "maxItems"):
        return f"{where} has {len(value)} items"
    if error.rule == "enum":
        return f"{where} is {value!r:.80}, not one of {', '.join(map(str, expected))}"
    return f"{where} is {value!r:.80}, which breaks `{error.rule}: {expected!r}`"


def _damaged(file: Path, why: str) -> RunFolderError:
    return RunFolderError(f"it is damaged: {why}.", file=file, fix=AGAIN)


def _lines(file: Path) -> Iterator[bytes]:
    try:
        yield from whole_lines_of(file)
    except FileNotFoundError:
        raise RunFolderError("the run has no scores.jsonl.", file=file.parent, fix=AGAIN) from None
    except OSError as error:
        raise _damaged(file, str(error)) from None


def _score(line: bytes) -> Score:
    if (document := line_object(line, own=True)) is None:
        raise WrongField("it is no JSON object")
    score = as_instance(Score, document)
    if score.rules not in RULE_SETS:
        raise WrongField(f"`rules` is `{score.rules:.40}`, not one of {', '.join(RULE_SETS)}")
    return score


def _questions(
    folder: Path, about: Mapping[str, Any], data_dir: Path | None, plugins: Sequence[Path]
) -> Questions:
    asked = {score.id: score.group for score in read_scores(folder)["strict"]}
    return read_questions(folder, about, asked, data_dir=data_dir, plugins=plugins)
