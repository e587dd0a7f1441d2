"""Which questions a run asks, and asking them on one device.

`make_plan` chooses all questions, or a stratified part made of whole groups. `answer` asks those that have no
answer yet in this process and writes each answer down as it comes.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlmbench.answers.responses import apart
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import (
    Benchmark,
    Decoding,
    ImageRef,
    ImageSource,
    Model,
    Request,
    Response,
    RunSpec,
    Sample,
)
from vlmbench.draws import check_ids, draw_ids
from vlmbench.engine.answer_cache import AnswerCache
from vlmbench.engine.status import RunProgress
from vlmbench.images import blank_like
from vlmbench.store import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The questions of a run and how each is asked."""

    samples: tuple[Sample, ...]
    """In file order; groups are whole."""
    requests: tuple[Request, ...]
    """One for each draw of a sample that can be asked, groups together."""
    partial: bool
    prompts: str
    """Digest of every request of the whole benchmark, so that a part can grow into the whole."""
    draws: int = 1
    """How many answers are drawn to each question."""

    @property
    def ids(self) -> list[str]:
        """Of every answer, question by question."""
        return [own for sample in self.samples for own in draw_ids(sample.id, self.draws)]


def make_plan(
    spec: RunSpec, benchmark: Benchmark, samples: Sequence[Sample], data: Mapping[str, str] | None = None
) -> RunPlan:
    """Word every question and choose those of this run. `data` is what the run locks of its data."""
    asked = samples_as_read(samples, spec.rules)
    override = spec.decoding
    requests = {s.id: benchmark.request(s, spec.style, override) for s in asked if s.problem is None}
    if spec.samples > 1:
        check_ids(sample.id for sample in samples)
    chosen = choose_groups(samples, spec.limit, spec.seed)
    grouped: dict[str, list[Request]] = {}
    for sample in chosen:
        if sample.id in requests:
            ids = draw_ids(sample.id, spec.samples)
            grouped.setdefault(sample.group, []).extend(replace(requests[sample.id], id=own) for own in ids)
    return RunPlan(
        samples=chosen,
        requests=tuple(request for group in grouped.values() for request in group),
        partial=len(chosen) < len(samples),
        prompts=locked_prompts(requests.values(), benchmark, asked, spec.style, override, data),
        draws=spec.samples,
    )


def answer(
    plan: RunPlan,
    model: Model,
    folder: RunFolder,
    images: ImageSource,
    progress: RunProgress,
    cache: AnswerCache | None = None,
) -> tuple[dict[str, Response], Mapping[str, Any]]:
    """All answers of the run by request id, old and new, and how long the new ones took.

    An error of an earlier sitting is asked again; an answer never is, also that of another run.
    """
    chosen = set(plan.ids)
    kept = {i: r for i, r in folder.responses().items() if i in chosen and r.finish != "error"}
    answers = dict(kept)
    problems = [
        Response(id=own, text="", finish="error", error=sample.problem)
        for sample in plan.samples
        if sample.problem is not None
        for own in draw_ids(sample.id, plan.draws)
    ]
    answers |= {response.id: response for response in problems}
    missing = {r.id: r for r in plan.requests if r.id not in answers}
    cached = cache.answers(missing.values()) if cache else {}
    if cached:
        progress.say(
            f"{len(cached):,} of {len(missing):,} answers are those of earlier runs: equal model, equal "
            "question; --fresh asks again"
        )
    answers |= cached
    open_requests = [request for i, request in missing.items() if i not in cached]
    budget, started = Budget(model), time.perf_counter()
    progress.begin(len(chosen), len(kept) + len(cached))
    try:
        for response in cached.values():
            folder.append(response)
        for response in problems:
            folder.append(response)
            progress.advance(response)
        for response in map(apart, model.generate(open_requests, images) if open_requests else ()):
            folder.append(response)
            answers[response.id] = response
            if cache:
                cache.keep(missing[response.id], response)
            progress.advance(response)
            if remark := budget.remark():
                progress.say(remark)
    finally:
        progress.end()
    took = timing(time.perf_counter() - started, len(open_requests), len(kept))
    if cached:
        took["from_earlier_runs"] = len(cached)
    # A model may know more: which way its answers came, what was shared.
    return answers, {**took, **(getattr(model, "timing", {}) if open_requests else {})}


def timing(seconds: float, asked: int, kept: int) -> dict[str, Any]:
    """What the last sitting took."""
    rate = asked / seconds if asked and seconds > 0 else None
    return {
        "seconds": round(seconds, 3),
        "asked": asked,
        "kept_from_before": kept,
        "rows_per_second": None if rate is None else round(rate, 3),
    }


class Budget:
    """The tokens that a batch may have, of a model that has such a limit."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last = self._now()

    def remark(self) -> str | None:
        """A warning where the limit has shrunk since the last call."""
        before, self._last = self._last, self._now()
        if before is None or self._last is None or self._last >= before:
            return None
        return (
            f"a batch did not fit in memory; from here on one has at most {self._last:,} tokens "
            f"(it was {before:,})"
        )

    def _now(self) -> int | None:
        return getattr(self._model, "token_budget", None)


class BlindImages:
    """Every picture as a grey one of the same size, to see how much the picture matters."""

    def __init__(self, images: ImageSource) -> None:
        self._images = images

    def __getitem__(self, digest: str) -> bytes:
        return blank_like(self._images[digest])


def choose_groups(samples: Sequence[Sample], limit: int | None, seed: int) -> tuple[Sample, ...]:
    """At most `limit` whole groups, each category in proportion, the same for the same seed."""
    groups: dict[str, str] = {}
    for sample in samples:
        groups.setdefault(sample.group, sample.categories.get("category", ""))
    if limit is None or limit >= len(groups):
        return tuple(samples)
    strata: dict[str, list[str]] = {}
    for group, category in groups.items():
        strata.setdefault(category, []).append(group)
    shuffle = random.Random(seed)  # noqa: S311 - a reproducible choice, not a secret
    queue: list[tuple[float, str]] = []
    for category in sorted(strata):
        members = strata[category]
        shuffle.shuffle(members)
        # Evenly spaced keys: the first `limit` of the merged queue hold each category in proportion.
        offset = shuffle.random()
        queue += [((place + offset) / len(members), group) for place, group in enumerate(members)]
    kept = {group for _, group in sorted(queue)[:limit]}
    return tuple(sample for sample in samples if sample.group in kept)


def locked_prompts(
    requests: Iterable[Request],
    benchmark: Benchmark,
    samples: Iterable[Sample],
    style: str,
    decoding: Decoding | None,
    data: Mapping[str, str] | None,
) -> str:
    """The digest of the prompts that a run of this locked data locks; `requests` are those of the samples.

    Of a hub's dataset a run with a limit knows some pictures only. There every sample is asked with one and
    the same picture: the digest of the data locks which pictures the rows really show.
    """
    if data is None or "revision" not in data:
        return prompts_digest(requests)
    alike = (replace(sample, images=("picture",), problem=None) for sample in samples)
    return prompts_digest(benchmark.request(sample, style, decoding) for sample in alike)


def prompts_digest(requests: Iterable[Request]) -> str:
    """One digest of everything that is asked and how."""
    digest = hashlib.sha256()
    for request in sorted(requests, key=lambda r: r.id):
        parts = [{"image": p.digest} if isinstance(p, ImageRef) else p for p in request.parts]
        line: list[Any] = [request.id, parts, request.image_fit]
        if request.system is not None or request.opening:
            line += [request.system, request.opening]
        digest.update(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def decoding_facts(requests: Iterable[Request]) -> list[dict[str, object]]:
    """The distinct decoding settings in use."""
    return [d.document() for d in sorted({r.decoding for r in requests}, key=lambda d: d.max_new_tokens)]
