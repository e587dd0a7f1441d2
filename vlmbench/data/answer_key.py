"""Answers by id, as authors publish them after a test is over: one JSON document.

{"test_Art_1": "B", "test_Art_2": "Goya"}
{"test_Art_1": {"question_type": "multiple-choice", "ground_truth": "B"}}     MMMU's answer_dict_test.json
[{"id": "test_Art_1", "answer": "B"}]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.data.column_names import did_you_mean, missing_columns
from vlmbench.errors import DataError
from vlmbench.files.json_files import read_json

_IDS = ("id", "index", "question_id")
_ANSWERS = ("ground_truth", "answer")
_FORM = 'Write `{"id": "answer", …}` or `{"id": {"ground_truth": "answer"}, …}`.'


def read_key(path: Path) -> dict[str, str]:
    """Each id's answer as a benchmark's `answer` cell has it: several accepted ones are a list literal."""
    document = read_json(path, fix=_FORM, encoding="utf-8-sig")
    answers: dict[str, str] = {}
    for number, (name, value) in enumerate(_entries(document, path), 1):
        if name in answers:
            raise DataError(f"the id `{name}` stands here twice.", file=path, row=number)
        if (cell := _cell(value)) is not None:
            answers[name] = cell
    if not answers:
        near = missing_columns(_keys(document), _ANSWERS[1:])
        what = f"no id has an answer here: {did_you_mean(near)}" if near else "no id has an answer here."
        raise DataError(what, file=path, fix=_FORM)
    return answers


def _entries(document: Any, path: Path) -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield name, _first(value, _ANSWERS) if isinstance(value, dict) else value
        return
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise DataError("this is neither an object nor a list of records.", file=path, fix=_FORM)
    for number, entry in enumerate(document, 1):
        name = _first(entry, _IDS)
        if name is None:
            raise DataError("this record has no id.", file=path, row=number, key=_IDS[0], fix=_FORM)
        yield str(name), _first(entry, _ANSWERS)


def _keys(document: Any) -> list[str]:
    """The keys of the first record."""
    records = list(document.values()) if isinstance(document, dict) else document
    return list(map(str, records[0])) if records and isinstance(records[0], dict) else []


def _first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _cell(value: Any) -> str | None:
    """The value as text; None for a value that is not an answer."""
    if isinstance(value, list):
        return str([str(item) for item in value]) if value else None
    if value is None or isinstance(value, dict):
        return None
    return str(value)
