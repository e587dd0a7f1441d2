"""A recipe's mixture: which sets to tokenise, and the data set of them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.errors import DataError
from vlmbench.templates import template

from .dataset import LlavaDataset, Part
from .encoding import Style
from .fitting import Limit
from .generated import as_llava
from .pictures import BrokenPictures, Pictures
from .policy import Policy
from .prepare import TokenSpec

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import Recipe, Source, Wording

    from .token_file import TokenFile
    from .tokenizing import PieceTokenizer


def token_specs(recipe: Recipe, tokenizer: PieceTokenizer, features: int) -> list[TokenSpec]:
    """One set a source, in the order of the recipe. `features` are those of one picture."""
    data = recipe.data
    return [
        TokenSpec(
            file=files_of(source, recipe.seed)[0],
            tokenizer=tokenizer,
            style=style_of(recipe.wording),
            limit=Limit(ids=data.max_length, positions=data.max_positions, features=features),
            placement=data.placement,
            subset=source.most,
            seed=recipe.seed,
            bad_records=policy_of(recipe),
        )
        for source in data.sources
    ]


def mixture(
    recipe: Recipe, tokens: Sequence[TokenFile], pictures: Pictures, broken_list: Path | None = None
) -> LlavaDataset:
    """The data set of sets that were made from `token_specs`."""
    parts = [
        Part(tokens=made, images=files_of(source, recipe.seed)[1])
        for source, made in zip(recipe.data.sources, tokens, strict=True)
    ]
    broken = BrokenPictures(policy=policy_of(recipe), list_file=broken_list)
    return LlavaDataset(parts, pictures, broken)


def files_of(source: Source, seed: int = 0) -> tuple[Path, Path]:
    """Annotation file and folder of pictures; text alone may have no folder. What is drawn, is drawn now."""
    source = as_llava(source, seed)
    if source.annotations is None:
        raise DataError("a source needs an annotation file.", key="annotations")
    file = Path(source.annotations).expanduser()
    return file, file.parent if source.images is None else Path(source.images).expanduser()


def style_of(wording: Wording) -> Style:
    """How the recipe wants conversations written."""
    return Style(
        template=template(wording.template),
        system=wording.system,
        preamble=wording.preamble,
        separator=wording.separator,
        bos=wording.bos,
        keep=wording.keep,
    )


def policy_of(recipe: Recipe) -> Policy:
    """What becomes of records and pictures that cannot be used."""
    return Policy(action=recipe.data.broken, limit=recipe.data.broken_limit)
