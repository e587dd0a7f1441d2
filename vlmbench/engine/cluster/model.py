"""Several devices or machines as one model: the engine asks it as it asks any other.

Each worker holds one replica and takes chunks of whole groups from one queue, a slow one fewer. There is no
other traffic between them. The driver alone writes, so what a worker's death can cost is what it had in hand.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.domain import ImageSource, Request, Response
from vlmbench.engine.cluster.placement import (
    Event,
    WorkerDied,
    WorkerSlot,
    digests,
    pictures_of,
)
from vlmbench.engine.cluster.queue import Chunk, GroupQueue, added
from vlmbench.engine.cluster.ray_cluster import Devices, connect, import_ray
from vlmbench.engine.cluster.worker import ChunkCounts, Failed, Ready, WorkerSetup
from vlmbench.engine.cluster.workers import WorkerPool
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture
from vlmbench.prompts import ChosenStyle

DEADLINE = 900.0
"""Seconds without an answer after which a worker counts as hung."""
HOPELESS = 10
"""Workers that may fail before the first answer, while it is still open which group is to blame."""
DRAIN = 1.0
"""Seconds after Ctrl-C in which answers that are on their way still count."""
COUNTING = 10.0
"""Seconds that the driver waits for the counts of workers that have answered everything."""
_TICK = 0.25


def open_cluster(
    model: str,
    devices: Devices,
    options: Mapping[str, Any],
    *,
    say: Callable[[str], None] = lambda _text: None,
    opened: Callable[[ClusterModel], None] = lambda _model: None,
    deadline: float = DEADLINE,
) -> ClusterModel:
    """Replicas of a model on so many devices; returns when the first of them is loaded.

    `opened` gets the model before that, so that a status file can show its workers load.
    """
    device = str(options.get("device", "auto"))
    end = connect(devices, device=device)
    pool = None
    try:
        setup = WorkerSetup(model=model, options=dict(options), folder=os.fspath(os.getcwd()))  # noqa: PTH109
        pool = WorkerPool(devices, device, setup, say, deadline)
        replicas = ClusterModel(pool, end)
        opened(replicas)
        _wait(pool)
        return replicas
    except BaseException:
        if pool is not None:
            pool.close()
        end()
        raise


def _wait(pool: WorkerPool) -> None:
    while pool.hello is None:
        for event in pool.events(_TICK):
            if isinstance(event, WorkerDied):
                pool.replace(event.slot, event.reason)


class ClusterModel:
    """A model of several replicas. Make one with `open_cluster`, and close it."""

    def __init__(self, pool: WorkerPool, end: Callable[[], None]) -> None:
        self._pool, self._end = pool, end
        self._counts: list[Mapping[str, Any]] = []

    @property
    def _hello(self) -> Ready:
        assert self._pool.hello is not None  # noqa: S101 - it is handed out when the first replica is loaded
        return self._pool.hello

    @property
    def name(self) -> str:
        """As with one replica."""
        return self._hello.name

    @property
    def style(self) -> str:
        """As with one replica."""
        return self._hello.style

    @property
    def chosen_style(self) -> ChosenStyle | None:
        """As with one replica."""
        return self._hello.chosen_style

    @property
    def files(self) -> Mapping[str, Path]:
        """Of the first replica; on another machine they may lie elsewhere."""
        return self._hello.files

    @property
    def facts(self) -> Mapping[str, Any]:
        """As with one replica, so that a run may continue on any number of them."""
        return self._hello.facts

    @property
    def generation_settings(self) -> Mapping[str, Any] | None:
        """As with one replica."""
        return self._hello.generation_settings

    @property
    def picture_settings(self) -> Mapping[str, Any] | None:
        """As with one replica."""
        return self._hello.picture_settings

    def seen_pictures(self, shown: Sequence[ShownPicture]) -> list[SeenPicture] | None:
        """As with one replica; None also where the replica that is asked has died."""
        try:
            seen: list[SeenPicture] | None = self._of_first("seen_pictures", shown)
        # All answers are written by now, and none depends on this.
        except Exception:
            return None
        return seen

    @property
    def timing(self) -> Mapping[str, Any]:
        """How many answered, and what their replicas counted over the latest `generate`.

        What a worker had counted of the chunk it died over is not known.
        """
        states = self.workers()
        return {
            "workers": len(states),
            "replaced": sum(state["replaced"] for state in states),
            "left_out": sum(state["state"] == "left out" for state in states),
            **added(self._counts),
        }

    def workers(self) -> list[dict[str, Any]]:
        """What each worker is doing."""
        return self._pool.states()

    def render(self, request: Request) -> str:
        """The exact text the model will see."""
        rendered: str = self._of_first("render", request)
        return rendered

    def _of_first(self, method: str, given: Any) -> Any:
        """What a method of the first replica returns."""
        ray = import_ray()
        asked = getattr(self._pool.ready[0].actor, method).remote(given)
        try:
            return ray.get(asked, timeout=self._pool.deadline)
        except ray.exceptions.GetTimeoutError:
            raise ModelError(f"a worker gave no sign of life for {self._pool.deadline:.0f} s.") from None

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answer every request once, in whatever order the workers get there."""
        self._pool.refill()
        asking = _Asking(self._pool, list(requests), images)
        self._counts = asking.counts
        try:
            with _polite_stop() as stop:
                while asking.work.open and not stop:
                    asking.feed()
                    yield from asking.hear(_TICK)
                if not stop:
                    asking.hear_out(stop)
                if stop:
                    yield from asking.drain()
                    raise KeyboardInterrupt
        finally:
            if asking.work.open:
                self._pool.recall()

    def close(self) -> None:
        """End the workers, and Ray if it was started for them."""
        self._pool.close()
        self._end()


class _Asking:
    """One call of `generate`: its queue, its answers, its counts."""

    def __init__(self, pool: WorkerPool, requests: list[Request], images: ImageSource) -> None:
        self.work = GroupQueue(requests)
        self.counts: list[Mapping[str, Any]] = []
        """What replicas counted over the chunks they finished."""
        self._chunks: set[Chunk] = set()
        self._pool, self._images = pool, images
        self._digest = next(iter(digests(requests)), None)
        self._shared = self._share(images)
        self._answers = self._failures = 0

    def _share(self, images: ImageSource) -> Any:
        """The picture source as workers get it: a path, if it can be sent at all."""
        try:
            return import_ray().put(images)
        except Exception:
            return None

    def feed(self) -> None:
        """Give something to every worker that is about to run out of work."""
        ready = self._pool.ready
        for slot in ready:
            if slot.wants_work and self._looked(slot):
                chunk = self.work.take(slot.number, len(ready))
                if chunk is not None:
                    self._chunks.add(chunk)
                    sees = self._shared is not None and slot.sees(self._shared)
                    slot.give(chunk, self._shared if sees else pictures_of(chunk, self._images))

    def _looked(self, slot: WorkerSlot) -> bool:
        """Whether it is known if the worker sees the pictures; if not, it is asked."""
        if self._digest is None or self._shared is None or slot.sees(self._shared) is not None:
            return True
        slot.look(self._shared, self._digest)
        return False

    def hear(self, timeout: float) -> Iterator[Response]:
        """The answers that came."""
        for event in self._pool.events(timeout):
            yield from self._happened(event)

    def drain(self) -> Iterator[Response]:
        """What is on its way, and nothing new."""
        until = time.monotonic() + DRAIN
        while self.work.open and time.monotonic() < until:
            yield from self.hear(_TICK)

    def hear_out(self, stop: Sequence[int]) -> None:
        """Everything is answered; what was counted comes after the last answer."""
        until = time.monotonic() + COUNTING
        while any(job.chunk in self._chunks for slot in self._pool.slots for job in slot.jobs):
            if stop or time.monotonic() > until:
                return
            for _ in self.hear(_TICK):
                pass

    def _happened(self, event: Event) -> Iterator[Response]:
        if isinstance(event, WorkerDied):
            for chunk in event.chunks[1:]:
                self.work.give_back(chunk)
            if event.chunks:
                yield from self._failed(event.slot, event.chunks[0], f"the worker died: {event.reason}")
            self._pool.replace(event.slot, event.reason)
        elif isinstance(event.item, Response):
            # What is left of an earlier benchmark may come late, and its rows may have the same names.
            if event.chunk.lacks(event.item.id):
                self.work.answered(event.item.id)
                self._count(event.slot, event.item)
                yield event.item
        elif isinstance(event.item, ChunkCounts):
            if event.chunk in self._chunks:
                self.counts.append(event.item.counts)
        else:
            yield from self._ended(event.slot, event.chunk, event.item)

    def _ended(self, slot: WorkerSlot, chunk: Chunk, failed: Failed | None) -> Iterator[Response]:
        if failed is not None and failed.user:
            error = UserError(failed.reason)
            error.exit_code = failed.exit_code
            raise error
        if chunk.left:
            reason = failed.reason if failed else "the model ended without answering"
            yield from self._failed(slot, chunk, reason)

    def _failed(self, slot: WorkerSlot, chunk: Any, reason: str) -> Iterator[Response]:
        self._failures += 1
        for response in self.work.died(chunk, slot.number, reason):
            self._count(slot, response)
            yield response
        if not self._answers and not self.work.condemned and self._failures >= HOPELESS:
            raise ModelError(f"{HOPELESS} workers failed before the first answer; the last: {reason}.")

    def _count(self, slot: WorkerSlot, response: Response) -> None:
        slot.done += 1
        slot.errors += response.finish == "error"
        self._answers += response.finish != "error"


@contextlib.contextmanager
def _polite_stop() -> Iterator[list[int]]:
    """Ctrl-C and a polite kill fill the list; a second one stops at once."""
    asked: list[int] = []
    before = {}

    def stop(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop)
    except ValueError:
        pass  # not in the main thread, which has the signals
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
