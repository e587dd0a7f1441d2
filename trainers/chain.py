"""What of a chain is done: a finished stage is not run again, and one that was changed since is refused.

STAGE/finished.json     the values it was run with, and the digest of the stage that it began with
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError

from .recipe import Chain, Recipe

WORK_DIRS = Path("work_dirs")
FINISHED = "finished.json"
_LISTED = 5
_FREE = ("about", "mended", "saving", "pretrained")
"""What may change without changing what is learned; the stage before is known by its digest."""
_FREE_DATA = ("name", "workers", "pin_memory")
_MEANT = ("device", "precision")
"""Of the parallelism: the rest only divides the same work."""


def placed(chain: Chain, work_dir: Path | None) -> list[tuple[Recipe, Path]]:
    """Every stage with its work folder: the last in `work_dir`, those before it in folders below, by name.

    Each begins with what the one before leaves in its own. Without a `work_dir`, all are under work_dirs.
    """
    stages: list[tuple[Recipe, Path]] = []
    for recipe in chain.recipes:
        folder = (work_dir or WORK_DIRS) / recipe.name
        if work_dir is not None and recipe is chain.recipes[-1]:
            folder = work_dir
        if stages:
            recipe = replace(recipe, pretrained=str(stages[-1][1].absolute()))
        stages.append((recipe, folder))
    return stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage as it is asked for now."""

    name: str
    folder: Path
    values: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of everything that decides what comes out of it."""
        text = json.dumps(self.values, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def finished(self) -> bool:
        """Whether it was run already, with these values; with others it is refused."""
        file = self.folder / FINISHED
        try:
            held = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read: {error}.", file=file, fix="Remove it.") from None
        changed = list(_changes(held.get("values") or {}, json.loads(json.dumps(self.values, default=str))))
        if not changed:
            return True
        more = f", and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
        raise UserError(
            f"the stage `{self.name}` was finished here with other values: "
            f"{'; '.join(changed[:_LISTED])}{more}.",
            file=self.folder,
            fix="Take the values back, name another --work-dir, or move this folder away.",
        )

    def finish(self) -> None:
        """Written last, once everything else is on the disk."""
        document = {"stage": self.name, "digest": self.digest, "values": self.values}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{FINISHED}.tmp"
        aside.write_text(json.dumps(document, indent=2, default=str) + "\n", "utf-8")
        aside.replace(self.folder / FINISHED)


def training(recipe: Recipe, folder: Path, before: Stage | None = None) -> Stage:
    """A stage that trains, after the stage it begins with."""
    values = asdict(recipe)
    for key in _FREE if before else _FREE[:-1]:
        values.pop(key)
    for key in _FREE_DATA:
        values["data"].pop(key)
    values["parallelism"] = {key: values["parallelism"][key] for key in _MEANT}
    return Stage(name=recipe.name, folder=folder, values={**values, "before": before and before.digest})


def _changes(held: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(held, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*held, *now]):
            yield from _changes(held.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif held != now:
        told = "the stage before" if name == "before" else name
        yield f"{told} was {json.dumps(held)} and is {json.dumps(now)}"
