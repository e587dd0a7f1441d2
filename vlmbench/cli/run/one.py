"""One benchmark of `vlmbench run`: asked or found finished, printed, and logged."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlmbench.api.run.benchmark_data import where_answers_are
from vlmbench.api.run.finished_before import finished_before
from vlmbench.api.run.runs import CompletedRun, RunRequest, opened, run_benchmark, run_folder
from vlmbench.cli._shared.console import complain, complain_of_unscored, stdout
from vlmbench.cli._shared.judge import complain_of_judging
from vlmbench.cli._shared.libraries import libraries_in
from vlmbench.cli.run.plan import Entry
from vlmbench.domain import Benchmark, Card, Model
from vlmbench.engine.status import RunProgress
from vlmbench.errors import ModelError, UnknownName, UsageError, UserError
from vlmbench.files.json_files import read_object
from vlmbench.model_files.foreign_output import LibraryLog
from vlmbench.report.matrix.cells import MatrixCell
from vlmbench.terminal.output import read_or_not


@dataclass(slots=True)
class ModelSlot:
    """The model that is being asked, once it is open, or why it cannot be opened."""

    libraries: LibraryLog
    """Gets what other packages write while it is loaded and asked."""
    models: dict[str, Model] = field(default_factory=dict)
    refused: UserError | None = None

    def open(self, request: RunRequest, progress: RunProgress) -> Model:
        """The model; a refusal is raised again without another try."""
        if self.refused is not None:
            raise self.refused
        return opened(request, self.models, progress)


def run_one(
    entry: Entry, request: RunRequest, benchmark: Benchmark, slot: ModelSlot, progress: RunProgress
) -> MatrixCell:
    """Run one benchmark and print it. A failure ends only this one; of the only one, it is raised.

    So is that of the only model, if it cannot be opened.
    """
    started, name = time.perf_counter(), benchmark.card.name
    folder = run_folder(request, name)

    def cell(document: Mapping[str, Any] | None, failure: str = "") -> MatrixCell:
        return MatrixCell(
            name=entry.name,
            model=request.model.name,
            setting=entry.setting,
            benchmark=name,
            folder=str(folder),
            document=document,
            failure=failure,
            seconds=time.perf_counter() - started,
        )

    try:
        document = _finished(entry, request, benchmark, slot, progress)
        made = cell(document or _run(entry, request, benchmark, slot, progress))
        if entry.in_matrix and document is None:
            progress.say(f"{entry.label(name)}: {made.score}, {made.state}; files in {folder}")
        return replace(made, logged=not entry.args.log or log_run(entry.args.log, folder))
    except Exception as error:
        unopened = isinstance(error, (ModelError, UnknownName, UsageError)) and not slot.models
        if entry.alone or (unopened and entry.only_model):
            raise
        if not isinstance(error, UserError):
            traceback.print_exc()
        if slot.refused is None:  # else it has been printed
            complain(f"{entry.name}: {error}" if unopened else f"{entry.label(name)}: {error}")
        if unopened and isinstance(error, UserError):
            slot.refused = error
        return cell(None, str(error))


def _finished(
    entry: Entry, request: RunRequest, benchmark: Benchmark, slot: ModelSlot, progress: RunProgress
) -> Mapping[str, Any] | None:
    """The results of a run that needs nothing more."""
    card = benchmark.card
    folder = run_folder(request, card.name)
    with libraries_in(folder, slot.libraries):
        document = finished_before(request, benchmark, folder, lambda: slot.open(request, progress))
    if document is not None:
        rows = document["rows"]
        progress.say(f"{entry.label(card.name)}: already finished ({rows['answered']:,}/{rows['asked']:,})")
        if entry.alone:
            present(document, card, folder, entry.args, progress)
    return document


def _run(
    entry: Entry, request: RunRequest, benchmark: Benchmark, slot: ModelSlot, progress: RunProgress
) -> Mapping[str, Any]:
    """Ask what is left, and print the results; in a matrix its summary has them."""
    from vlmbench.report.results import results_document

    if slot.refused is not None:
        raise slot.refused
    with libraries_in(run_folder(request, benchmark.card.name), slot.libraries):
        done = run_benchmark(request, benchmark, slot.models, progress)
    complain_of_cut(done)
    document = results_document(done.run)
    if not entry.in_matrix:
        present(document, benchmark.card, done.folder, entry.args, progress)
    complain_of_missing(done)
    return document


def complain_of_cut(done: CompletedRun) -> None:
    """Name the cells that Excel cannot hold whole."""
    if done.cut:
        complain(
            f"{len(done.cut)} cells are longer than Excel allows and are cut in the xlsx files "
            f"(row {done.cut[0].index} first); responses.jsonl has them whole."
        )


def present(
    document: Mapping[str, Any], card: Card, folder: Path, args: argparse.Namespace, progress: RunProgress
) -> None:
    """Print the table of a run and the paths of its files."""
    from vlmbench.report.tables import results_table

    rows = str(folder / "scores.jsonl")
    if args.format == "table":
        with read_or_not():
            results_table(document, console=stdout(), rows=rows)
    else:
        complain_of_unscored(document, rows)
    if document["withheld"] and card.answers:
        progress.say(
            "the benchmark's file has no answers, so nothing is scored: the result is predictions.xlsx"
        )
    if document["withheld"] and (where := where_answers_are(card)):
        progress.say(where)
    say_gain(folder, args.llm_base, progress)
    progress.say(f"files in {folder}")


def complain_of_missing(done: CompletedRun) -> None:
    """Name what the run still lacks: answers, or a judge's reading of them."""
    run = done.run
    left = len(run.samples) - len(run.answered) - run.errors
    if run.errors or left:
        complain(
            f"incomplete: {run.errors} rows with errors, {left} not answered; "
            f"see {done.folder / 'responses.jsonl'}. The same command asks them again."
        )
    complain_of_judging(run)


def say_gain(folder: Path, llm_base: Path | None, progress: RunProgress) -> None:
    """Print how much the pictures are worth, where the same run was made blind as well."""
    from vlmbench.report.gain import GAIN, gain_line, gain_of, twins
    from vlmbench.store import write_json

    gain = gain_of(folder, llm_base)
    if gain is not None:
        write_json(twins(folder)[0] / GAIN, gain)
        progress.say(gain_line(gain))


def log_run(tracker: str, folder: Path) -> bool:
    """Send results.json to an experiment tracker. A failure is printed, costs no answers, and gives False."""
    from vlmbench.report.exports.trackers import log_results, without_users
    from vlmbench.report.results import RESULTS

    try:
        log_results(tracker, read_object(folder / RESULTS), folder)
    except Exception as error:
        complain(
            f"{tracker} did not get the figures: {type(error).__name__}: {without_users(str(error))} "
            "The results are written; the same command logs them again."
        )
        return False
    return True
