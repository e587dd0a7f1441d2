"""Which requests are answered together.

Requests are read a window at a time, so that a benchmark of any size needs bounded memory. Within
a window they are sorted by length, longest first: little padding, and a batch that does not fit
shows at once. Greedy answers do not depend on any of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vlmbench.domain import ImageRef, Request, Response
from vlmbench.errors import UserError
from vlmbench.models.hf_quiet import first_line

MAX_WINDOW_PIXELS = 256_000_000
"""Decoded pictures of one window take about three quarters of a gigabyte, unless a single one takes more."""


class OutOfMemoryError(Exception):
    """A batch was too large for the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request ready to be asked."""

    request: Request
    text: str
    length: int
    """About how many tokens; only its order counts."""
    pixels: int

    @property
    def digests(self) -> tuple[str, ...]:
        """The pictures, in the order shown."""
        return tuple(part.digest for part in self.request.parts if isinstance(part, ImageRef))

    def fits_with(self, other: Prompt) -> bool:
        """Whether both can be in one batch: one way of decoding, and pictures in both or in neither."""
        return self.request.decoding == other.request.decoding and bool(self.digests) == bool(other.digests)


def windows(prompts: Iterable[Prompt], most: int, pixels: int = MAX_WINDOW_PIXELS) -> Iterator[list[Prompt]]:
    """Consecutive prompts, at most so many and with at most so many pixels of distinct pictures."""
    window: list[Prompt] = []
    seen: set[tuple[str, ...]] = set()
    total = 0
    for prompt in prompts:
        new = 0 if prompt.digests in seen else prompt.pixels
        if window and (len(window) == most or (new and total + new > pixels)):
            yield window
            window, seen, total, new = [], set(), 0, prompt.pixels
        window.append(prompt)
        seen.add(prompt.digests)
        total += new
    if window:
        yield window


class Batcher:
    """Answers windows in batches, and halves the batch for good when one does not fit."""

    def __init__(self, size: int) -> None:
        self.size = size

    def answer(
        self, window: Sequence[Prompt], ask: Callable[[Sequence[Prompt]], list[Response]]
    ) -> Iterator[Response]:
        """Every prompt of the window answered once; one that fails fails alone."""
        queue = sorted(window, key=lambda prompt: -prompt.length)
        while queue:
            batch = self._next(queue)
            try:
                answers = ask(batch)
            except OutOfMemoryError as error:
                if len(batch) > 1:
                    self.size = len(batch) // 2
                    continue
                answers = [failure(batch[0].request.id, error)]
            except Exception as error:  # the model's own code; whatever it raises is this batch's misfortune
                answers = (
                    [failure(batch[0].request.id, error)] if len(batch) == 1 else _one_by_one(batch, ask)
                )
            asked = {prompt.request.id for prompt in batch}
            queue = [prompt for prompt in queue if prompt.request.id not in asked]
            yield from answers

    def _next(self, queue: Sequence[Prompt]) -> list[Prompt]:
        first = queue[0]
        # Sampling draws its random numbers a batch at a time, so only a batch of one can be repeated.
        size = 1 if first.request.decoding.do_sample else self.size
        return [prompt for prompt in queue if prompt.fits_with(first)][:size]


def _one_by_one(batch: Sequence[Prompt], ask: Callable[[Sequence[Prompt]], list[Response]]) -> list[Response]:
    answers: list[Response] = []
    for prompt in batch:
        try:
            answers += ask([prompt])
        except Exception as error:
            answers.append(failure(prompt.request.id, error))
    return answers


def failure(request_id: str, error: BaseException) -> Response:
    """An error as the answer to one request."""
    reason = first_line(error)
    known = isinstance(error, (UserError, OutOfMemoryError)) or reason == type(error).__name__
    text = reason if known else f"{type(error).__name__}: {reason}"
    return Response(id=request_id, text="", finish="error", error=text)
