"""A submission looked over before a server does: columns, rows, rotations, and each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.answers.toolkits import MISSING
from vlmbench.domain import Sample
from vlmbench.errors import PredictionsError
from vlmbench.predictions.files import Nested, TextRow, TextTable, listed, read_table
from vlmbench.predictions.tables import index_of
from vlmbench.predictions.xlsx import MOST_CHARACTERS, excel_length, opens_like_a_formula
from vlmbench.report.exports.sheets import SHEET

_NEEDED = ("index", "question", "prediction")
_WANTED = ("category", "l2-category")
_ASK_AGAIN = "Run `vlmbench run` again: it asks what has no answer."
_ANSWER = "If the model failed here, `vlmbench run` asks again; if it said nothing, the row counts as wrong."
_AS_TEXT = "Write the cell as text; `vlmbench export` does."
_WHOLE_TEXT = "The whole text is in `responses.jsonl`."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a server, or Excel on the way there, would trip over."""

    level: Literal["error", "warning"]
    what: str
    row: str | None = None
    """The index of the row."""
    key: str | None = None
    """The column."""
    fix: str | None = None


def check_submission(path: Path, samples: Sequence[Sample]) -> list[Finding]:
    """Everything that is wrong with an xlsx or tsv, against the questions of the benchmark."""
    if path.suffix.lower() not in (".xlsx", ".tsv"):
        raise PredictionsError(f"a submission is an xlsx or a tsv, not `{path.suffix}`.", file=path)
    table = read_table(path)
    findings = list(_check_columns(table, samples))
    if "index" not in table.columns or "prediction" not in table.columns:
        return findings
    rows = [(index_of(table, row, "index"), row) for row in table.rows]
    findings += _check_rows([index for index, _ in rows], samples)
    for index, row in rows:
        findings += _check_cells(table, index, row)
    return findings + list(_check_contents(rows, samples))


def _check_columns(table: TextTable, samples: Sequence[Sample]) -> Iterator[Finding]:
    letters = sorted({letter for sample in samples for letter in sample.choices})
    wanted = [name for name in _WANTED if any(name in sample.cells for sample in samples)]
    for name in (*_NEEDED, *letters, *wanted):
        count = table.columns.count(name)
        if count == 0:
            fix = f"The columns are {listed(table.columns, most=20)}."
            yield Finding("warning" if name in wanted else "error", f"no column `{name}`", None, name, fix)
        elif count > 1:
            yield Finding("error", f"{count} columns `{name}`", None, name, "Keep one.")
    if table.sheets and table.sheets[0] != SHEET:
        yield Finding("warning", f"the first sheet is called `{table.sheets[0]}`", fix=f"Name it `{SHEET}`.")


def _check_rows(indexes: Sequence[str], samples: Sequence[Sample]) -> Iterator[Finding]:
    present, known = set(indexes), {sample.id for sample in samples}
    twice = [index for index, count in Counter(indexes).items() if count > 1]
    yield from _rows_finding(twice, "more than once in the file", "Keep one row of each.")
    unknown = [i for i in dict.fromkeys(indexes) if i not in known]
    yield from _rows_finding(unknown, "not in the benchmark", "Remove these rows; is it another split?")
    touched = {sample.group for sample in samples if sample.id in present}
    absent = [sample for sample in samples if sample.id not in present]
    rotations = [sample.id for sample in absent if sample.group in touched]
    yield from _rows_finding(
        rotations, "missing although other rotations of their questions are there", _ASK_AGAIN
    )
    yield from _rows_finding([s.id for s in absent if s.group not in touched], "missing", _ASK_AGAIN)


def _rows_finding(indexes: Sequence[str], what: str, fix: str) -> Iterator[Finding]:
    if indexes:
        one = len(indexes) == 1
        text = f"{len(indexes)} {'row is' if one else 'rows are'} {what}: {listed(indexes)}"
        yield Finding("error", text, indexes[0], "index", fix)


def _check_cells(table: TextTable, index: str, row: TextRow) -> Iterator[Finding]:
    said = row.cells["prediction"]
    if (said is None or not str(said).strip()) and (row.number, "prediction") not in table.formulas:
        yield Finding("error", "no prediction", index, "prediction", _ANSWER)
    for name, cell in row.cells.items():
        if (row.number, name) in table.formulas:
            yield Finding("error", f"`{name}` is a formula; Excel executes it", index, name, _AS_TEXT)
        elif isinstance(cell, str):
            yield from _check_text(cell, index, name, in_a_sheet=bool(table.sheets))


def _check_text(text: str, index: str, name: str, *, in_a_sheet: bool) -> Iterator[Finding]:
    length = excel_length(text)
    if length > MOST_CHARACTERS:
        what = f"`{name}` has {length} characters; Excel cuts it at {MOST_CHARACTERS}"
        yield Finding("error", what, index, name, "Shorten it: an answer is a letter.")
    elif length >= MOST_CHARACTERS - 1:  # one less where a character of two would have been halved
        what = f"`{name}` has just the {length} characters that a cell holds: it was probably cut"
        yield Finding("warning", what, index, name, _WHOLE_TEXT)
    if not in_a_sheet and opens_like_a_formula(text):
        what = f"`{name}` begins with {text[0]!r}; Excel executes it when it opens a tsv"
        yield Finding("warning", what, index, name, "Submit an xlsx instead; `vlmbench export` writes one.")


def _check_contents(rows: Iterable[tuple[str, TextRow]], samples: Sequence[Sample]) -> Iterator[Finding]:
    """Rows that carry another row's question or options: a table sorted in part, or another version."""
    by_id = {sample.id: sample for sample in samples}
    names = ["question", *sorted({letter for sample in samples for letter in sample.choices})]
    wrong = [
        (index, name)
        for index, row in rows
        if index in by_id
        for name in names
        if name in row.cells and not _same(row.cells[name], by_id[index].cells.get(name))
    ]
    if wrong:
        index, name = wrong[0]
        what = f"{len(wrong)} cells differ from the benchmark's, the first is `{name}` of row {index}"
        yield Finding("warning", what, index, name, "Are the rows mixed up, or is it another version?")


def _same(cell: str | Nested | None, original: str | None) -> bool:
    """Equal but for what pandas does to a table on its way through: gaps, number formats, line ends."""
    found = "" if cell is None or cell in MISSING else str(cell)
    expected = "" if original is None or original in MISSING else original
    if found == expected or _lines(found) == _lines(expected):
        return True
    try:
        return float(found) == float(expected)
    except ValueError:
        return False


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
