"""The files of a finished run, written beside its answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from vlmbench.domain import Run
from vlmbench.report.exports.mmbench import write_mmbench_result
from vlmbench.report.exports.sheets import CutCell, write_predictions_xlsx
from vlmbench.report.results import results_document
from vlmbench.store import write_json, write_text

RESULTS = "results.json"
SCORES = "scores.jsonl"
PREDICTIONS = "predictions.xlsx"
PICTURES = "pictures.jsonl"
SUBMISSION = "mmbench_result.xlsx"
AGAIN = "The same `vlmbench run` writes it again; answers that are there are kept."
"""What mends a file of these."""


def write_run_files(run: Run, folder: Path) -> tuple[CutCell, ...]:
    """Figures, scores, pictures by digest, every row and, for circular multiple choice, the submission.

    Returns the cells that Excel's limit cut short; their texts are whole in responses.jsonl.
    """
    write_json(folder / RESULTS, results_document(run))
    write_text(folder / SCORES, score_lines(run))
    write_text(folder / PICTURES, picture_lines(run))
    texts = answer_texts(run)
    cut = write_predictions_xlsx(folder / PREDICTIONS, run.columns, run.samples, texts)
    if has_submission(run):
        write_mmbench_result(folder / SUBMISSION, run.samples, texts)
    return cut


def has_submission(run: Run) -> bool:
    """Whether this benchmark's server took an `mmbench_result.xlsx`."""
    return run.card.family == "multiple-choice" and run.card.circular


def answer_texts(run: Run) -> list[str]:
    """What was said to each sample, empty where nothing was."""
    return [run.responses[s.id].text if s.id in run.responses else "" for s in run.samples]


def score_lines(run: Run) -> str:
    """One line a row and rule set."""
    scores = (score for rules in run.scores.values() for score in rules)
    return "".join(json.dumps(asdict(score), ensure_ascii=False) + "\n" for score in scores)


def picture_lines(run: Run) -> str:
    """One line a row that shows pictures, by digest: rows about one picture belong together in every test."""
    shown = ({"id": sample.id, "pictures": sample.images} for sample in run.samples if sample.images)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in shown)
