"""The prompts of a finished run, worded again and proven by the digest that the run was locked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Decoding, Request
from vlmbench.engine.asking import prompts_digest
from vlmbench.finished import FinishedRun

Note = Literal["no file", "not proven", "other wording"]
"""The page has the words for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What a model was asked, row by row."""

    texts: Mapping[str, str]
    """By row; empty where they cannot be known."""
    note: Note | None = None
    """Why they cannot be known, or why they are not proven."""


def prompts_of(run: FinishedRun) -> Prompts:
    """The text of each request, a picture as `<image>`; the model's chat template is not part of it."""
    benchmark = run.questions.benchmark
    if benchmark is None or run.questions.images is None:
        return Prompts(texts={}, note="no file")
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
