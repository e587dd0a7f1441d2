"""Sources that are no LLaVA files yet are written as such, once for each content.

VLMBENCH_HOME/generated/<kind>-<digest>/     records.json, and pictures where they are drawn
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.data.digests import file_digest
from vlmbench.data.home import home as default_home
from vlmbench.errors import DataError, UserError
from vlmbench.files.atomic import written_aside

from . import refcoco, sources_shapes

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import Source


def as_llava(source: Source, seed: int, home: Path | None = None) -> Source:
    """The same source as a LLaVA file; it is written where it is not there yet."""
    if source.kind == "llava":
        return source
    folder = folder_of(source, seed, home)
    if not folder.is_dir():
        try:
            with written_aside(folder) as aside:
                _write(source, seed, aside)
        except UserError:
            # Another process was quicker, and wrote the same.
            if not folder.is_dir():
                raise
    drawn = source.kind == "shapes"
    return replace(
        source,
        kind="llava",
        annotations=str(folder / refcoco.ANNOTATIONS),
        images=str(folder / sources_shapes.PICTURES) if drawn else source.images,
    )


def folder_of(source: Source, seed: int, home: Path | None = None) -> Path:
    """Where the records of a source are, once written: a name for each content."""
    if source.kind == "shapes":
        facts: list[object] = [sources_shapes.VERSION, source.samples, seed, source.style]
    else:
        facts = [refcoco.VERSION, file_digest(_annotations(source), "sha256", home)]
    digest = hashlib.sha256(json.dumps([source.kind, facts]).encode()).hexdigest()[:16]
    return (home or default_home()) / "generated" / f"{source.kind}-{digest}"


def _write(source: Source, seed: int, folder: Path) -> None:
    if source.kind != "shapes":
        inverse = source.kind == "refcoco-inverse"
        refcoco.write_refcoco(_annotations(source), folder, inverse=inverse)
        return
    if not source.samples:
        raise DataError("a source of drawn shapes says how many `samples`.", key="data.sources")
    sources_shapes.write_shapes(folder, source.samples, seed, source.style)


def _annotations(source: Source) -> Path:
    if source.annotations is None:
        raise DataError("a source needs an annotation file.", key="annotations")
    file = Path(source.annotations).expanduser()
    if not file.is_file():
        raise DataError("there is no such file.", file=file, fix="See `vlmbench train RECIPE --plan`.")
    return file
