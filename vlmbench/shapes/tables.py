"""The benchmark as tab-separated tables in the MMBench columns.

Rotation k of question i is row i + k * 1000000, with every option text moved k letters forward. A picture is
stored once, in the first row that needs it; every other row names that row in its image cell.
"""

from __future__ import annotations

from pathlib import Path

from vlmbench.shapes.questions import GROUPS, LETTERS, ChoiceQuestion
from vlmbench.shapes.sampling import benchmark_questions
from vlmbench.shapes.scene import Language, picture_text

PASS = 1_000_000
COLUMNS = (
    "index", "question", "hint", *LETTERS, "answer", "category", "image", "source", "l2-category", "comment",
    "split",
)  # fmt: skip
TABLES: dict[str, tuple[str, Language]] = {
    "Shapes_DEV_EN": ("dev", "en"),
    "Shapes_DEV_CN": ("dev", "cn"),
    "Shapes_TEST_EN": ("test", "en"),
}
_FIRST_INDEX = {"dev": 1, "test": 1001}

Row = dict[str, str]


def rows(name: str) -> list[Row]:
    """The rows of one table, base questions first, then one rotation after the other."""
    split, language = TABLES[name]
    index = _FIRST_INDEX[split]
    table: list[tuple[int, Row]] = []
    for scene, questions in benchmark_questions(split):
        holder = index
        for question in questions:
            for step in range(len(question.options)):
                key = index + step * PASS
                image = picture_text(scene) if key == holder else str(holder)
                table.append((key, _row(key, question.rotated(step), language, split, image)))
            index += 1
    return [row for _, row in sorted(table, key=lambda pair: pair[0])]


def _row(key: int, question: ChoiceQuestion, language: Language, split: str, image: str) -> Row:
    hint, text = question.wording(language)
    options = dict(zip(LETTERS, question.texts(language), strict=False))
    return {
        "index": str(key),
        "question": text,
        "hint": hint,
        **{letter: options.get(letter, "") for letter in LETTERS},
        "answer": question.letter,
        "category": question.category,
        "image": image,
        "source": "shapes",
        "l2-category": GROUPS[question.category],
        "comment": "",
        "split": split,
    }


def table_text(name: str) -> str:
    """A table as the text of its file; a test split withholds its answers."""
    columns = [column for column in COLUMNS if column != "answer" or TABLES[name][0] != "test"]
    lines = ["\t".join(columns)]
    lines += ["\t".join(row[column] for column in columns) for row in rows(name)]
    return "\n".join(lines) + "\n"


def write_tables(folder: Path) -> list[Path]:
    """Write all tables into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in TABLES:
        path = folder / f"{name}.tsv"
        path.write_text(table_text(name), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths
