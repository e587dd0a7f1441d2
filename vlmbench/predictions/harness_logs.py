"""Sample logs of lmms-eval and lm-eval: `samples_*.jsonl`, `*_samples_*.jsonl`, older `{"logs": […]}`.

Both number the documents of a data set, whose order is not that of a benchmark's file, so `doc_id` is never
taken for an index. What tells a question is in `doc`, which lmms-eval leaves out since 0.3, or in the values
of its metrics, which carry ids; else the prompt (`input`, `arguments`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.predictions.authors import first_keys, records_of
from vlmbench.predictions.json_files import read_json
from vlmbench.predictions.nouns import (
    ID_NAMES,
    Answer,
    Folder,
    Format,
    objects_in,
    picture_of,
    some_text,
    texts_in,
    whole,
)

_LIKELIHOOD = re.compile(r"\s*-?(\d+(\.\d+)?(e-?\d+)?|inf)\s*", re.IGNORECASE)
_TRUTHS = frozenset({"True", "False", "true", "false"})
_LEFT_OUT = "`filtered_resps`, because the log leaves out `resps` where both are the same"


def _samples(value: Any) -> bool:
    keys = first_keys(value)
    return "doc_id" in keys and bool(keys & {"resps", "filtered_resps"})


def _old_log(value: Any) -> bool:
    return isinstance(value, dict) and _samples(value.get("logs"))


def _folder(value: Any) -> bool:
    return isinstance(value, Folder) and bool(_files(value.path))


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*samples_*.jsonl") if f.is_file())


def _used(_path: Path, value: Any) -> str:
    with_resps = {"resps" in record for _, record in records_of(value)}
    if with_resps == {False}:
        return _LEFT_OUT
    return "`resps`" if with_resps == {True} else f"`resps`, else {_LEFT_OUT}"


def _used_in_logs(path: Path, value: Any) -> str:
    return _used(path, value["logs"])


def _used_in_folder(path: Path, _value: Any) -> str:
    return "; ".join(dict.fromkeys(_used(file, read_json(file)) for file in _files(path)))


def _read_folder(path: Path, _value: Any) -> Iterator[Answer]:
    for file in _files(path):
        yield from _read_samples(file, read_json(file))


def _read_old_log(path: Path, value: Any) -> Iterator[Answer]:
    return _answers(path, enumerate(objects_in(path, value["logs"], "`logs`"), 1))


def _read_samples(path: Path, value: Any) -> Iterator[Answer]:
    return _answers(path, records_of(value))


def _answers(path: Path, records: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Answer]:
    """In the order of the documents. lm-eval writes one once a filter, always with the same `resps`."""
    first: dict[str, tuple[str, str | None]] = {}
    found: list[tuple[str, Answer]] = []
    for number, record in records:
        doc_id, kept_by = record.get("doc_id"), str(record.get("filter"))
        if not isinstance(doc_id, str):
            raise PredictionsError("this record has no document.", file=path, row=number, key="doc_id")
        text = _words(path, number, record)
        known_by, known_text = first.setdefault(doc_id, (kept_by, text))
        if kept_by == known_by or text != known_text:
            found.append((doc_id, _answer(f"{path.name} {number}", record, text)))
    yield from (answer for _, answer in sorted(found, key=lambda pair: (len(pair[0]), pair[0])))


def _answer(row: str, record: Mapping[str, Any], text: str | None) -> Answer:
    inside: dict[str, Mapping[str, Any]] = {k: v for k, v in record.items() if isinstance(v, dict)}
    doc = inside.pop("doc", {})
    known: dict[str, str] = {}
    for source in (doc, *inside.values()):
        for name, value in texts_in(source, ID_NAMES).items():
            known.setdefault(name, whole(value))
    shown = texts_in(doc, ("question", "text")) or {"prompt": _prompt(record) or ""}
    return Answer(
        text=text,
        row=row,
        ids=known,
        question=next(iter(shown.values())) or None,
        picture=picture_of({**known, **doc}),
        category=some_text(doc, "category"),
    )


def _prompt(record: Mapping[str, Any]) -> str | None:
    """The text that the model was asked, wherever this version of the log has it."""
    return some_text(record, "input") or next(iter(_leaves(record.get("arguments"))), None)


def _words(path: Path, number: int, record: Mapping[str, Any]) -> str | None:
    """The one text that the model wrote; the log nests it in lists, once a request and once a repeat."""
    key = "resps" if "resps" in record else "filtered_resps"
    found = list(dict.fromkeys(_leaves(record.get(key))))
    if len(found) > 1 and all(text in _TRUTHS or _LIKELIHOOD.fullmatch(text) for text in found):
        raise PredictionsError(
            "these are the likelihoods of the options, and no text that a model wrote.",
            file=path,
            row=number,
            key=key,
            fix="Evaluate with a task that generates (`output_type: generate_until`).",
        )
    if len(found) > 1:
        what = f"{len(found)} different responses to one question; one is scored."
        raise PredictionsError(what, file=path, row=number, key=key, fix="Evaluate with `repeats: 1`.")
    return found[0] if found else None


def _leaves(value: Any) -> Iterator[str]:
    """Every text in nested lists and objects, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str | bool):
            yield str(item)
        elif isinstance(item, list | dict):
            waiting += reversed(list(item.values()) if isinstance(item, dict) else item)


FORMATS = (
    Format("sample log of lmms-eval or lm-eval", _used, _samples, _read_samples),
    Format("sample log of an early lmms-eval", _used_in_logs, _old_log, _read_old_log),
    Format("folder of sample logs", _used_in_folder, _folder, _read_folder),
)
