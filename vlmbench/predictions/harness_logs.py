"""Logs of other harnesses: lmms-eval, lm-eval and inspect_ai.

lmms-eval and lm-eval write `samples_*.jsonl` or `*_samples_*.jsonl`, formerly `{"logs": […]}`. Both number
the documents of a data set, whose order is not that of a benchmark's file, so `doc_id` is never taken for an
index. The question is identified by `doc`, which lmms-eval leaves out since 0.3, or by the values of its
metrics, which carry ids; else by the prompt (`input`, `arguments`).

inspect_ai writes one JSON document, or a `.eval` zip with one member a sample. A zip comes from anywhere and
may unpack to any size, so members are read up to a limit.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.files.zip_parts import DAMAGED_ZIP
from vlmbench.plain_text import visible
from vlmbench.predictions.authors import first_keys, records_of
from vlmbench.predictions.files import parse, read_json
from vlmbench.predictions.nouns import (
    ID_NAMES,
    Archive,
    Folder,
    Format,
    StoredAnswer,
    id_of,
    objects_in,
    picture_of,
    some_text,
    text_of,
    texts_in,
    whole,
)

MOST_MEMBER = 32 * 1024 * 1024
_MOST_KEPT = 200_000_000
"""Characters of answers, questions and ids; the rest of a member, pictures for the most part, is dropped."""
MOST_TOGETHER = 8 * 1024 * 1024 * 1024
"""Bytes that are unpacked, of one member and of all."""

_ZSTANDARD = 93
"""The number of this packing in a zip file."""

_ATTACHED = "attachment://"
_UNPACK = "Unpack it with `inspect log convert --to json --output-dir DIR FILE` and name the JSON."
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


def _read_folder(path: Path, _value: Any) -> Iterator[StoredAnswer]:
    for file in _files(path):
        yield from _read_samples(file, read_json(file))


def _read_old_log(path: Path, value: Any) -> Iterator[StoredAnswer]:
    return _answers(path, enumerate(objects_in(path, value["logs"], "`logs`"), 1))


def _read_samples(path: Path, value: Any) -> Iterator[StoredAnswer]:
    return _answers(path, records_of(value))


def _answers(path: Path, records: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[StoredAnswer]:
    """In the order of the documents. lm-eval writes one once a filter, always with the same `resps`."""
    first: dict[str, tuple[str, str | None]] = {}
    found: list[tuple[str, StoredAnswer]] = []
    for number, record in records:
        doc_id, kept_by = record.get("doc_id"), str(record.get("filter"))
        if not isinstance(doc_id, str):
            raise PredictionsError("this record has no document.", file=path, row=number, key="doc_id")
        text = _words(path, number, record)
        known_by, known_text = first.setdefault(doc_id, (kept_by, text))
        if kept_by == known_by or text != known_text:
            found.append((doc_id, _answer(f"{path.name} {number}", record, text)))
    yield from (answer for _, answer in sorted(found, key=lambda pair: (len(pair[0]), pair[0])))


def _answer(row: str, record: Mapping[str, Any], text: str | None) -> StoredAnswer:
    inside: dict[str, Mapping[str, Any]] = {k: v for k, v in record.items() if isinstance(v, dict)}
    doc = inside.pop("doc", {})
    known: dict[str, str] = {}
    for source in (doc, *inside.values()):
        for name, value in texts_in(source, ID_NAMES).items():
            known.setdefault(name, whole(value))
    shown = texts_in(doc, ("question", "text")) or {"prompt": _prompt(record) or ""}
    return StoredAnswer(
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


def _document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "status" in value


def _read_document(path: Path, value: Any) -> Iterator[StoredAnswer]:
    if "samples" not in value:
        raise PredictionsError("the log has no samples.", file=path, key="samples")
    samples = objects_in(path, value["samples"], "`samples`")
    return _inspect_answers(path, ((f"sample {n}", sample) for n, sample in enumerate(samples, 1)))


def _archive(value: Any) -> bool:
    return isinstance(value, Archive)


def _read_archive(path: Path, _value: Any) -> Iterator[StoredAnswer]:
    try:
        with zipfile.ZipFile(path) as archive:
            kept = 0
            for answer in _inspect_answers(path, _members(path, archive)):
                kept += sum(len(t) for t in (answer.text, answer.question, *answer.ids.values()) if t)
                if kept > _MOST_KEPT:
                    what = f"its answers and questions have more than {_MOST_KEPT:,} characters."
                    raise PredictionsError(what, file=path)
                yield answer
    except zipfile.BadZipFile:
        raise PredictionsError(
            "this is not a zip file, or it was cut off while it was copied.", file=path
        ) from None
    except NotImplementedError:  # how zipfile refuses a compression that it lacks
        what = "its members are compressed in a way that this Python cannot read."
        raise PredictionsError(what, file=path, fix=_UNPACK) from None
    except (*DAMAGED_ZIP, UnicodeError) as error:
        raise PredictionsError(f"it is damaged: {visible(str(error))}.", file=path) from None


def _members(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    infos = [
        i for i in archive.infolist() if i.filename.startswith("samples/") and i.filename.endswith(".json")
    ]
    if not infos:
        raise PredictionsError("the log has no member `samples/….json`.", file=path)
    left = MOST_TOGETHER
    for info in sorted(infos, key=lambda info: info.filename):
        content = _unpacked(path, archive, info)
        name = visible(info.filename)
        left -= len(content)
        if len(content) > MOST_MEMBER or left < 0:
            raise PredictionsError(f"{name} unpacks to more than is read.", file=path, fix=_UNPACK)
        sample = parse(path, content.decode("utf-8", "replace"), part=name)
        if not isinstance(sample, dict):
            raise PredictionsError(f"{name} holds no sample.", file=path)
        yield name, sample


def _unpacked(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """At most one byte more than is allowed. inspect packs with Zstandard, new to zipfile in 3.14."""
    if info.compress_type != _ZSTANDARD:
        with archive.open(info) as member:
            return member.read(MOST_MEMBER + 1)
    import pyarrow as pa

    with path.open("rb") as file:
        file.seek(info.header_offset)
        name, extra = struct.unpack("<26xHH", file.read(30))
        file.seek(name + extra, 1)
        packed = file.read(min(info.compress_size, MOST_MEMBER))
    try:
        content: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(MOST_MEMBER + 1)
    except (OSError, pa.ArrowException) as error:
        raise RuntimeError(str(error)) from None
    if len(content) <= MOST_MEMBER and zlib.crc32(content) != info.CRC:
        raise RuntimeError(f"{info.filename} has another checksum")
    return content


def _inspect_answers(path: Path, samples: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[StoredAnswer]:
    """A sample that failed has `error` and no output: it has no answer."""
    epochs: dict[str, str] = {}
    for row, sample in samples:
        epoch = str(sample.get("epoch", "1"))
        index = id_of(path, row, "id", sample)
        if epochs.setdefault(index, epoch) != epoch:
            what = f"sample {visible(index, 60)} was asked in several epochs; one answer is scored."
            raise PredictionsError(what, file=path, row=row, fix="Evaluate with `--epochs 1`.")
        text = _completion(path, row, sample)
        if text is not None or not sample.get("error"):
            yield _inspect_answer(row, index, sample, text)


def _inspect_answer(row: str, index: str, sample: Mapping[str, Any], text: str | None) -> StoredAnswer:
    found = sample.get("metadata")
    metadata = found if isinstance(found, dict) else {}
    return StoredAnswer(
        text=text,
        row=row,
        ids={"id": index, **{k: v for k, v in texts_in(metadata, ID_NAMES).items() if k != "id"}},
        question=_question(sample),
        picture=picture_of(metadata),
    )


def _completion(path: Path, row: str, sample: Mapping[str, Any]) -> str | None:
    """The model's last answer: older logs have it in the first choice only."""
    output = sample.get("output")
    if not isinstance(output, dict):
        return None
    if isinstance(output.get("completion"), str):
        return text_of(path, row, "completion", output)
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return _content(message.get("content")) if isinstance(message, dict) else None


def _content(content: Any) -> str | None:
    """A message's text, in one piece or in parts, of which pictures and reasoning are none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    parts = (part for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for part in parts if isinstance(text := part.get("text"), str))


def _question(sample: Mapping[str, Any]) -> str | None:
    """What the user asked; a long text stands among the attachments."""
    asked = sample.get("input")
    if isinstance(asked, list):
        users = [m for m in asked if isinstance(m, dict) and m.get("role") == "user"]
        asked = _content(users[-1].get("content")) if users else None
    if isinstance(asked, str) and asked.startswith(_ATTACHED):
        attachments = sample.get("attachments")
        asked = attachments.get(asked.removeprefix(_ATTACHED)) if isinstance(attachments, dict) else None
    return asked if isinstance(asked, str) and asked else None


FORMATS = (
    Format("sample log of lmms-eval or lm-eval", _used, _samples, _read_samples),
    Format("sample log of an early lmms-eval", _used_in_logs, _old_log, _read_old_log),
    Format("folder of sample logs", _used_in_folder, _folder, _read_folder),
    Format("inspect log", "`output.completion`", _document, _read_document),
    Format("inspect log (.eval)", "`output.completion`", _archive, _read_archive),
)
