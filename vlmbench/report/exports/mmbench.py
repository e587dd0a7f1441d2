"""The file that MMBench's server took, `mmbench_result.xlsx`, as `xtuner mmbench` writes it; and its check.

Columns: question, the options of the first row, prediction, category, l2-category where the benchmark
has it, index, split, answer, and last the options that appear first in a later row. `split` is always
empty, `answer` is empty for test sets; pictures and hints are left out.

Rows are in the order of the benchmark's file. (With several processes xtuner interleaves them; the
order carries no meaning, and scoring sorts by index.) An option called `None` or `NA`, which xtuner
loses, is kept: scoring needs every option that the question shows.

The check looks at columns, rows, rotations and cells: at what a server, or Excel on the way, would trip over.
"""

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
from vlmbench.report.exports.sheets import SHEET, Columns, CutCell, answer_cell, raw_cell, write_sheet

_NEEDED = ("index", "question", "prediction")
_WANTED = ("category", "l2-category")
_ASK_AGAIN = "Run `vlmbench run` again: it asks what has no answer."
_ANSWER = "If the model failed here, `vlmbench run` asks again; an empty answer counts as wrong."
_AS_TEXT = "Write the cell as text; `vlmbench export` does."
_WHOLE_TEXT = "The whole text is in `responses.jsonl`."


def write_mmbench_result(path: Path, samples: Sequence[Sample], texts: Sequence[str]) -> tuple[CutCell, ...]:
    """Write the submission; returns the cells that were too long for a sheet and are cut."""
    return write_sheet(path, _columns(samples), samples, texts)


def _columns(samples: Sequence[Sample]) -> Columns:
    first = list(samples[0].choices) if samples else []
    later = dict.fromkeys(letter for sample in samples for letter in sample.choices if letter not in first)
    l2 = ["l2-category"] if any("l2-category" in sample.cells for sample in samples) else []
    return [
        ("question", lambda sample, _: sample.question),
        *((letter, raw_cell(letter, samples)) for letter in first),
        ("prediction", answer_cell),
        *((name, raw_cell(name, samples)) for name in ("category", *l2, "index")),
        ("split", lambda *_: None),
        ("answer", raw_cell("answer", samples)),
        *((letter, raw_cell(letter, samples)) for letter in later),
    ]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a submission."""

    level: Literal["error", "warning"]
    what: str
    row: str | None = None
    """The index of the row."""
    key: str | None = None
    """The column."""
    fix: str | None = None


def check_submission(path: Path, samples: Sequence[Sample]) -> list[Finding]:
    """All problems of an xlsx or tsv, checked against the questions of the benchmark."""
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
    yield from _rows_finding(twice, "in the file more than once", "Keep one row of each.")
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
    answer = row.cells["prediction"]
    if (answer is None or not str(answer).strip()) and (row.number, "prediction") not in table.formulas:
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
        what = f"`{name}` has {length} characters, the most that a cell holds: it was probably cut"
        yield Finding("warning", what, index, name, _WHOLE_TEXT)
    if not in_a_sheet and opens_like_a_formula(text):
        what = f"`{name}` begins with {text[0]!r}; Excel executes it when it opens a tsv"
        yield Finding("warning", what, index, name, "Submit an xlsx instead; `vlmbench export` writes one.")


def _check_contents(rows: Iterable[tuple[str, TextRow]], samples: Sequence[Sample]) -> Iterator[Finding]:
    """Rows with another row's question or options: part of the table was sorted, or it is another version."""
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
    """Equal apart from what pandas changes: missing cells, number formats, line ends."""
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
