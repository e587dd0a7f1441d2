"""A slot for one replica, on one device. Its worker may die and be replaced; the slot keeps the counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vlmbench.domain import ImageRef, ImageSource, Response
from vlmbench.engine.cluster.queue import Chunk
from vlmbench.engine.cluster.ray_cluster import Share, has_process, import_ray
from vlmbench.engine.cluster.worker import ChunkCounts, Failed, Worker, WorkerAddress, WorkerSetup

Step = Literal["waiting", "loading", "looking", "ready", "retired"]
"""For a machine, for its replica, whether it sees the pictures; then ready; retired for good."""


_STATES: dict[Step, str] = {
    "waiting": "waiting for a machine",
    "loading": "loading",
    "looking": "idle",
    "ready": "idle",
    "retired": "left out",
}


@dataclass(slots=True, eq=False)
class Assignment:
    """A chunk that a worker was given, and the stream of its answers."""

    chunk: Chunk
    stream: Any
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEvent:
    """What came of a chunk: an answer, what the replica counted, or its end."""

    slot: WorkerSlot
    chunk: Chunk
    item: Response | ChunkCounts | Failed | None
    """Failed: an exception ended the chunk, and the worker lives. None: the chunk ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied:
    """A worker is gone. The first chunk is the one it was working on."""

    slot: WorkerSlot
    chunks: tuple[Chunk, ...]
    reason: str


Event = ChunkEvent | WorkerDied


@dataclass(slots=True, eq=False)
class WorkerSlot:
    """One replica of the model: where it is, what it was given, what it has done."""

    number: int
    share: Share
    node: str | None = None
    """The only machine it may be on; None: any."""
    step: Step = "waiting"
    actor: Any = None
    pending: Any = None
    """What the worker was asked outside any chunk."""
    jobs: deque[Assignment] = field(default_factory=deque)
    asked_of: Any = None
    """The source of pictures it was last asked of."""
    begun: bool = False
    """Its worker has been seen to have a process."""
    sight: tuple[Any, bool] | None = None
    """A source of pictures, and whether it opens those itself."""
    blind: bool = False
    """A worker of this slot hung when it was to open a picture; none is asked again."""
    place: WorkerAddress | None = None
    since: float = 0.0
    """When it last gave a sign of life."""
    done: int = 0
    errors: int = 0
    deaths: int = 0
    strikes: int = 0
    """Deaths in a row without an answer between them."""
    failed_starts: int = 0
    """Deaths in a row before a replica was loaded."""
    struck: float = 0.0
    """When the first of these was."""
    reason: str = ""
    """Why it was replaced last, or retired."""

    @property
    def ready(self) -> bool:
        """It has a replica."""
        return self.step == "ready"

    def has_had_time(self) -> bool:
        """Whether its worker's process was there when this was last asked; from then on its time counts."""
        before, self.begun = self.begun, has_process(self.actor)
        if self.begun and not before:
            self.since = time.monotonic()
        return before

    @property
    def wants_work(self) -> bool:
        """It has nothing to do, or soon will have."""
        if not self.ready or len(self.jobs) > 1:
            return False
        return not self.jobs or 4 * self.jobs[0].chunk.left <= self.jobs[0].chunk.rows

    @property
    def handle(self) -> Any:
        """The Ray object that its next event comes with; None where nothing is asked of it."""
        return self.pending if self.pending is not None else self.jobs[0].stream if self.jobs else None

    def start(self) -> None:
        """A new worker, wherever Ray finds room."""
        ray = import_ray()
        self.actor = ray.remote(Worker).options(**_options(self)).remote()
        self.step, self.place, self.sight, self.begun = "waiting", None, None, False
        self.since = time.monotonic()
        self.jobs.clear()
        self.pending = self.actor.place.remote()

    def load(self, place: WorkerAddress, setup: WorkerSetup) -> None:
        """It is somewhere; have it load its replica."""
        self.place, self.step, self.since = place, "loading", time.monotonic()
        self.pending = self.actor.load.remote(replace(setup, threads=self.share.threads))

    def look(self, images: Any, digest: str) -> None:
        """Ask whether it can open the pictures of this source by itself."""
        self.step, self.asked_of, self.since = "looking", images, time.monotonic()
        self.pending = self.actor.sees.remote(images, digest)

    def sees(self, images: Any) -> bool | None:
        """Whether it opens the pictures of this source by itself; None: not known."""
        if self.blind:
            return False
        return self.sight[1] if self.sight is not None and self.sight[0] is images else None

    def settled(self) -> None:
        """The pending question is answered."""
        self.step, self.pending, self.since = "ready", None, time.monotonic()

    def give(self, chunk: Chunk, images: Any) -> None:
        """Hand over a chunk."""
        if not self.jobs:
            self.since = time.monotonic()
        stream = self.actor.answer.options(num_returns="streaming").remote(chunk.requests, images)
        self.jobs.append(Assignment(chunk, stream))

    def dismiss(self, reason: str, *, retire: bool = False) -> tuple[Chunk, ...]:
        """Its worker is gone or must go; returns what it had been given."""
        chunks = tuple(job.chunk for job in self.jobs if not job.failed)
        self.jobs.clear()
        self.pending, self.reason = None, reason
        self.kill()
        if retire:
            self.step = "retired"
        return chunks

    def kill(self) -> None:
        """End the worker now."""
        if self.actor is not None:
            import_ray().kill(self.actor, no_restart=True)
            self.actor = None

    def state(self) -> dict[str, Any]:
        """Its line in status.json."""
        step = "answering" if self.ready and self.jobs else _STATES[self.step]
        return {
            "worker": self.number,
            "state": step,
            "host": self.place.host if self.place else None,
            "pid": self.place.pid if self.place else None,
            "done": self.done,
            "errors": self.errors,
            "in_hand": sum(job.chunk.left for job in tuple(self.jobs)),
            "quiet_seconds": round(time.monotonic() - self.since, 1),
            "replaced": self.deaths,
            "reason": self.reason or None,
        }


def _options(slot: WorkerSlot) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_cpus": slot.share.cpus,
        "num_gpus": slot.share.gpus,
        # Ray would start the process again and ask it the same; who is to blame is decided here.
        "max_restarts": 0,
        "max_task_retries": 0,
        "scheduling_strategy": "SPREAD",
    }
    if slot.node is not None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(slot.node, soft=False)
    return options


def pictures_of(chunk: Chunk, images: ImageSource) -> Mapping[str, bytes]:
    """The bytes of a chunk's pictures, for a worker that cannot open them."""
    found: dict[str, bytes] = {}
    for digest in digests(chunk.requests):
        if digest not in found:
            try:
                found[digest] = images[digest]
            # The worker misses it then, and reports that for the rows that show it.
            except Exception:  # noqa: S112
                continue
    return found


def digests(requests: Sequence[Any]) -> list[str]:
    """Every picture these requests show."""
    return [part.digest for request in requests for part in request.parts if isinstance(part, ImageRef)]
