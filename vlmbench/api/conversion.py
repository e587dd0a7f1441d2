"""`vlmbench.convert`: a LLaVA checkpoint in another layout, with the same answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import UnknownName
from vlmbench.terminal.screen import silence

if TYPE_CHECKING:
    from vlmbench.checkpoints.convert import Target


def convert(
    source: str | Path,
    destination: str | Path,
    *,
    to: Target,
    llm: str | Path | None = None,
    vision: str | Path | None = None,
    recipe: str | Path | None = None,
    template: str | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    kind: Literal["f16", "q8_0"] = "f16",
    verify: bool = True,
    device: str = "cpu",
) -> Path:
    """Write the model of `source` in the layout `to` as the folder `destination`, which must not exist.

    `to` is `huggingface`, `official`, `xtuner` or `gguf`; `llm` and `vision` are the models that training
    began with, where the checkpoint lacks them, and `recipe` is what it was trained with: a name, or a file,
    xtuner's too. The folder appears when it is complete and, unless `verify`
    is False, proven to give the same logits, or not at all. Returns the folder.
    """
    from vlmbench.checkpoints.convert import TARGETS, WriteOptions
    from vlmbench.checkpoints.convert import convert as write_converted
    from vlmbench.checkpoints.formats.parts import Supplied

    if to not in TARGETS:
        raise UnknownName("layout", str(to), TARGETS)
    given = Supplied(
        llm=None if llm is None else checkpoint(llm),
        vision=None if vision is None else checkpoint(vision),
        recipe=None if recipe is None else recipe_file(recipe),
        template=template,
    )
    options = WriteOptions(dtype=dtype, gguf_kind=kind, proof=verify, device=device)
    target = Path(destination).expanduser()
    with silence():
        write_converted(checkpoint(source), target, to, given, options)
    return target


def checkpoint(named: str | Path) -> Path:
    """A folder or file as every other verb takes it, a hub id, or `demo`."""
    from vlmbench.model_files.folder import local_folder
    from vlmbench.models.loading import where

    found = where(str(named))
    return Path(found) if Path(found).exists() else local_folder(found)


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
