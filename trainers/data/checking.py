"""Whether everything that an annotation file names is there and sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vlmbench.errors import DataError
from vlmbench.images import open_picture
from vlmbench.trainers.data.lfs_check import ENOUGH, refuse_stand_in

from .folders import Place, places
from .json_stream import RawRecord, raw_records
from .policy import Notes
from .pool import cores
from .records import Placement, read_record, turns_of
from .tokenise import count_pictures

_AT_ONCE = 2048
MISSING, BROKEN, UNUSABLE = "missing pictures", "broken pictures", "records that cannot be used"
UNREADABLE, EMPTY = "files that cannot be read to their end", "files without a record"

Tell = Callable[[int, int], None]
"""Pictures looked at, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An annotation file, the folder its pictures lie in, and where its questions show them."""

    annotations: Path
    images: Path
    placement: Placement = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCheck:
    """A folder of the guide: how many pictures are named below it, and how many of these are missing."""

    place: Place
    named: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found."""

    pair: Pair
    records: int
    texts: int
    """Records without a picture."""
    pictures: int
    """Different ones."""
    notes: Notes
    places: tuple[PlaceCheck, ...]

    @property
    def whole(self) -> bool:
        """Whether training could use all of it."""
        return not self.notes.counts


def check_pair(pair: Pair, *, quick: bool = False, tell: Tell) -> Checked:
    """Read every record, and every picture once; `quick` asks only whether its file is there."""
    notes, names = Notes(), dict[str, None]()
    records = texts = 0
    for raw in _records(pair, notes):
        records += 1
        try:
            record = read_record(raw.text, raw.row, pair.annotations)
            turns_of(record, pair.placement, pair.annotations)
            count_pictures(record, pair.placement, pair.annotations)
        except DataError as error:
            notes.add(UNUSABLE, str(error))
            continue
        texts += not record.images
        names.update(dict.fromkeys(record.images))
    if not records and not notes.counts:
        notes.add(EMPTY, str(pair.annotations))
    missing = _look(pair.images, list(names), quick, notes, tell)
    return Checked(
        pair=pair,
        records=records,
        texts=texts,
        pictures=len(names),
        notes=notes,
        places=tuple(_counted(places(pair.annotations, pair.images), names, missing)),
    )


def _records(pair: Pair, notes: Notes) -> Iterator[RawRecord]:
    """Up to where the file breaks off: other files of a recipe are still to be checked."""
    try:
        yield from raw_records(pair.annotations)
    except DataError as error:
        notes.add(UNREADABLE, str(error))


def _look(folder: Path, names: list[str], quick: bool, notes: Notes, tell: Tell) -> set[str]:
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
            tell(done, len(names))
    return missing


def problem(path: Path, quick: bool) -> str:
    """What is wrong with a picture: nothing, `missing`, or what its reader says."""
    try:
        if quick:
            return "" if path.stat().st_size else "the file is empty"
        data = path.read_bytes()
        refuse_stand_in(data[:ENOUGH], path)
        open_picture(data)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return str(error.strerror)
    except DataError as error:
        return error.what
    except ValueError:
        return "no path can have this name"
    return ""


def _counted(found: list[Place], names: Iterable[str], missing: set[str]) -> Iterator[PlaceCheck]:
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
