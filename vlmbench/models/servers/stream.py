"""Results of many questions as they come, from an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Ask = Callable[[Item], Awaitable[Result]]
Opening = Callable[[], contextlib.AbstractAsyncContextManager[Ask[Item, Result]]]
"""Opens what is needed inside the event loop, gives the question, and closes it again."""


class _Stream(Generic[Item, Result]):
    """An event loop in a thread of its own, so that callers may have one themselves (a notebook has)."""

    def __init__(
        self, opening: Opening[Item, Result], items: Iterable[Item], room: Callable[[], int]
    ) -> None:
        self._opening, self._items, self._room = opening, items, room
        self._out: queue.Queue[Result | BaseException | None] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def results(self) -> Iterator[Result]:
        """Every result; the first exception ends all."""
        self._thread.start()
        try:
            while (result := self._out.get()) is not None:
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(timeout=5)

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _run(self) -> None:
        try:
            self._main = self._loop.create_task(self._all())
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._out.put(error)
        finally:
            self._out.put(None)
            self._loop.close()

    async def _all(self) -> None:
        async with self._opening() as ask:
            tasks: set[asyncio.Task[None]] = set()
            try:
                for item in self._items:
                    # A question is worded when its turn comes: its pictures are in memory from then on.
                    while len(tasks) >= self._room():
                        tasks = await _one_less(tasks)
                    tasks.add(asyncio.create_task(self._one(ask, item)))
                while tasks:
                    tasks = await _one_less(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, ask: Ask[Item, Result], item: Item) -> None:
        self._out.put(await ask(item))


async def _one_less(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that are not done, when at least one is; raises what one of them raised."""
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left


def as_they_come(
    opening: Opening[Item, Result], items: Iterable[Item], room: Callable[[], int]
) -> Iterator[Result]:
    """Ask for every item, as many at a time as `room` says at the moment.

    Closing the iterator stops what is under way.
    """
    yield from _Stream(opening, items, room).results()
