"""Sources that are no LLaVA files yet: the first process writes them, the others wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlmbench.trainers.data.generated import as_llava, folder_of
from vlmbench.trainers.recipe.model import Data, Recipe, Source

from .waiting import wait_for


def with_files(recipe: Recipe, *, leader: bool, home: Path | None = None) -> Recipe:
    """The recipe with a LLaVA file for every source."""

    def filed(source: Source) -> Source:
        if source.kind != "llava" and not leader:
            wait_for(folder_of(source, recipe.seed, home))
        made: Source = as_llava(source, recipe.seed, home)
        return made

    data: Data = replace(recipe.data, sources=tuple(map(filed, recipe.data.sources)))
    return replace(recipe, data=data)
