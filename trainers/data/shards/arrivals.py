"""Shards come into the store before their samples are due, and loading processes wait for what is not there.

The sampler of each rank reports where it is. A thread of the rank locks the shards of the window that is
read, and fetches those of the next. It begins when the first process waits for a shard: so the windows that
a resumed training passes over are never fetched.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, NamedTuple

from vlmbench.data.hub.files import HubUnreachable
from vlmbench.errors import DataError, UserError
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streamed_shard import StreamedShard

PAUSE = 0.05
"""Seconds."""
RETRIES = (2, 10, 30, 60)
"""Seconds before a hub that cannot be reached is asked again."""
PATIENCE = 600.0
"""Seconds that other processes may keep the store full while a shard is due."""
_PARTING = 10.0
_LONGEST = 4000
"""Bytes of an error between processes."""


class Arrivals:
    """What the processes of a rank share: whether one of them waits, and why no more shards come."""

    def __init__(self, store: ShardStore) -> None:
        self.store = store
        context: Any = multiprocessing.get_context("spawn")
        self._waited, self._served = context.RawValue("b", 0), context.RawValue("b", 0)
        self._failed = context.RawArray("c", _LONGEST)

    @property
    def awaited(self) -> bool:
        """Whether a process has ever waited."""
        return bool(self._waited.value)

    def serve(self) -> None:
        """A thread fetches from now on."""
        self._served.value = 1

    def fail(self, error: BaseException) -> None:
        """No more shards come."""
        text = str(error) or type(error).__name__
        self._failed.value = text.encode(errors="replace")[: _LONGEST - 1]

    @contextmanager
    def holding(self, shard: StreamedShard | None) -> Iterator[None]:
        """Wait for the shard, and keep it for the block. Nothing is needed for None or one read in place."""
        while shard is not None and shard.in_store:
            with self.store.locked(shard.key) as here:
                if here:
                    yield
                    return
            self._wait(shard)
        yield

    def _wait(self, shard: StreamedShard) -> None:
        """For a moment. Where no thread fetches, as outside of a training, fetch it now."""
        parent = multiprocessing.parent_process()
        self._waited.value = 1
        if self._failed.value:
            raise DataError(self._failed.value.decode(errors="replace"))
        if parent is not None and not parent.is_alive():
            raise DataError("the process that fetches shards has ended.")
        if self._served.value:
            time.sleep(PAUSE)
        elif not self.store.bring(shard, {}):
            raise self.store.too_small([shard])


class Position(NamedTuple):
    """Where a rank's sampler is, in windows of an epoch."""

    epoch: int
    first: int
    """Of the oldest batch that may still be in the hands of a loading process."""
    last: int
    """Of its end."""
    newest: int
    """Of the newest batch."""


class ShardFetcher:
    """The thread of one rank that fetches shards."""

    def __init__(
        self,
        arrivals: Arrivals,
        shards: Sequence[StreamedShard],
        windows: Callable[[int], Sequence[Sequence[int]]],
        epochs: int,
    ) -> None:
        """`windows`: the shards of each window of an epoch, by their places in `shards`."""
        self._arrivals, self._store, self._shards = arrivals, arrivals.store, shards
        self._windows, self._epochs = windows, epochs
        self._position = Position(0, 0, 0, 0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def reached(self, position: Position) -> None:
        """Called by the sampler for each batch."""
        self._position = position
        if self._thread is None:
            self._arrivals.serve()
            self._thread = threading.Thread(target=self._run, name="shards", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Fetch no more, and unlock what was locked."""
        self._over.set()
        if self._thread is not None:
            # It may be in the middle of a download, and goes with this process.
            self._thread.join(_PARTING)

    def _run(self) -> None:
        try:
            while not self._arrivals.awaited:
                if self._over.wait(PAUSE):
                    return
            while not self._over.is_set():
                self._serve(self._position)
        except BaseException as error:
            self._arrivals.fail(error)
            if not isinstance(error, UserError):
                raise

    def _serve(self, position: Position) -> None:
        """Keep what a position needs and fetch what comes next, until the sampler is elsewhere."""
        coming = self._coming(position)
        due = [*chain(*coming[: position.last - position.first + 1])]
        soon = {shard.key: place for place, shard in reversed([*enumerate(chain(*coming))])}
        since = time.monotonic()
        with ExitStack() as stack:
            for key in {shard.key for shard in due}:
                stack.enter_context(self._store.locked(key))
            while not self._over.is_set() and (now := self._position)[:3] == position[:3]:
                # Of every window that is begun, and of one more.
                ahead = chain(*coming[: now.newest - position.first + 2])
                missing = next((shard for shard in ahead if not self._store.has(shard.key)), None)
                if missing is not None and self._bring(missing, soon):
                    since = time.monotonic()
                    continue
                if missing in due and time.monotonic() - since > PATIENCE:
                    raise self._store.too_small(due)
                self._over.wait(PAUSE)

    def _coming(self, position: Position) -> list[list[StreamedShard]]:
        """Of each window from here to the end of the next epoch, in order, the shards that are fetched."""
        windows = [*self._windows(position.epoch)[position.first :]]
        if position.epoch + 1 < self._epochs:
            windows += self._windows(position.epoch + 1)
        found = [[self._shards[place] for place in window] for window in windows]
        return [[shard for shard in window if shard.in_store] for window in found]

    def _bring(self, shard: StreamedShard, soon: dict[str, int]) -> bool:
        for pause in (*RETRIES, None):
            try:
                return self._store.bring(shard, soon)
            except HubUnreachable:
                if pause is None or self._over.wait(pause):
                    raise
        return False
