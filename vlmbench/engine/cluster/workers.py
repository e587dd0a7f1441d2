"""All slots of a run: filled, listened to, replaced, retired, and joined by new machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from vlmbench.domain import Response
from vlmbench.engine.cluster.placement import (
    ChunkEvent,
    Event,
    WorkerDied,
    WorkerSlot,
)
from vlmbench.engine.cluster.ray_cluster import Devices, import_ray, nodes, share_of, share_on, why_dead
from vlmbench.engine.cluster.worker import Failed, Ready, Remark, WorkerAddress, WorkerSetup
from vlmbench.errors import ModelError
from vlmbench.installation import __version__
from vlmbench.store import differences

LOOK_AROUND = 2.0
NO_ROOM = "no machine has room yet"
LOADING = 3600.0
"""Weights may come from far away."""
STARTING = 120.0
"""Seconds that a new process has to report its address and to open a first picture."""
LOAD_STRIKES = 3
ANSWER_STRIKES = 5
PATIENCE = 10.0
"""Seconds that a worker may wait for a machine before a message says so."""


class WorkerPool:
    """The workers of a run, whatever becomes of them."""

    def __init__(
        self, devices: Devices, device: str, setup: WorkerSetup, say: Callable[[str], None], deadline: float
    ) -> None:
        self._devices, self._device, self._setup = devices, device, setup
        self._say, self.deadline = say, deadline
        self.slots: list[WorkerSlot] = []
        self.hello: Ready | None = None
        """What the first replica reported of itself; all others must report the same."""
        self._known: set[str] = set()
        self._looked = self._tended = self._answered = time.monotonic()
        self._refused: Failed | None = None
        self._waiting_reported: set[int] = set()
        self._began, self._no_room_reported = time.monotonic(), False
        self._everywhere = devices.count is None
        share = share_of(devices, device=device)  # refuses what no machine has room for
        for _ in range(devices.count or 0):
            self._add(WorkerSlot(len(self.slots), share))
        if self._everywhere:
            self._look_around()

    @property
    def ready(self) -> list[WorkerSlot]:
        """Slots with a replica."""
        return [slot for slot in self.slots if slot.ready]

    def states(self) -> list[dict[str, Any]]:
        """For status.json: every worker, or the one that there is no room for yet."""
        unplaced = {
            "worker": 0,
            "state": NO_ROOM,
            "host": None,
            "pid": None,
            "done": 0,
            "errors": 0,
            "in_hand": 0,
            "quiet_seconds": round(time.monotonic() - self._began, 1),
            "replaced": 0,
            "reason": None,
        }
        return [slot.state() for slot in self.slots] or [unplaced]

    def events(self, timeout: float) -> Iterator[Event]:
        """Events as they happen; waits at most so many seconds for the first."""
        self._everyone_gone()
        yield from self._tend()
        handles = {slot.handle: slot for slot in self.slots if slot.handle is not None}
        if not handles:
            time.sleep(min(timeout, 0.05))
            return
        happened, _ = import_ray().wait(list(handles), num_returns=1, timeout=timeout)
        for handle in happened:
            slot = handles[handle]
            yield from self._settle(slot) if slot.pending is handle else self._listen(slot)

    def replace(self, slot: WorkerSlot, reason: str) -> None:
        """The worker of this slot died: start another, unless that is of no use."""
        now = time.monotonic()
        slot.deaths += 1
        if not slot.ready:
            slot.failed_starts += 1
        elif slot.strikes:
            slot.strikes += 1
        else:
            slot.strikes, slot.struck = 1, now
        gone = slot.node is not None and slot.node not in {node["NodeID"] for node in nodes()}
        # Where others get answers and this one gets none, it is the machine and not the questions.
        alone_in_this = slot.strikes >= ANSWER_STRIKES and self._answered > slot.struck
        if gone or alone_in_this or slot.failed_starts >= LOAD_STRIKES:
            self._retire(slot, Failed(reason=reason))
        else:
            self._say(f"{self.name(slot)} died: {reason}. Another one is being started.")
            slot.start()

    def name(self, slot: WorkerSlot) -> str:
        """A worker as people read it."""
        return f"worker {slot.number}" + (f" (on {slot.place.host})" if slot.place else "")

    def recall(self) -> None:
        """Kill the workers with outstanding work, after generation was cancelled."""
        for slot in self.slots:
            if slot.jobs:
                slot.dismiss("its work was no longer wanted")

    def refill(self) -> None:
        """Start a worker in each slot whose worker was ended."""
        for slot in self.slots:
            if slot.actor is None and slot.step != "retired":
                slot.start()

    def close(self) -> None:
        """End every worker now."""
        for slot in self.slots:
            slot.kill()

    def _add(self, slot: WorkerSlot) -> None:
        self.slots.append(slot)
        slot.start()

    def _look_around(self) -> None:
        """A slot for every device of a machine not seen before."""
        self._looked = time.monotonic()
        for node in nodes():
            if node["NodeID"] in self._known:
                continue
            if self._known and self.hello:
                self._say(f"the machine {node['NodeManagerHostname']} has joined")
            self._known.add(node["NodeID"])
            count, share = share_on(node, self._devices, device=self._device)
            if not count:
                self._say(f"the machine {node['NodeManagerHostname']} has no room for a worker")
            for _ in range(count):
                self._add(WorkerSlot(len(self.slots), share, node["NodeID"]))

    def _tend(self) -> Iterator[Event]:
        """What time alone brings: machines that join, and workers that are silent for too long."""
        now = time.monotonic()
        # Time in which the driver did not listen (a laptop asleep, a slow disk) is no silence of theirs.
        unheard = max(now - self._tended - 5.0, 0.0)
        self._tended = now
        if self._everywhere and now - self._looked > LOOK_AROUND:
            self._look_around()
        if not self.slots and not self._no_room_reported and now - self._began > PATIENCE:
            self._no_room_reported = True
            self._say(f"{NO_ROOM}: the run starts when one joins the cluster")
        for slot in self.slots:
            slot.since += unheard
            quiet = now - slot.since
            if slot.step == "waiting" and quiet > PATIENCE and slot.number not in self._waiting_reported:
                self._waiting_reported.add(slot.number)
                self._say(f"worker {slot.number} waits until Ray has a machine for it")
            if self._overdue(slot, quiet):
                slot.blind = slot.blind or slot.step == "looking"
                reason = f"it gave no sign of life for {quiet:.0f} s"
                yield WorkerDied(slot=slot, chunks=slot.dismiss(reason), reason=reason)

    def _overdue(self, slot: WorkerSlot, quiet: float) -> bool:
        """Whether it was silent for longer than what it was asked can take."""
        if slot.step == "loading":
            return quiet > LOADING
        if slot.step == "waiting":
            # Room may come at any time; only what has a process and does not answer hangs.
            return quiet > max(self.deadline, STARTING) and slot.has_had_time()
        if slot.step == "looking":
            return quiet > max(self.deadline, STARTING)
        return bool(slot.jobs) and quiet > self.deadline

    def _settle(self, slot: WorkerSlot) -> Iterator[Event]:
        """What the worker was asked is answered."""
        ray = import_ray()
        try:
            reply: Any = ray.get(slot.pending)
        except ray.exceptions.RayError as error:
            yield self._death(slot, error)
            return
        if isinstance(reply, WorkerAddress):
            slot.load(reply, self._setup)
        elif isinstance(reply, Failed):
            self._retire(slot, reply)
        elif isinstance(reply, Ready):
            self._welcome(slot, reply)
        else:
            slot.sight = (slot.asked_of, bool(reply))
            slot.settled()

    def _welcome(self, slot: WorkerSlot, hello: Ready) -> None:
        """A replica is loaded; it must be the same model as the others."""
        self.hello = self.hello or hello
        ours = {"version": self.hello.version, "model": dict(self.hello.facts)}
        other = differences(ours, {"version": hello.version, "model": dict(hello.facts)})
        if hello.version != __version__:
            other = [f"it has vlmbench {hello.version} and this is {__version__}"]
        if other:
            self._retire(slot, Failed(reason=f"it is another model: {'; '.join(other)}", user=True))
        else:
            slot.failed_starts = 0
            slot.settled()

    def _listen(self, slot: WorkerSlot) -> Iterator[Event]:
        """Every event so far of the worker's first chunk."""
        ray = import_ray()
        job = slot.jobs[0]
        while True:
            try:
                item = ray.get(next(job.stream))
            except StopIteration:
                slot.jobs.popleft()
                if not job.failed:
                    yield ChunkEvent(slot=slot, chunk=job.chunk, item=None)
                return
            except ray.exceptions.RayError as error:
                yield self._death(slot, error)
                return
            slot.since = time.monotonic()
            if isinstance(item, Remark):
                self._say(f"{self.name(slot)}: {item.text}")
            elif isinstance(item, Failed) and item.dead:
                yield WorkerDied(slot=slot, chunks=slot.dismiss(item.reason), reason=item.reason)
                return
            else:
                job.failed = job.failed or isinstance(item, Failed)
                if isinstance(item, Response):
                    self._answered, slot.strikes = slot.since, 0
                yield ChunkEvent(slot=slot, chunk=job.chunk, item=item)
            if not ray.wait([job.stream], timeout=0)[0]:
                return

    def _death(self, slot: WorkerSlot, error: BaseException) -> WorkerDied:
        reason = why_dead(error)
        return WorkerDied(slot=slot, chunks=slot.dismiss(reason), reason=reason)

    def _retire(self, slot: WorkerSlot, why: Failed) -> None:
        self._refused = self._refused if self._refused and self._refused.user else why
        slot.dismiss(why.reason, retire=True)
        if any(other.step != "retired" for other in self.slots):
            self._say(f"{self.name(slot)} is left out: {why.reason}")

    def _everyone_gone(self) -> None:
        if self._refused is None or any(slot.step != "retired" for slot in self.slots):
            return
        what = self._refused.reason
        error = ModelError(what if self._refused.user else f"no worker is left; the last: {what}.")
        error.exit_code = self._refused.exit_code
        raise error
