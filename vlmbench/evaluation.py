"""The evaluation pipeline: it receives values and returns a Run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlmbench.answers.responses import settled
from vlmbench.answers.usage import Price, usage_of
from vlmbench.data.table import Table
from vlmbench.domain import Benchmark, Joined, Model, Response, Row, Run, RunSpec, Sample
from vlmbench.draws import drawn_ids
from vlmbench.engine.answer_cache import AnswerCache
from vlmbench.engine.asking import BlindImages, RunPlan, answer, decoding_facts, make_plan
from vlmbench.engine.judging import Judge
from vlmbench.engine.judgments import Judgments
from vlmbench.engine.run_scores import scores_of_run
from vlmbench.engine.status import RunProgress, SilentProgress
from vlmbench.errors import DataError
from vlmbench.installation import __version__
from vlmbench.models.decoding_limits import check_decoding
from vlmbench.store import RunFolder

_SILENT = SilentProgress()
PACKAGES = ("torch", "transformers", "pillow", "pyarrow")


def read_samples(
    benchmark: Benchmark, table: Table, rows: Iterable[Row] | None = None, *, to_ask: bool = True
) -> tuple[Sample, ...]:
    """Every question of a benchmark's file, or of `rows` where answers were joined onto the file's.

    A picture that cannot be shown is a problem only where the question is to be asked.
    """
    samples = tuple(benchmark.samples(table.rows(to_ask=to_ask) if rows is None else rows))
    if not samples:
        raise DataError("the file has a header and no rows.", file=table.path)
    if all(s.problem for s in samples):
        raise DataError(
            f"no row can be {'asked' if to_ask else 'scored'}; the reason here: {samples[0].problem}.",
            file=table.path,
            row=samples[0].id,
        )
    return samples


def evaluate(
    spec: RunSpec,
    benchmark: Benchmark,
    table: Table,
    model: Model,
    folder: RunFolder,
    progress: RunProgress = _SILENT,
    judge: Judge | None = None,
    *,
    rows: Iterable[Row] | None = None,
    joined: Joined | None = None,
    cache: AnswerCache | None = None,
    command: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
    price: Price | None = None,
) -> Run:
    """Ask what has not been asked, write it down, score everything under all rule sets.

    `rows` are the table's rows with the answers of another file; `joined` counts what was joined. `cache`
    has answers of earlier runs. `command` is recorded (None: this process's command line), and so is `about`.
    `price` is that of the answers' tokens.
    """
    samples = read_samples(benchmark, table, rows)
    plan = make_plan(spec, benchmark, samples, table.lock)
    facts = locked_facts(spec, plan, table, model) | left_out(benchmark, table)
    for decoding in {request.decoding for request in plan.requests}:
        check_decoding(str(facts["model"].get("kind")), decoding, spec.samples)
    if check := getattr(model, "check", None):
        for request in plan.requests:
            check(request)
    folder.lock_to(spec, facts, {**sitting(command), **(about or {})})
    images = BlindImages(table.images) if spec.blind else table.images
    responses, timing = answer(plan, model, folder, images, progress, cache)
    responses = settled(responses)
    whole = folder.responses() | responses
    folder.finish(drawn_ids((s.id for s in samples), whole, spec.samples), whole)
    return scored_run(
        spec,
        benchmark,
        table.columns,
        plan,
        responses,
        facts=facts,
        timing=timing,
        price=price,
        judge=judge,
        joined=joined,
    )


def scored_run(
    spec: RunSpec,
    benchmark: Benchmark,
    columns: Sequence[str],
    plan: RunPlan,
    responses: Mapping[str, Response],
    *,
    facts: Mapping[str, Any],
    timing: Mapping[str, Any] | None = None,
    price: Price | None = None,
    judge: Judge | None = None,
    joined: Joined | None = None,
    judgments: Judgments | None = None,
) -> Run:
    """The run that these answers amount to."""
    found = scores_of_run(benchmark, plan, responses, spec.rules, judge, judgments)
    return Run(
        spec=spec,
        card=benchmark.card,
        facts=facts,
        columns=tuple(columns),
        samples=plan.samples,
        responses=responses,
        scores=found.scores,
        metrics=found.metrics,
        partial=plan.partial,
        timing=timing or {},
        usage=usage_of(responses.values(), price),
        judging=judge.tally() if judge is not None else None,
        judgments=judgments.tally() if judgments is not None else None,
        unscored=found.unscored,
        bounds=found.bounds,
        draws=found.draws,
        joined=joined,
    )


def locked_facts(spec: RunSpec, plan: RunPlan, table: Table, model: Model) -> dict[str, Any]:
    """What two sittings of one run must share."""
    facts: dict[str, Any] = {
        "benchmark": spec.benchmark,
        "dataset": table.lock,
        "model": dict(model.facts),
        "style": spec.style,
        "prompts": plan.prompts,
        "decoding": decoding_facts(plan.requests),
        "blind": spec.blind,
    }
    padding = getattr(model, "padding", None)
    if padding and any(request.image_fit == "square" for request in plan.requests):
        # A model of files has the colour in them, and their digests are among its facts.
        facts["padding"] = list(padding)
    if any(request.decoding.do_sample for request in plan.requests):
        facts["sampling seed"] = spec.seed if spec.decoding is None else spec.decoding.seed
    return facts


def left_out(benchmark: Benchmark, table: Table) -> dict[str, Any]:
    """How many questions of the file the benchmark does not ask."""
    counting = getattr(benchmark, "left_out", None)
    count = counting(table.rows()) if counting else 0
    # Runs of rotated benchmarks have always locked this count, zero included.
    return {"left out": count} if count or (benchmark.card.circular and counting) else {}


def sitting(command: Sequence[str] | None = None) -> dict[str, Any]:
    """When, where and with what this sitting runs. Recorded, never compared."""
    typed = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": typed if command is None else list(command),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {"vlmbench": __version__} | {name: _version(name) for name in PACKAGES},
        "git": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _commit() -> str | None:
    """The commit of the checkout this code runs from, if it runs from one."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
