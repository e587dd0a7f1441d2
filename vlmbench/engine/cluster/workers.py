"""All seats of a run: filled, listened to, replaced, retired, and joined by new machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from vlmbench import __version__
from vlmbench.engine.cluster.placement import Counted, Died, Event, Over, Said, Seat
from vlmbench.engine.cluster.ray_cluster import Devices, import_ray, nodes, share_of, share_on, why_dead
from vlmbench.engine.cluster.worker import Failed, Orders, Place, Ready, Remark, Tally
from vlmbench.errors import ModelError
from vlmbench.store import differences

LOOK_AROUND = 2.0
NO_ROOM = "no machine has room yet"
LOADING = 3600.0
"""Weights may come from far away."""
STARTING = 120.0
"""Seconds that a new process has to say where it is, and to open a first picture, however quick the model."""
LOAD_STRIKES = 3
ANSWER_STRIKES = 5
PATIENCE = 10.0
"""How long a worker may wait for a machine before that is said."""


class Crew:
    """The workers of a run, whatever becomes of them."""

    def __init__(
        self, devices: Devices, device: str, orders: Orders, say: Callable[[str], None], deadline: float
    ) -> None:
        self._devices, self._device, self._orders = devices, device, orders
        self._say, self.deadline = say, deadline
        self.seats: list[Seat] = []
        self.hello: Ready | None = None
        """What the first replica said of itself; all others must say the same."""
        self._known: set[str] = set()
        self._looked = self._tended = self._answered = time.monotonic()
        self._refused: Failed | None = None
        self._waiting_said: set[int] = set()
        self._began, self._roomless_said = time.monotonic(), False
        self._everywhere = devices.count is None
        if not self._everywhere:
            share = share_of(devices, device=device)
            for _ in range(devices.count or 1):
                self._add(Seat(len(self.seats), share))
        else:
            share_of(devices, device=device)
            self._look_around()

    @property
    def ready(self) -> list[Seat]:
        """Seats with a replica."""
        return [seat for seat in self.seats if seat.ready]

    def states(self) -> list[dict[str, Any]]:
        """For those who look on: every worker, or the one that there is no room for yet."""
        nobody = {
            "worker": 0,
            "state": NO_ROOM,
            "host": None,
            "pid": None,
            "done": 0,
            "errors": 0,
            "in_hand": 0,
        }
        quiet = round(time.monotonic() - self._began, 1)
        nobody |= {"errors": 0, "in_hand": 0, "quiet_seconds": quiet, "replaced": 0, "reason": None}
        return [seat.state() for seat in self.seats] or [nobody]

    def events(self, timeout: float) -> Iterator[Event]:
        """Wait for something to happen, at most so long, and tell what did."""
        self._everyone_gone()
        yield from self._tend()
        handles = {seat.handle: seat for seat in self.seats if seat.handle is not None}
        if not handles:
            time.sleep(min(timeout, 0.05))
            return
        happened, _ = import_ray().wait(list(handles), num_returns=1, timeout=timeout)
        for handle in happened:
            seat = handles[handle]
            yield from self._settle(seat) if seat.pending is handle else self._listen(seat)

    def replace(self, seat: Seat, reason: str) -> None:
        """Somebody died at this seat: hire again, unless that is of no use."""
        now = time.monotonic()
        seat.deaths += 1
        if not seat.ready:
            seat.stillborn += 1
        elif seat.strikes:
            seat.strikes += 1
        else:
            seat.strikes, seat.struck = 1, now
        gone = seat.node is not None and seat.node not in {node["NodeID"] for node in nodes()}
        # Where others get answers and this one gets none, it is the machine and not the questions.
        alone_in_this = seat.strikes >= ANSWER_STRIKES and self._answered > seat.struck
        if gone or alone_in_this or seat.stillborn >= LOAD_STRIKES:
            self._retire(seat, Failed(reason=reason))
        else:
            self._say(f"{self.name(seat)} died: {reason}. Another one is being started.")
            seat.hire()

    def name(self, seat: Seat) -> str:
        """A worker as people read it."""
        return f"worker {seat.number}" + (f" (on {seat.place.host})" if seat.place else "")

    def recall(self) -> None:
        """Nobody waits for what the workers have in hand; those that have anything are ended."""
        for seat in self.seats:
            if seat.jobs:
                seat.dismiss("its work was no longer wanted")

    def refill(self) -> None:
        """Hire where somebody was ended."""
        for seat in self.seats:
            if seat.actor is None and seat.step != "retired":
                seat.hire()

    def close(self) -> None:
        """End every worker now."""
        for seat in self.seats:
            seat.kill()

    def _add(self, seat: Seat) -> None:
        self.seats.append(seat)
        seat.hire()

    def _look_around(self) -> None:
        """A seat for every device of a machine not seen before."""
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
                self._add(Seat(len(self.seats), share, node["NodeID"]))

    def _tend(self) -> Iterator[Event]:
        """What time alone brings: machines that join, and workers that say nothing for too long."""
        now = time.monotonic()
        # Time in which nobody listened (a laptop asleep, a slow disk) is no silence of theirs.
        unheard = max(now - self._tended - 5.0, 0.0)
        self._tended = now
        if self._everywhere and now - self._looked > LOOK_AROUND:
            self._look_around()
        if not self.seats and not self._roomless_said and now - self._began > PATIENCE:
            self._roomless_said = True
            self._say(f"{NO_ROOM}: the run starts when one joins the cluster")
        for seat in self.seats:
            seat.since += unheard
            quiet = now - seat.since
            if seat.step == "waiting" and quiet > PATIENCE and seat.number not in self._waiting_said:
                self._waiting_said.add(seat.number)
                self._say(f"worker {seat.number} waits until Ray has a machine for it")
            if self._overdue(seat, quiet):
                seat.blind = seat.blind or seat.step == "looking"
                reason = f"it gave no sign of life for {quiet:.0f} s"
                yield Died(seat=seat, chunks=seat.dismiss(reason), reason=reason)

    def _overdue(self, seat: Seat, quiet: float) -> bool:
        """Whether it has said nothing for longer than what it was asked can take."""
        if seat.step == "loading":
            return quiet > LOADING
        if seat.step == "waiting":
            # Room may come at any time; only what has a process and does not answer hangs.
            return quiet > max(self.deadline, STARTING) and seat.has_had_time()
        if seat.step == "looking":
            return quiet > max(self.deadline, STARTING)
        return bool(seat.jobs) and quiet > self.deadline

    def _settle(self, seat: Seat) -> Iterator[Event]:
        """What the worker was asked is answered."""
        ray = import_ray()
        try:
            reply: Any = ray.get(seat.pending)
        except ray.exceptions.RayError as error:
            yield self._death(seat, error)
            return
        if isinstance(reply, Place):
            seat.load(reply, self._orders)
        elif isinstance(reply, Failed):
            self._retire(seat, reply)
        elif isinstance(reply, Ready):
            self._welcome(seat, reply)
        else:
            seat.sight = (seat.asked_of, bool(reply))
            seat.settled()

    def _welcome(self, seat: Seat, hello: Ready) -> None:
        """A replica is loaded; it must be the same model as the others."""
        self.hello = self.hello or hello
        ours = {"version": self.hello.version, "model": dict(self.hello.facts)}
        other = differences(ours, {"version": hello.version, "model": dict(hello.facts)})
        if hello.version != __version__:
            other = [f"it has vlmbench {hello.version} and this is {__version__}"]
        if other:
            self._retire(seat, Failed(reason=f"it is another model: {'; '.join(other)}", user=True))
        else:
            seat.stillborn = 0
            seat.settled()

    def _listen(self, seat: Seat) -> Iterator[Event]:
        """Everything the worker has said by now about its first chunk."""
        ray = import_ray()
        job = seat.jobs[0]
        while True:
            try:
                said = ray.get(next(job.stream))
            except StopIteration:
                seat.jobs.popleft()
                if not job.failed:
                    yield Over(seat=seat, chunk=job.chunk)
                return
            except ray.exceptions.RayError as error:
                yield self._death(seat, error)
                return
            seat.since = time.monotonic()
            if isinstance(said, Remark):
                self._say(f"{self.name(seat)}: {said.text}")
            elif isinstance(said, Tally):
                yield Counted(seat=seat, chunk=job.chunk, counts=said.counts)
            elif isinstance(said, Failed) and said.dead:
                yield Died(seat=seat, chunks=seat.dismiss(said.reason), reason=said.reason)
                return
            elif isinstance(said, Failed):
                job.failed = True
                yield Over(seat=seat, chunk=job.chunk, failed=said)
            else:
                self._answered, seat.strikes = seat.since, 0
                yield Said(seat=seat, chunk=job.chunk, response=said)
            if not ray.wait([job.stream], timeout=0)[0]:
                return

    def _death(self, seat: Seat, error: BaseException) -> Died:
        reason = why_dead(error)
        return Died(seat=seat, chunks=seat.dismiss(reason), reason=reason)

    def _retire(self, seat: Seat, why: Failed) -> None:
        self._refused = self._refused if self._refused and self._refused.user else why
        seat.dismiss(why.reason, retire=True)
        if any(other.step != "retired" for other in self.seats):
            self._say(f"{self.name(seat)} is left out: {why.reason}")

    def _everyone_gone(self) -> None:
        if self._refused is None or any(seat.step != "retired" for seat in self.seats):
            return
        what = self._refused.reason
        error = ModelError(what if self._refused.user else f"no worker is left; the last: {what}.")
        error.exit_code = self._refused.exit_code
        raise error
