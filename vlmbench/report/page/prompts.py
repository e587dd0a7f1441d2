"""The prompts of a finished run, worded again and proven by the digest that the run was locked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.answers.views import samples_as_read
from vlmbench.domain import Benchmark, Decoding, Request
from vlmbench.engine.planning import prompts_digest
from vlmbench.errors import UserError
from vlmbench.finished import FinishedRun
from vlmbench.registry import Registry

Note = Literal["no file", "no benchmark", "not proven", "other wording"]
"""The page has the words for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What a model was asked, row by row."""

    texts: Mapping[str, str]
    """By row; empty where they cannot be known."""
    note: Note | None = None
    """Why they cannot be known, or why they are not proven."""


def prompts_of(run: FinishedRun, plugins: Sequence[Path] = ()) -> Prompts:
    """The text of each request, a picture as `<image>`; the model's chat template is not part of it."""
    if run.questions.images is None:
        return Prompts(texts={}, note="no file")
    try:
        benchmark = _benchmark(run, plugins)
    except UserError:
        return Prompts(texts={}, note="no benchmark")
    samples = samples_as_read(run.questions.samples, run.rules)
    style, decoding = str(run.results["style"]), _decoding(run)
    requests = [benchmark.request(s, style, decoding) for s in samples if s.problem is None]
    texts = {request.id: plain(request) for request in requests}
    if run.results["partial"]:
        return Prompts(texts=texts, note="not proven")
    if prompts_digest(requests) != run.facts.get("prompts"):
        return Prompts(texts={}, note="other wording")
    return Prompts(texts=texts)


def plain(request: Request) -> str:
    """The parts one after another."""
    return "".join(part if isinstance(part, str) else "<image>\n" for part in request.parts)


def _decoding(run: FinishedRun) -> Decoding | None:
    given = run.spec.get("decoding")
    try:
        return Decoding(**given) if isinstance(given, Mapping) else None
    except TypeError:
        return None


def _benchmark(run: FinishedRun, plugins: Sequence[Path]) -> Benchmark:
    registry = Registry(plugins)
    try:
        return registry.benchmark(run.benchmark)
    except UserError:
        for benchmark in map(registry.benchmark, _tables(run)):
            if benchmark.card.name == run.benchmark:
                return benchmark
        raise


def _tables(run: FinishedRun) -> list[str]:
    """A benchmark without code is known by its file, which the command line of the run named."""
    commands = [sitting.get("command") for sitting in run.sittings]
    words = [str(word) for command in commands if isinstance(command, list) for word in command]
    return [word for word in words if word.endswith(".tsv") and Path(word).is_file()]
