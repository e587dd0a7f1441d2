"""docs/recipes.md says of every recipe what the recipe says.

`PYTHONPATH=tests/support python tests/unit/trainers/recipe/test_recipes_doc.py` prints the tables anew.
"""

from __future__ import annotations

import pytest
from repository import ROOT

from vlmbench.trainers.recipe.library import recipe_names
from vlmbench.trainers.recipe.loading import read
from vlmbench.trainers.recipe.model import Evaluation, LanguagePart, Recipe, VisionPart

PAGE = ROOT / "docs/recipes.md"


def trained(part: LanguagePart | VisionPart) -> str:
    quantised = isinstance(part, LanguagePart) and part.quantisation is not None
    how = f"LoRA {part.lora.r}/{part.lora.alpha}" if part.lora else part.train
    return f"4-bit, {how}" if quantised else how


def recipe_row(recipe: Recipe) -> str:
    model, schedule = recipe.model, recipe.schedule
    name = (model.start or model.language.path or "").rpartition("/")[2]
    cells = (
        f"`{recipe.name}`",
        name,
        trained(model.language),
        trained(model.vision),
        recipe.data.name,
        f"{schedule.batch} × {schedule.accumulation} × {recipe.parallelism.processes}",
        schedule.epochs,
        f"{schedule.lr:g}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def row(name: str) -> str:
    chain = read(name)
    if len(chain.stages) == 1:
        return recipe_row(chain.recipes[0])
    stages = [
        ", ".join(stage.evaluate) if isinstance(stage, Evaluation) else f"`{stage.name}`"
        for stage in chain.stages
    ]
    return f"| `{name}` | {chain.about} | {' → '.join(stages)} |"


@pytest.mark.parametrize("name", recipe_names())
def test_the_page_has_every_recipe_as_it_is(name: str) -> None:
    assert row(name) in PAGE.read_text("utf-8").splitlines()


def test_the_page_tells_every_mended_mistake() -> None:
    page = PAGE.read_text("utf-8")
    mended = {m for name in recipe_names() for recipe in read(name).recipes for m in recipe.mended}
    assert len(mended) == 3
    assert all(f"`{mistake.key}`" in page for mistake in mended)


if __name__ == "__main__":
    print("\n".join(map(row, recipe_names())))
