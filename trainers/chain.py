"""The stages of a chain: their work folders, and a record of those that are finished.

A finished stage is not run again; one whose recipe or data changed since is refused.

STAGE/finished.json     its values, and the digests of its data and of the stage before
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import read_object
from vlmbench.trainers.fingerprints import changed_files, changes, contents, listed, recipe_values
from vlmbench.trainers.recipe.model import Chain, Recipe

WORK_DIRS = Path("work_dirs")
FINISHED = "finished.json"


def placed(chain: Chain, work_dir: Path | None) -> list[tuple[Recipe, Path]]:
    """Every stage with its work folder: the last in `work_dir`, those before it in folders below, by name.

    Each begins with what the one before leaves in its own. Without a `work_dir`, all are under work_dirs.
    """
    _refuse_same_names(chain)
    stages: list[tuple[Recipe, Path]] = []
    for recipe in chain.recipes:
        folder = (work_dir or WORK_DIRS) / recipe.name
        if work_dir is not None and recipe is chain.recipes[-1]:
            folder = work_dir
        if stages:
            recipe = replace(recipe, pretrained=str(stages[-1][1].absolute()))
        stages.append((recipe, folder))
    return stages


def _refuse_same_names(chain: Chain) -> None:
    """Stages have their work folders by name."""
    names = [recipe.name for recipe in chain.recipes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"two stages of `{chain.name}` are called {twice}.",
            key="stages",
            fix=f"Give one a name of its own: {{name: {twice}_again, base: {twice}}}.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage as it is asked for now."""

    name: str
    folder: Path
    values: Mapping[str, Any]
    data: Sequence[Mapping[str, Any]]
    """Its files by content."""

    @property
    def digest(self) -> str:
        """Of everything that decided what has come out of it, or will."""
        if held := self._held():
            # Its data may be gone by now.
            return str(held["digest"])
        return self._digest()

    def finished(self) -> bool:
        """Whether it was run already, with these values and data; with others it is refused."""
        held = self._held()
        if not held:
            return False
        found = changes(held.get("values") or {}, self.values)
        changed = [f"the stage {one.text}" if one.key == "before" else one.text for one in found]
        changed += changed_files(held.get("data") or [], self.data)
        if not changed:
            return True
        raise UserError(
            f"the stage `{self.name}` was finished here with other values or data: {listed(changed)}.",
            file=self.folder,
            fix="Take them back, name another --work-dir, or move this folder away.",
        )

    def _digest(self) -> str:
        text = json.dumps([self.values, [one["sha256"] for one in self.data]], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _held(self) -> dict[str, Any]:
        """What it was finished with, if it was."""
        file = self.folder / FINISHED
        return read_object(file, raises=UserError, fix="Remove it.") if file.exists() else {}

    def finish(self) -> None:
        """Written last, once everything else is on the disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"stage": self.name, "digest": self._digest(), "values": self.values, "data": self.data}
        with atomic_file(self.folder / FINISHED) as aside:
            aside.write_text(json.dumps(document, indent=2, default=str) + "\n", "utf-8")


def training(recipe: Recipe, folder: Path, before: StageRecord | None = None) -> StageRecord:
    """A stage that trains, after the stage it begins with."""
    values = recipe_values(recipe) | {"before": before and before.digest}
    if before is None:
        values["pretrained"] = recipe.pretrained
    return StageRecord(name=recipe.name, folder=folder, values=values, data=contents(recipe.data.sources))
