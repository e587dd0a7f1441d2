"""Mend what the guides leave to people: the endings of OCR-VQA's pictures, and links between trees."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlmbench.errors import DataError
from vlmbench.images import open_picture

from .checking import Pair
from .folders import places
from .json_stream import raw_records
from .records import read_record

OCR_VQA = PurePosixPath("ocr_vqa/images")
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
JPEG = b"\xff\xd8\xff"


@dataclass(slots=True, kw_only=True)
class Mended:
    """What was done, as names seen from the folder of pictures."""

    linked: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a person."""
        said = (
            ("made {} links to other trees", self.linked),
            ("renamed {} pictures of OCR-VQA that were JPEG under another ending to .jpg", self.renamed),
            ("wrote {} pictures of OCR-VQA anew as .jpg; the originals stay beside them", self.converted),
            ("could not mend {}", self.failed),
        )
        return [text.format(len(names)) + f" ({', '.join(names[:3])})" for text, names in said if names]


def mend(pair: Pair) -> Mended:
    """Make missing links whose targets are here; give OCR-VQA's pictures the ending that is asked for."""
    mended = Mended()
    _link(pair, mended)
    folder = pair.images / OCR_VQA
    others = {path.stem: path for path in sorted(folder.glob("*")) if _other(path)}
    for name in _wanted(pair, others) if others else ():
        target, other = pair.images / name, others.get(PurePosixPath(name).stem)
        if other is not None and not target.exists():
            _give_ending(other, target, name, mended)
    return mended


def _link(pair: Pair, mended: Mended) -> None:
    for place in places(pair.annotations, pair.images):
        if place.target is None or place.state == "here":
            continue
        if (target := _target(place.path, place.target)) is None:
            continue
        try:
            place.path.parent.mkdir(parents=True, exist_ok=True)
            if place.state == "link to nowhere":
                place.path.unlink()
            place.path.symlink_to(target, target_is_directory=True)
        except OSError as error:
            mended.failed.append(f"{place.below}: {error.strerror}")
        else:
            mended.linked.append(place.below)


def _target(link: Path, told: str) -> str | None:
    """What the link must say to reach what the guide means; None where that is not here.

    A link is followed from where it physically stands. Where a tree is itself a link, to another disk for
    one, its neighbours are not there, and only a whole path reaches them.
    """
    # The `..` are counted by name, since the folder that the link will stand in may not be there yet.
    if Path(os.path.normpath(Path(os.path.realpath(link.parent)) / told)).is_dir():
        return told
    meant = Path(os.path.normpath(link.parent / told))
    return str(meant) if meant.is_dir() else None


def _wanted(pair: Pair, others: Iterable[str]) -> Iterator[str]:
    """Pictures of OCR-VQA that the annotations name, each once; without these, all that there are."""
    if not pair.annotations.is_file():
        yield from (str(OCR_VQA / f"{stem}.jpg") for stem in others)
        return
    seen = set()
    for name in _named(pair.annotations):
        path = PurePosixPath(name)
        if path.parent == OCR_VQA and path.suffix == ".jpg" and name not in seen:
            seen.add(name)
            yield name


def _named(annotations: Path) -> Iterator[str]:
    """What cannot be read is for the check to tell."""
    with suppress(DataError):
        for raw in raw_records(annotations):
            with suppress(DataError):
                yield from read_record(raw.text, raw.row).images


def _other(path: Path) -> bool:
    return path.suffix != ".jpg" and path.suffix.lower() in ENDINGS


def _give_ending(other: Path, target: Path, name: str, mended: Mended) -> None:
    try:
        data = other.read_bytes()
        if data.startswith(JPEG):
            other.rename(target)
            mended.renamed.append(name)
        else:
            _convert(data, target)
            mended.converted.append(name)
    except (OSError, DataError) as error:
        mended.failed.append(f"{name}: {error}")


def _convert(data: bytes, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        open_picture(data).save(aside, "JPEG", quality=95, subsampling=0)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
