"""Sources that are no LLaVA files (drawn shapes, RefCOCO boxes) are written as such, once for each content.

VLMBENCH_HOME/generated/<kind>-<digest>/     records.json, and pictures where they are drawn

An item of RefCOCOJson/train.json is a phrase and its box, in hundredths of the picture's width and height:

    {"id": "refcoco-unc-000000581857-the_lady", "image": "000000581857.jpg", "sents": "the lady",
     "bbox": [41, 21, 58, 83]}

It becomes seven records: the box of the phrase, or the phrase of the box (`refcoco-inverse`), asked in seven
wordings as published. The published texts are not ours to copy, so the wordings here are our own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.data.disk import file_digest, home_folder
from vlmbench.errors import DataError, UserError
from vlmbench.files.atomic import new_folder
from vlmbench.trainers.data.json_stream import raw_records
from vlmbench.trainers.data.records import parsed, refuse_half_characters
from vlmbench.trainers.data.shapes import ANNOTATIONS, PICTURES, SHAPES_VERSION, write_shapes
from vlmbench.trainers.data.shards.convert import as_llava_file
from vlmbench.trainers.data.shards.shard_list import is_record_set
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streaming import as_streamed_file

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import Source

REFCOCO_VERSION = 1
"""Raise it when the same item would be worded otherwise."""

REFER = (
    "[refer] {phrase}",
    "[refer] Where in the picture is {phrase}?",
    "[refer] Find {phrase}.",
    "[refer] Give the box around {phrase}.",
    "[refer] Which part of the picture shows {phrase}?",
    "[refer] Please locate {phrase}.",
    "[refer] In this picture, {phrase} is at",
)
IDENTIFY = (
    "[identify] {box}",
    "[identify] What is at {box}?",
    "[identify] Name what the box {box} holds.",
    "[identify] Which thing is meant by {box}?",
    "[identify] Say in a few words what {box} shows.",
    "[identify] Please describe what stands at {box}.",
    "[identify] In this picture, {box} is",
)


def as_llava(source: Source, seed: int, home: Path | None = None, store: float | None = None) -> Source:
    """The same source as a LLaVA file, written if it is not there yet. A LLaVA file stays as it is.

    `store`: GB that a streamed one may take.
    """
    if source.kind == "llava":
        if source.stream and is_record_set(source):
            return as_streamed_file(source, ShardStore(store, home), home)
        return as_llava_file(source, home) if is_record_set(source) else source
    folder = folder_of(source, seed, home)
    if not folder.is_dir():
        try:
            with new_folder(folder) as aside:
                _write(source, seed, aside)
        except UserError:
            # Another process has written the same meanwhile.
            if not folder.is_dir():
                raise
    drawn = source.kind == "shapes"
    return replace(
        source,
        kind="llava",
        annotations=str(folder / ANNOTATIONS),
        images=str(folder / PICTURES) if drawn else source.images,
    )


def folder_of(source: Source, seed: int, home: Path | None = None) -> Path:
    """Where the records of a source are or will be; the name is a digest of what decides them."""
    if source.kind == "shapes":
        facts: list[object] = [SHAPES_VERSION, source.samples, seed, source.style]
    else:
        facts = [REFCOCO_VERSION, file_digest(_annotations(source), "sha256", home)]
    digest = hashlib.sha256(json.dumps([source.kind, facts]).encode()).hexdigest()[:16]
    return (home or home_folder()) / "generated" / f"{source.kind}-{digest}"


def _write(source: Source, seed: int, folder: Path) -> None:
    if source.kind != "shapes":
        write_refcoco(_annotations(source), folder, inverse=source.kind == "refcoco-inverse")
        return
    if not source.samples:
        raise DataError("a source of drawn shapes needs a number of `samples`.", key="data.sources")
    write_shapes(folder, source.samples, seed, source.style)


def _annotations(source: Source) -> Path:
    if source.annotations is None:
        raise DataError("a source needs an annotation file.", key="annotations")
    file = Path(source.annotations).expanduser()
    if not file.is_file():
        raise DataError("there is no such file.", file=file, fix="See `vlmbench train RECIPE --plan`.")
    return file


def write_refcoco(annotations: Path, folder: Path, *, inverse: bool) -> None:
    """Seven records an item, as LLaVA's file in an existing folder."""
    with (folder / ANNOTATIONS).open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number, record in enumerate(refcoco_records(annotations, inverse=inverse)):
            file.write(",\n" * (number > 0) + json.dumps(record, ensure_ascii=False))
        file.write("\n]\n")


def refcoco_records(annotations: Path, *, inverse: bool) -> Iterator[dict[str, Any]]:
    """Every item in every wording, in the order of the file."""
    for raw in raw_records(annotations):
        row, item = raw.row, _item(raw.text, annotations, raw.row)
        phrase, box = _phrase(item, annotations, row), _box(item, annotations, row)
        for number, wording in enumerate(IDENTIFY if inverse else REFER):
            asked = wording.replace("{phrase}", phrase).replace("{box}", box)
            yield {
                "id": f"{item.get('id', f'row {row}')}#{number}",
                "image": str(item["image"]),
                "conversations": [
                    {"from": "human", "value": f"<image>\n{asked}"},
                    {"from": "gpt", "value": phrase if inverse else box},
                ],
            }


def _item(text: str, file: Path, row: int) -> dict[str, Any]:
    item = parsed(text, row, file)
    if not isinstance(item, dict):
        raise DataError("is not a JSON object.", file=file, row=row)
    return item


def _phrase(item: Mapping[str, Any], file: Path, row: int) -> str:
    phrase = item.get("sents")
    if not isinstance(phrase, str) or not phrase.strip() or not isinstance(item.get("image"), str):
        raise DataError("needs a phrase in `sents` and a picture in `image`.", file=file, row=row)
    for key in ("sents", "image", "id"):
        refuse_half_characters(str(item.get(key)), row, file, key)
    return phrase.strip()


def _box(item: Mapping[str, Any], file: Path, row: int) -> str:
    corners = item.get("bbox")
    if (
        not isinstance(corners, list)
        or len(corners) != 4
        or not all(type(corner) is int and 0 <= corner <= 100 for corner in corners)
    ):
        raise DataError("must be four whole numbers from 0 to 100.", file=file, row=row, key="bbox")
    return "{" + "".join(f"<{corner}>" for corner in corners) + "}"
