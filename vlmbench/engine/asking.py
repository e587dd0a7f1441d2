"""One device: ask every open question in this process, and write each answer down as it comes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from vlmbench.domain import ImageSource, Model, Response
from vlmbench.engine.budget import Budget
from vlmbench.engine.planning import Plan
from vlmbench.engine.watch import Watch
from vlmbench.images import blank_like
from vlmbench.store import RunFolder


class BlindImages:
    """Every picture as a grey one of the same size, to see how much the picture matters."""

    def __init__(self, images: ImageSource) -> None:
        self._images = images

    def __getitem__(self, digest: str) -> bytes:
        return blank_like(self._images[digest])


def answer(
    plan: Plan, model: Model, folder: RunFolder, images: ImageSource, watch: Watch
) -> tuple[dict[str, Response], Mapping[str, Any]]:
    """All answers of the run by sample id, old and new, and how long the new ones took.

    An error of an earlier sitting is asked again; an answer never is.
    """
    chosen = {s.id for s in plan.samples}
    kept = {i: r for i, r in folder.responses().items() if i in chosen and r.finish != "error"}
    answers = dict(kept)
    problems = [
        Response(id=sample.id, text="", finish="error", error=sample.problem)
        for sample in plan.samples
        if sample.problem is not None
    ]
    answers |= {response.id: response for response in problems}
    open_requests = [r for r in plan.requests if r.id not in answers]
    budget, started = Budget(model), time.perf_counter()
    watch.begin(len(plan.samples), len(kept))
    try:
        for response in problems:
            folder.append(response)
            watch.advance(response)
        for response in model.generate(open_requests, images) if open_requests else ():
            folder.append(response)
            answers[response.id] = response
            watch.advance(response)
            if remark := budget.remark():
                watch.say(remark)
    finally:
        watch.end()
    took = timing(time.perf_counter() - started, len(open_requests), len(kept))
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
