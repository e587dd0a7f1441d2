"""The file that MMBench's server took, `mmbench_result.xlsx`, as `xtuner mmbench` writes it.

Columns: question, the options of the first row, prediction, category, l2-category where the benchmark
has it, index, split, answer, and last the options that appear first in a later row. `split` is always
empty, `answer` is empty for test sets; pictures and hints are left out.

Rows are in the order of the benchmark's file. (With several processes xtuner interleaves them; the
order carries no meaning, and scoring sorts by index.) An option called `None` or `NA`, which xtuner
loses, is kept: an option that the question does not show is no help to whoever scores it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlmbench.domain import Sample
from vlmbench.report.exports.sheets import Columns, CutCell, answer_cell, raw_cell, write_sheet
from vlmbench.report.exports.submission_check import Finding, check_submission
from vlmbench.report.exports.xlsx_writer import Cell

__all__ = ["Finding", "check_submission", "export_mmbench", "write_mmbench_result"]


def write_mmbench_result(path: Path, samples: Sequence[Sample], texts: Sequence[str]) -> tuple[CutCell, ...]:
    """Write the submission; returns the cells that were too long for a sheet and are cut."""
    return write_sheet(path, _columns(samples), samples, texts)


def export_mmbench(path: Path, samples: Sequence[Sample], texts: Sequence[str]) -> list[Finding]:
    """Write the submission and look it over."""
    write_mmbench_result(path, samples, texts)
    return check_submission(path, samples)


def _columns(samples: Sequence[Sample]) -> Columns:
    first = list(samples[0].choices) if samples else []
    later = dict.fromkeys(letter for sample in samples for letter in sample.choices if letter not in first)
    l2 = ["l2-category"] if any("l2-category" in sample.cells for sample in samples) else []
    return [
        ("question", _question),
        *((letter, raw_cell(letter)) for letter in first),
        ("prediction", answer_cell),
        *((name, raw_cell(name)) for name in ("category", *l2, "index")),
        ("split", _empty),
        ("answer", raw_cell("answer")),
        *((letter, raw_cell(letter)) for letter in later),
    ]


def _question(sample: Sample, _: str) -> Cell:
    return sample.question


def _empty(_: Sample, __: str) -> Cell:
    return None
