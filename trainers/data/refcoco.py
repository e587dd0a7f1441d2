"""RefCOCO's boxes as LLaVA records: the box of a phrase, or the phrase of a box.

An item of RefCOCOJson/train.json is a phrase and its box, in hundredths of the picture's width and height:

    {"id": "refcoco-unc-000000581857-the_lady", "image": "000000581857.jpg", "sents": "the lady",
     "bbox": [41, 21, 58, 83]}

Each is asked in seven wordings, as published; the published texts are not ours, so the wordings here are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError

from .json_stream import raw_records
from .records import parsed, refuse_half_characters

ANNOTATIONS = "records.json"
VERSION = 1
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


def write_refcoco(annotations: Path, folder: Path, *, inverse: bool) -> None:
    """Seven records an item, as LLaVA's file in an existing folder."""
    with (folder / ANNOTATIONS).open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number, record in enumerate(records(annotations, inverse=inverse)):
            file.write(",\n" * (number > 0) + json.dumps(record, ensure_ascii=False))
        file.write("\n]\n")


def records(annotations: Path, *, inverse: bool) -> Iterator[dict[str, Any]]:
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
        raise DataError("is no JSON object.", file=file, row=row)
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
