"""Shapes at dusk: the benchmark's own questions about its own pictures, laid on grey grounds.

A table of one's own, as anybody might write it: `vlmbench run --bench Shapes_DUSK_EN.tsv` needs no code for
it. No training scene is laid out like one of its pictures.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from vlmbench.shapes.tables import COLUMNS, rows
from vlmbench.trainers.data.shapes import styled

NAME = "Shapes_DUSK_EN"
_BELOW = "Shapes_DEV_EN"
_KIND = "family: multiple-choice\ncircular: true\n"


def write_dusk(folder: Path) -> Path:
    """Write the table and its description where they are not there yet; returns the table."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{NAME}.tsv"
    lines = ["\t".join(COLUMNS)]
    for row in rows(_BELOW):
        row["image"] = row["image"] if row["image"].isdigit() else _at_dusk(row["image"])
        lines.append("\t".join(row[column] for column in COLUMNS))
    _keep(file.with_suffix(".yaml"), _KIND)
    _keep(file, "\n".join(lines) + "\n")
    return file


def _at_dusk(picture: str) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        changed = styled(image, "dusk")
        buffer = io.BytesIO()
        changed.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _keep(file: Path, text: str) -> None:
    """Write the file unless it has this text already."""
    if not file.is_file() or file.read_text("utf-8") != text:
        file.write_text(text, "utf-8", newline="\n")
