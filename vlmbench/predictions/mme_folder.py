"""MME's own answers: a folder with one table a category, as its evaluation tool takes it.

    code_reasoning.txt    0020.png <tab> question <tab> reference <tab> what the model said

LLaVA's converter calls the pictures `0020.txt`, so a picture is known by the stem of its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.predictions.json_files import decoded
from vlmbench.predictions.nouns import Answer, Folder, Format

CATEGORIES = frozenset(
    (
        "OCR", "artwork", "celebrity", "color", "count", "existence", "landmark", "position", "posters",
        "scene", "code_reasoning", "commonsense_reasoning", "numerical_calculation", "text_translation",
    )
)  # fmt: skip
_CELLS = "picture, question, reference, answer"


def recognise(value: Any) -> bool:
    """Whether a folder holds a category of MME."""
    return isinstance(value, Folder) and bool(_files(value.path))


def read(path: Path, _value: Any) -> Iterator[Answer]:
    """Every line of every category."""
    for file in _files(path):
        for number, line in enumerate(decoded(file).split("\n"), 1):
            if line.strip():
                yield _answer(file, number, line.rstrip("\r"))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.txt") if file.stem in CATEGORIES and file.is_file())


def _answer(file: Path, number: int, line: str) -> Answer:
    cells = line.split("\t", 3)
    if len(cells) < 4:
        fix = None
        if len(cells) == 3:
            fix = "These are the questions without answers: write each answer behind a fourth tab."
        raise PredictionsError(
            f"{len(cells)} cells where there are four, parted by tabs: {_CELLS}.",
            file=file,
            row=number,
            fix=fix,
        )
    picture, question, _reference, text = cells
    return Answer(
        text=text, row=f"{file.name} {number}", question=question, picture=picture, category=file.stem
    )


FORMAT = Format("MME's folder of categories", "the fourth column", recognise, read)
