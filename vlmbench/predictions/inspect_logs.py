"""Logs of inspect_ai: one JSON document, or a `.eval` zip with one member a sample.

A zip comes from anywhere and may unpack to any size, so members are read up to a limit.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions.json_files import parse
from vlmbench.predictions.nouns import (
    ID_NAMES,
    Answer,
    Archive,
    Format,
    id_of,
    objects_in,
    picture_of,
    text_of,
    texts_in,
)

MOST_MEMBER = 256 * 1024 * 1024
MOST_TOGETHER = 8 * 1024 * 1024 * 1024
"""Bytes that are unpacked, of one member and of all."""

_ZSTANDARD = 93
"""The number of this packing in a zip file."""

_ATTACHED = "attachment://"
_UNPACK = "Unpack it with `inspect log convert --to json --output-dir DIR FILE` and name the JSON."


def _document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "status" in value


def _read_document(path: Path, value: Any) -> Iterator[Answer]:
    if "samples" not in value:
        raise PredictionsError("the log has no samples.", file=path, key="samples")
    samples = objects_in(path, value["samples"], "`samples`")
    return _answers(path, ((f"sample {n}", sample) for n, sample in enumerate(samples, 1)))


def _archive(value: Any) -> bool:
    return isinstance(value, Archive)


def _read_archive(path: Path, _value: Any) -> Iterator[Answer]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _answers(path, _members(path, archive))
    except zipfile.BadZipFile:
        raise PredictionsError("it is no zip file, or was cut off while it was copied.", file=path) from None
    except NotImplementedError:
        what = "its members are packed in a way that is not understood."
        raise PredictionsError(what, file=path, fix=_UNPACK) from None
    except (EOFError, RuntimeError, zlib.error, OverflowError, UnicodeError, struct.error) as error:
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


def _answers(path: Path, samples: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Answer]:
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
            yield _answer(row, index, sample, text)


def _answer(row: str, index: str, sample: Mapping[str, Any], text: str | None) -> Answer:
    told = sample.get("metadata")
    metadata = told if isinstance(told, dict) else {}
    return Answer(
        text=text,
        row=row,
        ids={"id": index, **{k: v for k, v in texts_in(metadata, ID_NAMES).items() if k != "id"}},
        question=_question(sample),
        picture=picture_of(metadata),
    )


def _completion(path: Path, row: str, sample: Mapping[str, Any]) -> str | None:
    """What the model said last: older logs have it in the first choice only."""
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
    Format("inspect log", "`output.completion`", _document, _read_document),
    Format("inspect log (.eval)", "`output.completion`", _archive, _read_archive),
)
