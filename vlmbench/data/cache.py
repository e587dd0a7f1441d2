"""The decoded form of a table, on disk once for each content: found, built, or built again.

VLMBENCH_HOME/tables/<md5 of the file>/
    rows.arrow     the text cells
    links.arrow    for each row: index, picture digests, what is wrong with its shape and with its pictures
    images.arrow   every picture once: digest, width, height, bytes
    facts.json     sizes and sums of these files; written last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.data.build import IMAGES, LINKS, ROWS, Stamp, build, stamp
from vlmbench.data.digests import hash_file
from vlmbench.data.disk import writing
from vlmbench.errors import DataError
from vlmbench.files.json_files import object_or_none
from vlmbench.files.locks import exclusive

SCHEMA = 2
"""Raise it when the files change their meaning; older caches are then built again."""

_FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Cache:
    """A whole and current cache folder."""

    folder: Path
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The file a cache is made from."""

    path: Path
    header: tuple[str, ...]
    md5: str
    seen: Stamp
    """Size and time stamp from before the digest was taken."""

    def key(self) -> str:
        """The name of its cache."""
        if "image" in self.header or "image_path" not in self.header:
            return self.md5
        # The pictures lie beside the table, so the same table in another folder is another one.
        place = hashlib.sha256(os.fsencode(self.path.parent)).hexdigest()
        return f"{self.md5}-{place[:12]}"


def open_or_build(source: Source, home: Path) -> Cache:
    """The cache of this file; one process builds it while the others wait."""
    tables = home / "tables"
    folder = tables / source.key()
    if (found := _open(folder)) is not None:
        return found
    with exclusive(tables / f".{folder.name}.lock") as alone:
        if (found := _open(folder)) is not None:
            return found
        if alone:
            _sweep(tables, folder.name)
        return _build(source, folder)


def _open(folder: Path) -> Cache | None:
    """The cache if it is whole, of this schema, and its picture files are untouched."""
    facts = object_or_none(folder / _FACTS) or {}
    try:
        if facts["schema"] != SCHEMA or not all(
            _intact(folder / name, f) for name, f in facts["files"].items()
        ):
            return None
        for picture, seen in facts["pictures"].items():
            if stamp(Path(picture)) != (tuple(seen) if seen else None):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Cache(folder, facts)


def _intact(path: Path, fact: Mapping[str, Any]) -> bool:
    # Pictures are gigabytes; each is compared with its own digest when it is read.
    same_size = path.stat().st_size == fact["bytes"]
    return same_size and (fact["sha256"] is None or hash_file(path, "sha256") == fact["sha256"])


def _build(source: Source, folder: Path) -> Cache:
    path, size = source.path, source.seen[0] if source.seen else None
    fix = "Free some space, or set VLMBENCH_HOME to a folder with room that can be written."
    aside = folder.with_name(f".{folder.name}.{os.getpid()}-{time.monotonic_ns()}")
    with writing(folder, f"the decoded form of {path.name}", size, fix):
        try:
            aside.mkdir(parents=True)
            facts = build(path, source.header, aside)
            if stamp(path) != source.seen:
                # It must not be kept under the digest of what it was a moment ago.
                raise DataError("the file changed while it was being read.", file=path, fix="Start again.")
            facts |= {"schema": SCHEMA, "source": path.name, "md5": source.md5, "files": _files(aside)}
            (aside / _FACTS).write_text(json.dumps(facts), "utf-8")
            _place(aside, folder)
        finally:
            # After a success there is nothing left here; after a failure or Ctrl-C nothing may be.
            shutil.rmtree(aside, ignore_errors=True)
    return Cache(folder, facts)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    texts = {name: {"bytes": 0, "sha256": hash_file(folder / name, "sha256")} for name in (ROWS, LINKS)}
    facts: dict[str, dict[str, Any]] = {**texts, IMAGES: {"sha256": None}}
    for name, fact in facts.items():
        fact["bytes"] = (folder / name).stat().st_size
    return facts


def _place(aside: Path, folder: Path) -> None:
    """Put the finished folder in place; a damaged or older one there makes way."""
    for _attempt in range(10):
        try:
            aside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            old = aside.with_name(f"{aside.name}.old")
            with suppress(FileNotFoundError):
                folder.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        else:
            return
    raise DataError("other processes keep replacing this folder.", file=folder, fix="Start again.")


def _sweep(tables: Path, name: str) -> None:
    """Remove what builders that were killed left behind; only the holder of the lock may."""
    for left in tables.glob(f".{name}.*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
