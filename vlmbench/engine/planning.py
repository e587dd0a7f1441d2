"""Which questions a run asks: all of them, or a stratified part made of whole groups."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Benchmark, ImageRef, Request, RunSpec, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The questions of a run and how each is asked."""

    samples: tuple[Sample, ...]
    """In file order; groups are whole."""
    requests: tuple[Request, ...]
    """One a sample that can be asked, groups together."""
    partial: bool
    prompts: str
    """Digest of every request of the whole benchmark, so that a part can grow into the whole."""


def make_plan(spec: RunSpec, benchmark: Benchmark, samples: Sequence[Sample]) -> Plan:
    """Word every question and choose those of this run."""
    asked = samples_as_read(samples, spec.rules)
    override = spec.decoding
    requests = {s.id: benchmark.request(s, spec.style, override) for s in asked if s.problem is None}
    chosen = choose_groups(samples, spec.limit, spec.seed)
    grouped: dict[str, list[Request]] = {}
    for sample in chosen:
        if sample.id in requests:
            grouped.setdefault(sample.group, []).append(requests[sample.id])
    return Plan(
        samples=chosen,
        requests=tuple(request for group in grouped.values() for request in group),
        partial=len(chosen) < len(samples),
        prompts=prompts_digest(requests.values()),
    )


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


def prompts_digest(requests: Iterable[Request]) -> str:
    """One digest of everything that is asked and how."""
    digest = hashlib.sha256()
    for request in sorted(requests, key=lambda r: r.id):
        parts = [{"image": p.digest} if isinstance(p, ImageRef) else p for p in request.parts]
        line = [request.id, parts, request.image_fit]
        digest.update(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def decoding_facts(requests: Iterable[Request]) -> list[dict[str, object]]:
    """The distinct decoding settings in use."""
    return [asdict(d) for d in sorted({r.decoding for r in requests}, key=lambda d: d.max_new_tokens)]
