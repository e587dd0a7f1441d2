"""A recipe that is named wherever a file of one is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path


def recipe_file(named: str | Path) -> Path:
    """The file of that path; of a shipped recipe's name one with all its values, in VLMBENCH_HOME.

    Of a chain it is the last stage, which leaves the model.
    """
    path = Path(named).expanduser()
    if path.exists() or path.suffix in (".py", ".yaml", ".yml", ".json"):
        return path
    from vlmbench.data.disk import home_folder
    from vlmbench.files.atomic import atomic_file
    from vlmbench.trainers.recipe.loading import read, written

    chain = read(str(named))
    file = home_folder() / "recipes" / f"{chain.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as aside:
        aside.write_text(written(replace(chain, stages=chain.recipes[-1:])), "utf-8")
    return file
