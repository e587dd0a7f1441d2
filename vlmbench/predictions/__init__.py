"""Predictions of any origin, one door: a file is recognised, read, and matched with a benchmark's questions.

    predictions = read(path, samples, card, cards)
    predictions.texts["1000241"]

Tables (jsonl, json, xlsx, tsv, csv), the files of the benchmarks' authors, and the logs of other harnesses.
Every fault of a file is a PredictionsError.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlmbench.domain import Card, Sample
from vlmbench.errors import NoSuchPredictions, PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions import authors, harness_logs
from vlmbench.predictions.files import listed, read_json, read_table
from vlmbench.predictions.matching import Cards, Predictions, match
from vlmbench.predictions.nouns import Answers, Archive, Folder, Format
from vlmbench.predictions.tables import prediction_column_of, read_answers_of

__all__ = ["Predictions", "match", "read", "read_answers"]

FORMATS: tuple[Format, ...] = (*authors.FORMATS, *harness_logs.FORMATS)
"""Tried in this order; what none of them recognises is a table."""

_JSON = (".json", ".jsonl")
_MOST_FOLDERS = 1000


def read(
    path: Path, samples: Sequence[Sample], card: Card, cards: Cards, *, allow_missing: bool = False
) -> Predictions:
    """The answers in a file or folder to these questions, each on exactly one row."""
    return match(read_answers(path), samples, card, cards, allow_missing=allow_missing)


def read_answers(path: Path) -> Answers:
    """The answers in a file or folder; a PredictionsError where it cannot be read."""
    try:
        held = _held(path)
        form = next((form for form in FORMATS if form.recognise(held)), None)
        if form is None:
            return _read_as_table(path, held)
        found = tuple(form.read(path, held))
    except FileNotFoundError:
        raise NoSuchPredictions("there is no such file.", file=path) from None
    except OSError as error:
        raise PredictionsError(f"cannot be opened: {error.strerror or error}.", file=path) from None
    return _checked(Answers(path=path, format=form.name, used=form.used_of(path, held), answers=found))


def _held(path: Path) -> Any:
    """`JsonLines`, a JSON document, a `TextTable`, a `Folder` or an `Archive`."""
    if path.is_dir():
        return Folder(path)
    suffix = path.suffix.lower()
    if suffix == ".eval":
        path.stat()
        return Archive(path)
    return read_json(path) if suffix in _JSON else read_table(path)


def _read_as_table(path: Path, held: Any) -> Answers:
    if isinstance(held, Folder):
        raise _unknown_folder(path)
    found = tuple(read_answers_of(path, held))
    used = f"`{visible(prediction_column_of(path, held), 60)}`"
    name = f"table ({path.suffix.lower().lstrip('.')})"
    return _checked(Answers(path=path, format=name, used=used, answers=found))


def _checked(answers: Answers) -> Answers:
    if not answers.answers:
        raise PredictionsError("it has no rows.", file=answers.path)
    return answers


def _unknown_folder(path: Path) -> PredictionsError:
    """A folder is often one level above the one that is meant."""
    entries = sorted(entry for _, entry in zip(range(_MOST_FOLDERS), path.iterdir(), strict=False))
    inside = [e for e in entries if e.is_dir() and any(form.recognise(Folder(e)) for form in FORMATS)]
    if inside:
        typed = " or ".join(f"`--predictions {shlex.quote(str(folder))}`" for folder in inside[:3])
        names = listed(folder.name + "/" for folder in inside)
        what = f"this folder holds no predictions itself; folders in it do: {names}."
        return PredictionsError(what, file=path, fix=f"Type {typed}.")
    what = f"this folder holds {listed(entry.name for entry in entries) or 'nothing'}; " + (
        "a folder is read as MMMU's (<Subject>/output.json), as MME's (<category>.txt) or as sample logs "
        "(*samples_*.jsonl)."
    )
    files = [e for e in entries if e.suffix.lower() in (*_JSON, ".xlsx", ".tsv", ".csv", ".eval")]
    likely = next((e for e in files if "pred" in e.stem or "answer" in e.stem), files[0] if files else None)
    fix = f"Name one file: `--predictions {shlex.quote(str(likely))}`." if likely else None
    return PredictionsError(what, file=path, fix=fix)
