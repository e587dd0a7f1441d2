"""An iterator run in a thread of its own, a little ahead of whoever reads it.

Decoding pictures and running the processor is work for the CPU; so done, it costs no time as long as
the device is busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterate once, inside `with`; leaving it stops the thread after the item in hand.

    The thread rests while what is ready weighs `most` or more.
    """

    def __init__(self, source: Iterable[T], most: int, weigh: Callable[[T], int]) -> None:
        self._source, self._most, self._weigh = source, most, weigh
        self._weight = 0
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = self._finished = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vlmbench-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._items()

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _items(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._finished)
                if not self._ready:
                    break
                item = self._ready.popleft()
                self._weight -= self._weigh(item)
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._source:
                with self._changed:
                    self._ready.append(item)
                    self._weight += self._weigh(item)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._weight < self._most or self._stopped)
                    if self._stopped:
                        return
        except BaseException as error:  # belongs to the reader, who gets it after what came before it
            self._error = error
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()
