"""The rows of a run with a limit, chosen before their pictures are here."""

from __future__ import annotations

import base64
from pathlib import Path

from datasets_made import png

from vlmbench.data.table import open_table
from vlmbench.engine.limited import rows_of_limit
from vlmbench.registry import load_benchmark


def chosen(name: str, file: Path, limit: int) -> object:
    table = open_table(file, home=file.parent / "home")
    return rows_of_limit(load_benchmark(name), limit, 0)(table)


def written(folder: Path, columns: str, *rows: str) -> Path:
    """A TSV with a picture of its own in each row."""
    pictures = [base64.b64encode(png(colour)).decode() for colour in ("red", "blue", "green")]
    lines = [f"{n}\t{picture}\t{row}" for n, (row, picture) in enumerate(zip(rows, pictures, strict=True))]
    file = folder / "made.tsv"
    file.write_text("\n".join([f"index\timage\t{columns}", *lines]) + "\n")
    return file


def test_a_benchmark_that_groups_by_pictures_needs_all_of_them(tmp_path: Path) -> None:
    file = written(tmp_path, "question\tanswer\tcategory", *["Is it red?\tYes\tcolor"] * 3)
    assert chosen("MME", file, 1) is None
    assert chosen("POPE", file, 1) is not None


def test_a_limit_that_admits_all_questions_needs_all_pictures(tmp_path: Path) -> None:
    file = written(tmp_path, "question\tanswer\tcategory", *["Is it red?\tYes\tcolor"] * 3)
    assert chosen("POPE", file, 3) is None
