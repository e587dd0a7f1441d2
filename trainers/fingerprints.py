"""What differs from an earlier run: values by name, data and models by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlmbench.data.disk import file_digest
from vlmbench.trainers.data.shards.shard_list import files_matching
from vlmbench.trainers.recipe.model import Recipe, Source

_LISTED = 5
_PIECE = 1 << 20
"""Bytes read at both ends of a file of weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value of the recipe that differs from the one that a run began with."""

    key: str
    text: str
    """As a part of a sentence."""


def changes(held: Any, now: Any, name: str = "") -> Iterator[Change]:
    """Every value that differs; a key that only one of the two has does not count as a change."""
    if isinstance(held, dict) and isinstance(now, dict):
        for key in now:
            if key in held:
                yield from changes(held[key], now[key], f"{name}.{key}" if name else key)
    elif isinstance(held, list) and isinstance(now, list) and len(held) == len(now) and _nested(now):
        for place, (one, other) in enumerate(zip(held, now, strict=True)):
            yield from changes(one, other, f"{name}.{place}")
    elif held != now:
        yield Change(key=name, text=f"{name} was {json.dumps(held)} and is {json.dumps(now)}")


def _nested(values: Sequence[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


def listed(texts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f", and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return "; ".join(texts[:_LISTED]) + more


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """The values that decide what is learned: no paths, no division among devices, no saving."""
    known = asdict(recipe)
    for key in ("about", "mended", "saving", "pretrained"):
        known.pop(key)
    for key in ("name", "workers", "pin_memory", "store"):
        known["data"].pop(key)
    for source in known["data"]["sources"]:
        for key in ("annotations", "files", "images", "origin"):
            source.pop(key)
    known["parallelism"] = {key: known["parallelism"][key] for key in ("device", "precision")}
    # As it comes back from a JSON file.
    found: dict[str, Any] = json.loads(json.dumps(known))
    return found


def contents(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """The files of each source with their digest; none where it is drawn, or not here (any more)."""
    return [{"file": source.annotations or source.files, "sha256": _digest(source)} for source in sources]


def _digest(source: Source) -> str | None:
    if source.files is not None:
        digests = [file_digest(path, "sha256") for path in files_matching(source.files)]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest() if digests else None
    path = None if source.annotations is None else Path(source.annotations).expanduser()
    return None if path is None or not path.is_file() else file_digest(path, "sha256")


def changed_files(held: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """By name, those that both know and that are not the same."""
    return [
        f"{new['file']} has other contents than it had"
        for old, new in zip(held, now, strict=False)
        if old["sha256"] and new["sha256"] and old["sha256"] != new["sha256"]
    ]


def identity(path: Path) -> str:
    """A digest of a model, wherever it is: its small files, and of its weights the sizes and both ends.

    A finished folder has a training.json that no other training writes; its card changes with evaluations.
    """
    found = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if file.suffix != ".md":
            size = file.stat().st_size
            # A single file may be renamed.
            name = file.relative_to(path).as_posix() if path.is_dir() else ""
            found.update(f"{name}\n{size}\n".encode())
            found.update(_ends(file, size))
    return found.hexdigest()


def _ends(file: Path, size: int) -> bytes:
    with file.open("rb") as stream:
        head = stream.read(_PIECE)
        stream.seek(max(len(head), size - _PIECE))
        return head + stream.read()
