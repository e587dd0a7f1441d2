"""The files that a name given to `vlmbench data check` stands for, and the progress of checking them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlmbench.trainers.data.checking import Pair
    from vlmbench.trainers.data.records import Placement
    from vlmbench.trainers.recipe.model import Source

DRAWN = "shapes"
"""The kind of source that has no files."""


def is_training_file(name: str) -> bool:
    """Whether a name given to `data check` is an annotation file."""
    return name.endswith((".json", ".jsonl"))


def is_recipe(name: str) -> bool:
    """Whether it is a recipe, shipped or in a file."""
    from vlmbench.trainers.recipe.library import recipe_names

    return name.endswith((".yaml", ".yml")) or name in recipe_names()


def pairs_of(name: str, images: Path | None, placement: Placement | None = None) -> list[Pair]:
    """Annotation files with their folders of pictures: of a file, or all those of a recipe."""
    from vlmbench.trainers.data.checking import Pair
    from vlmbench.trainers.recipe.loading import read

    if is_training_file(name):
        file = Path(name).expanduser()
        return [Pair(annotations=file, images=images or file.parent, placement=placement or "first")]
    found = [
        (*_files(source, recipe.seed), placement or recipe.data.placement)
        for recipe in read(name).recipes
        for source in recipe.data.sources
        if source.kind != DRAWN
    ]
    return [
        Pair(annotations=file, images=folder, placement=placed)
        for file, folder, placed in dict.fromkeys(found)
    ]


def drawn_of(name: str) -> dict[str, int]:
    """How many pictures each stage of a recipe draws for itself."""
    from vlmbench.trainers.recipe.loading import read

    if is_training_file(name):
        return {}
    counts = {
        recipe.name: sum(source.samples or 0 for source in recipe.data.sources if source.kind == DRAWN)
        for recipe in read(name).recipes
    }
    return {stage: count for stage, count in counts.items() if count}


def _files(source: Source, seed: int) -> tuple[Path, Path]:
    """As they will be read; boxes become records once their file is here."""
    from vlmbench.trainers.data.mixture import files_of

    file = Path(source.annotations or "").expanduser()
    if source.kind != "llava" and not file.is_file():
        return file, Path(source.images or file.parent).expanduser()
    return files_of(source, seed)


class PictureProgress:
    """How many pictures were checked, on stderr: one line that is overwritten, or one every ten seconds."""

    def __init__(self, name: str) -> None:
        self._name, self._live = name, sys.stderr.isatty()
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Say it when it is time."""
        now = time.monotonic()
        if now - self._told < (0.2 if self._live else 10.0) and not (self._live and done == total):
            return
        self._told = now
        rate = done / max(now - self._started, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        line = f"{self._name}: {done:,}/{total:,} pictures, {rate:,.0f} pictures/s, {left:.0f} s left"
        end = "\n" if done == total or not self._live else ""
        print(f"\r{line}\033[K" if self._live else line, end=end, file=sys.stderr, flush=True)
