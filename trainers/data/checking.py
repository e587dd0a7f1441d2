"""Check that everything an annotation file names is there and sound, and repair what can be repaired.

The published guides leave two things to people: the endings of OCR-VQA's pictures, and links between the
folder trees. `mend` does both.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from vlmbench.cores import cores
from vlmbench.data.sources.webdataset import PICTURE_ENDINGS
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_file
from vlmbench.images import open_picture
from vlmbench.trainers.data.dataset import read_picture
from vlmbench.trainers.data.folders import GuideFolder, places
from vlmbench.trainers.data.json_stream import RawRecord, raw_records
from vlmbench.trainers.data.records import Notes, Placement, check_picture_count, read_record, turns_of
from vlmbench.trainers.data.shards.arrivals import Arrivals
from vlmbench.trainers.data.shards.spans import stored_size
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streamed_shard import StreamedShard

_AT_ONCE = 2048
MISSING, BROKEN, UNUSABLE = "missing pictures", "broken pictures", "records that cannot be used"
UNREADABLE, EMPTY = "files that cannot be read to their end", "files without a record"

OCR_VQA = PurePosixPath("ocr_vqa/images")
JPEG = b"\xff\xd8\xff"

OnPictures = Callable[[int, int], None]
"""Called with how many pictures are checked, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An annotation file, the folder its pictures lie in, and where its questions show them."""

    annotations: Path
    images: Path
    placement: Placement = "first"
    name: str = ""
    """What the user called it, where that is no file of LLaVA's."""
    shards: tuple[StreamedShard, ...] = ()
    """Of a streamed set: each is fetched when its pictures are looked at."""
    store: float | None = None
    """GB of disk that they may take; None: half of what is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCheck:
    """A folder of the guide: how many pictures are named below it, and how many of these are missing."""

    place: GuideFolder
    named: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found."""

    pair: Pair
    records: int
    texts: int
    """Records without a picture."""
    pictures: int
    """Different pictures named."""
    notes: Notes
    places: tuple[PlaceCheck, ...]

    @property
    def whole(self) -> bool:
        """Whether training could use all of it."""
        return not self.notes.counts


def check_pair(pair: Pair, *, quick: bool = False, progress: OnPictures) -> Checked:
    """Read every record, and every picture once; `quick` only looks whether the picture's file is there."""
    notes, names = Notes(), dict[str, None]()
    records = texts = 0
    for raw in _records(pair, notes):
        records += 1
        try:
            record = read_record(raw.text, raw.row, pair.annotations)
            turns_of(record, pair.placement, pair.annotations)
            check_picture_count(record, pair.placement, pair.annotations)
        except DataError as error:
            notes.add(UNUSABLE, str(error))
            continue
        texts += not record.images
        names.update(dict.fromkeys(record.images))
    if not records and not notes.counts:
        notes.add(EMPTY, str(pair.annotations))
    missing, arrivals = set[str](), Arrivals(ShardStore(pair.store))
    for shard, own in _by_shard(pair, list(names), quick):
        try:
            with arrivals.holding(shard):
                missing |= _look(pair.images, own, quick, notes, progress)
        except DataError as error:
            notes.add(UNREADABLE, str(error))
    return Checked(
        pair=pair,
        records=records,
        texts=texts,
        pictures=len(names),
        notes=notes,
        places=tuple(_counted(places(pair.annotations, pair.images), names, missing)),
    )


def _records(pair: Pair, notes: Notes) -> Iterator[RawRecord]:
    """Records up to where the file breaks off; the error is noted, as other files are still to be checked."""
    try:
        yield from raw_records(pair.annotations)
    except DataError as error:
        notes.add(UNREADABLE, str(error))


def _by_shard(pair: Pair, names: list[str], quick: bool) -> Iterator[tuple[StreamedShard | None, list[str]]]:
    """The pictures that are looked at together; None is the shard of those that are here."""
    fetched = {shard.key: shard for shard in pair.shards if shard.in_store}
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.partition("/")[0] if fetched else "", []).append(name)
    for key, own in found.items():
        if not (quick and key in fetched):
            yield fetched.get(key), own


def _look(folder: Path, names: list[str], quick: bool, notes: Notes, progress: OnPictures) -> set[str]:
    missing: set[str] = set()
    looked = iter(names)
    done = 0
    with ThreadPoolExecutor(cores()) as pool:
        while some := list(islice(looked, _AT_ONCE)):
            for name, found in zip(some, pool.map(lambda n: problem(folder / n, quick), some), strict=True):
                if found == "":
                    continue
                if found == "missing":
                    missing.add(name)
                    notes.add(MISSING, name)
                else:
                    notes.add(BROKEN, f"{name}: {found}")
            done += len(some)
            progress(done, len(names))
    return missing


def problem(path: Path, quick: bool) -> str:
    """What is wrong with a picture: an empty text, `missing`, or the reader's complaint."""
    try:
        if not stored_size(path):
            return "the file is empty"
        if not quick:
            read_picture(path)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return str(error.strerror)
    except DataError as error:
        return error.what
    except ValueError:
        return "no path can have this name"
    return ""


def _counted(found: list[GuideFolder], names: Iterable[str], missing: set[str]) -> Iterator[PlaceCheck]:
    """Each folder with the pictures named below it and not below a longer one."""
    named: Counter[str] = Counter()
    absent: Counter[str] = Counter()
    below = sorted((place.below for place in found), key=len, reverse=True)
    for name in names:
        owner = next((b for b in below if b == "." or name.startswith(f"{b}/")), None)
        if owner is not None:
            named[owner] += 1
            absent[owner] += name in missing
    for place in found:
        yield PlaceCheck(place=place, named=named[place.below], missing=absent[place.below])


@dataclass(slots=True, kw_only=True)
class Repairs:
    """What `mend` did, as names seen from the folder of pictures."""

    linked: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A sentence for each kind of repair."""
        done = (
            ("made {} links to other trees", self.linked),
            ("renamed {} pictures of OCR-VQA that were JPEG under another ending to .jpg", self.renamed),
            ("wrote {} pictures of OCR-VQA anew as .jpg; the originals stay beside them", self.converted),
            ("could not mend {}", self.failed),
        )
        return [text.format(len(names)) + f" ({', '.join(names[:3])})" for text, names in done if names]


def mend(pair: Pair) -> Repairs:
    """Make missing links whose targets are here; give OCR-VQA's pictures the ending that the records name."""
    mended = Repairs()
    _link(pair, mended)
    folder = pair.images / OCR_VQA
    others = {path.stem: path for path in sorted(folder.glob("*")) if _other(path)}
    for name in _wanted(pair, others) if others else ():
        target, other = pair.images / name, others.get(PurePosixPath(name).stem)
        if other is not None and not target.exists():
            _give_ending(other, target, name, mended)
    return mended


def _link(pair: Pair, mended: Repairs) -> None:
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


def _target(link: Path, target: str) -> str | None:
    """What the link must hold to reach the guide's target; None when that is not here.

    A link is followed from where it physically stands. Where a tree is itself a link, to another disk for
    one, its neighbours are not there, and only a whole path reaches them.
    """
    # The `..` are counted by name, since the folder that the link will stand in may not be there yet.
    if Path(os.path.normpath(Path(os.path.realpath(link.parent)) / target)).is_dir():
        return target
    meant = Path(os.path.normpath(link.parent / target))
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
    """The pictures of records that can be read; the check reports the others."""
    with suppress(DataError):
        for raw in raw_records(annotations):
            with suppress(DataError):
                yield from read_record(raw.text, raw.row).images


def _other(path: Path) -> bool:
    return path.suffix != ".jpg" and path.suffix.lower().removeprefix(".") in PICTURE_ENDINGS


def _give_ending(other: Path, target: Path, name: str, mended: Repairs) -> None:
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
    with atomic_file(target) as aside:
        open_picture(data).save(aside, "JPEG", quality=95, subsampling=0)
