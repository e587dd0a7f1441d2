"""One run from values: locate and open the data, load the model, lock the folder, evaluate, write the files.

    request = RunRequest(model=ModelOptions(name="demo"), limit=50)
    done = run_benchmark(request, benchmark, models={}, progress=SilentProgress())
    done.run.metrics["strict"][0], done.folder

`vlmbench run` and `vlmbench.evaluate` both call `run_benchmark`, so each continues what the other began.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.answers.usage import Price
from vlmbench.api.run.benchmark_data import DataOptions, open_data
from vlmbench.api.run.decoding import DecodingChoice, chosen_decoding, decoding_note
from vlmbench.api.run.judge import JudgeOptions, open_judge
from vlmbench.api.run.model_opening import ModelOptions, open_model
from vlmbench.api.run.names import folder_below_runs, run_name, short_names
from vlmbench.api.run.picture_record import write_picture_tokens
from vlmbench.domain import Benchmark, Card, Model, Response, RuleSet, Run, RunSpec
from vlmbench.draws import only_one_answer
from vlmbench.engine.status import RunProgress
from vlmbench.errors import UserError
from vlmbench.models.decoding_limits import DECODES_ITSELF
from vlmbench.terminal.progress import Progress
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.data.table import Table
    from vlmbench.report.exports.sheets import CutCell
    from vlmbench.store import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is asked of a model, apart from the benchmark. The defaults are those of `vlmbench run`."""

    model: ModelOptions
    name: str | None = None
    """What folders, tables and boards call the model; None: the end of its path that identifies it."""
    data: DataOptions = field(default_factory=DataOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    rules: RuleSet = "strict"
    limit: int | None = None
    seed: int = 0
    blind: bool = False
    prompt: str | None = None
    """A prompt style; None: the model family's."""
    decoding: DecodingChoice = field(default_factory=DecodingChoice)
    max_new_tokens: int | None = None
    samples: int = 1
    """How many answers are drawn to each question."""
    out: Path | None = None
    fresh: bool = False
    price: Price | None = None
    """Of the answers' tokens."""
    several: bool = False
    """Several benchmarks share `out`, so each has a folder of its own in it."""
    wait: bool = True
    """False: batch jobs are made and not waited for; the run ends as JobsSent."""
    command: Sequence[str] | None = None
    """What run.json records as the command; None: this process's command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRun:
    """A run whose files are written."""

    run: Run
    folder: Path
    table: Table
    cut: tuple[CutCell, ...]
    """Cells cut at Excel's limit in the xlsx files."""


def run_benchmark(
    request: RunRequest, benchmark: Benchmark, models: dict[str, Model], progress: RunProgress
) -> CompletedRun:
    """Open the data, evaluate, write the files. `models` keeps the loaded model for the next benchmark."""
    from vlmbench.api.run.finished_before import remember
    from vlmbench.engine.answer_cache import open_answer_cache
    from vlmbench.engine.status import StatusFile
    from vlmbench.evaluation import evaluate
    from vlmbench.store import RunFolder

    check_samples(request, models)
    started = time.time()
    path = run_folder(request, benchmark.card.name)
    request = replace(request, name=name_in(request))
    with (
        RunFolder(path, fresh=request.fresh, say=progress.say) as folder,
        StatusFile(path, progress) as status,
    ):
        with doing(f"reading {benchmark.card.name}"):
            data = open_data(benchmark, request.data, limit=request.limit, seed=request.seed)
        if data.note:
            progress.say(data.note)
        model = opened(request, models, status)
        status.of(model)
        asked = _in_jobs(model, request, folder, progress)
        judge = open_judge(request.judge, folder.path, progress, fresh=request.fresh)
        spec = spec_of(request, benchmark.card, model)
        if note := decoding_note(request.decoding, spec.style, spec.decoding):
            progress.say(note)
        with open_answer_cache(model, blind=request.blind, fresh=request.fresh, say=progress.say) as cache:
            run = evaluate(
                spec,
                benchmark,
                data.table,
                asked,
                folder,
                status,
                judge,
                rows=data.rows,
                joined=data.joined,
                cache=cache,
                command=request.command,
                about=_about(model, note, request.model),
                price=request.price,
            )
        from vlmbench.report.results import write_run_files

        cut = write_run_files(run, folder.path)
        write_picture_tokens(run, benchmark, folder.path, data.table.images, model)
        remember(request, benchmark, model, run, path, started)
    return CompletedRun(run=run, folder=folder.path, table=data.table, cut=cut)


def opened(request: RunRequest, models: dict[str, Model], progress: RunProgress) -> Model:
    """The model, opened once and then kept in `models` for the next benchmark; says how it is asked."""
    name = request.model.name
    if name not in models:
        models[name] = model = open_model(request.model, progress)
        if request.prompt is None and (chosen := getattr(model, "chosen_style", None)):
            progress.say(str(chosen))
    return models[name]


def check_samples(request: RunRequest, models: Mapping[str, Model]) -> None:
    """Refuse several draws where it is known before a model is loaded that none is drawn."""
    if request.samples == 1 or not request.decoding.is_greedy:
        return
    known = models.get(request.model.name)
    if known is None or known.facts.get("kind") != DECODES_ITSELF:
        raise only_one_answer(request.samples)


def _in_jobs(model: Model, request: RunRequest, folder: RunFolder, progress: RunProgress) -> Model:
    """The model as it is asked: as it is, or in batch jobs."""
    if not request.model.batch:
        from vlmbench.engine.batch_record import check_no_open_jobs

        check_no_open_jobs(folder.path, fresh=request.fresh)
        return model
    from vlmbench.engine.batches import BatchedModel

    typed = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    again = typed if request.command is None else "the same call"
    return BatchedModel(model, folder, progress, fresh=request.fresh, wait=request.wait, again=again)


def _about(model: Model, decoding: str | None, options: ModelOptions) -> dict[str, Any]:
    """What run.json records of a sitting and compares with no other."""
    found = {
        "decoding": decoding,
        "pictures": getattr(model, "picture_settings", None),
        "batch": options.batch,
    }
    found["engine args"] = dict(options.engine_args)
    if threads := getattr(model, "threads", None):
        found["threads"] = threads.count
    return {name: value for name, value in found.items() if value}


def with_jobs_sent(
    request: RunRequest, benchmarks: Sequence[Benchmark], models: dict[str, Model], progress: RunProgress
) -> RunRequest:
    """The request for each of these benchmarks; the batch jobs of all are made before one is waited for."""
    if not request.model.batch or len(benchmarks) < 2:
        return request
    from vlmbench.engine.batches import JobsSent

    for benchmark in benchmarks:
        try:
            run_benchmark(replace(request, wait=False), benchmark, models, progress)
        except JobsSent:
            pass
        except UserError:
            # It comes again when the benchmark has its turn, and ends that one alone.
            if not models:
                raise
    return replace(request, fresh=False)


def run_folder(request: RunRequest, benchmark: str) -> Path:
    """`out`, or runs/NAME/BENCH; a blind run has a folder of its own."""
    folder = f"{benchmark}-blind" if request.blind else benchmark
    if request.out is None:
        return folder_below_runs(request.model.name, request.name, folder)
    return request.out / folder if request.several else request.out


def name_in(request: RunRequest) -> str:
    """What the run calls its model. In a folder that the user chose, no other model can have the name."""
    if request.name is not None:
        return request.name
    return run_name(request.model.name) if request.out is None else short_names(request.model.name)[0]


def spec_of(request: RunRequest, card: Card, model: Model) -> RunSpec:
    """The run that is asked for."""
    style = request.prompt or model.style
    return RunSpec(
        model=request.model.name,
        benchmark=card.name,
        style=style,
        decoding=chosen_decoding(
            request.decoding,
            style,
            card,
            model,
            seed=request.seed,
            max_new_tokens=request.max_new_tokens,
        ),
        rules=request.rules,
        seed=request.seed,
        limit=request.limit,
        blind=request.blind,
        samples=request.samples,
        name=request.name or None,
    )


class AnswerProgress:
    """Draws what the engine reports as `RunProgress`: rows answered, and how many of them are errors."""

    def __init__(self) -> None:
        self._progress = Progress("answering", "rows")
        self._what: str | None = None
        self._done = self._errors = 0
        self._model: object = None

    def of(self, model: object) -> None:
        """The model whose requests in flight are shown, if it has any."""
        self._model = model

    def say(self, text: str) -> None:
        """Print one line."""
        self._progress.say(text)

    def turn(self, benchmark: str, place: int, count: int) -> None:
        """From now on, answers are to this benchmark, the `place`th of so many."""
        self._what = f"{place} of {count}, {benchmark}" if count > 1 else None

    def begin(self, total: int, done: int) -> None:
        """Show the total; rows answered by an earlier command count as done."""
        self._done, self._errors = done, 0
        self._progress.begin(total, done, what=self._what)

    def advance(self, response: Response) -> None:
        """Count one more answer."""
        self._done += 1
        self._errors += response.finish == "error"
        in_flight = getattr(self._model, "in_flight", 0)
        self._update(f"{in_flight} in flight" if in_flight else "")

    def _update(self, in_flight: str) -> None:
        errors = f"{self._errors} errors" if self._errors else ""
        self._progress.update(self._done, ", ".join(filter(None, (in_flight, errors))))

    def end(self) -> None:
        """Print the last line."""
        counts = getattr(self._model, "timing", {}) if hasattr(self._model, "in_flight") else {}
        found = counts.get("concurrency")
        if found and found["highest"]:
            held = f", held back for {found['held_seconds']:.0f} s" if found["held_seconds"] >= 1 else ""
            self._update(f"{found['settled']} at a time{held}")
        self._progress.end()
