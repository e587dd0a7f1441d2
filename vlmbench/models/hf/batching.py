"""Which prompts are asked together: windows of requests, units of one picture, batches by a budget of tokens.

A unit is all questions on the same pictures, or without any, all of one group. A window does not end inside
a unit if it can help it, and a benchmark of any size needs bounded memory. Within a window the longest units
come first: little padding in a batch, and one that does not fit shows at once.

A job is one prompt, or several that share their pictures and the text before and around them. A batch that
does not fit on the device halves the budget for good. Answers do not depend on any of this.

A job over the budget is divided, and what its prompts share is computed once for each part. Where that
is most of it, as with a picture of thousands of tokens, dividing would cost more than it saves: until a
batch has really not fit, such a job goes whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from vlmbench.domain import ImageRef, Request, Response
from vlmbench.errors import UserError
from vlmbench.model_files.silence import first_line
from vlmbench.model_files.threads import widest

if TYPE_CHECKING:
    from PIL.Image import Image

    from vlmbench.models.hf.prefix_tree import SharedPrompts

MAX_WINDOW_PIXELS = 256_000_000
"""Decoded pictures of one window take about three quarters of a gigabyte, unless a single one takes more."""
CPU_TOKENS = 2048
"""More do not make a processor busier, and what a layer puts out for them no longer stays in its caches."""
MOST_TOKENS = 65_536


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceJob:
    """Prompts that are asked as one, with all that the device needs for them."""

    prompts: tuple[Prompt, ...]
    tokens: int
    """How many the device is given for it."""
    shared: SharedPrompts | None = None
    """The prompts as one tree of tokens; None: a single prompt, asked the plain way."""
    pictures: tuple[Image, ...] = ()
    """Of a prompt asked the plain way."""

    def fits_with(self, other: DeviceJob) -> bool:
        """Whether both can be in one batch: one way of decoding, and pictures in both or in neither."""
        mine, its = self.prompts[0], other.prompts[0]
        return (
            mine.request.decoding == its.request.decoding
            and bool(mine.digests) == bool(its.digests)
            and (self.shared is None) == (other.shared is None)
        )

    @property
    def is_mostly_shared(self) -> bool:
        """Whether a half of it would still be three quarters of its tokens, or more."""
        if self.shared is None:
            return False
        # What the first and the last in order begin with, all between them begin with too.
        first, last = min(self.shared.rows), max(self.shared.rows)
        in_common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
        return 2 * in_common >= self.tokens

    def halves(self) -> tuple[DeviceJob, ...]:
        """The same prompts in two jobs; a job of one prompt is not divided."""
        if self.shared is None or len(self.prompts) == 1:
            return (self,)
        middle = (len(self.prompts) + 1) // 2
        return self._part(0, middle), self._part(middle, len(self.prompts))

    def singles(self) -> Iterator[DeviceJob]:
        """Every prompt in a job of its own."""
        for place in range(len(self.prompts)):
            yield self._part(place, place + 1)

    def _part(self, start: int, end: int) -> DeviceJob:
        if self.shared is None:
            return self
        shared = self.shared.part(start, end)
        return DeviceJob(prompts=self.prompts[start:end], tokens=shared.tokens, shared=shared)


Ask = Callable[[Sequence[DeviceJob]], list[Response]]


class Batcher:
    """Answers jobs in batches of at most so many tokens, padding counted, and at most so many prompts."""

    def __init__(self, tokens: int, rows: int | None = None) -> None:
        self.tokens, self.rows = tokens, rows
        self.halvings = 0
        """How often a batch did not fit."""

    def answer(self, jobs: Iterable[DeviceJob | Response], ask: Ask) -> Iterator[Response]:
        """Every prompt answered once, one that fails alone; what is a response already passes through."""
        source, waiting = iter(jobs), deque[DeviceJob]()
        while True:
            batch: list[DeviceJob] = []
            for job in self._batch(source, waiting):
                if isinstance(job, Response):
                    yield job
                else:
                    batch.append(job)
            if not batch:
                return
            try:
                answers = ask(batch)
            except OutOfMemoryError as error:
                answers = self._make_smaller(batch, waiting, error)
            except Exception as error:  # the model's own code; whatever it raises is this batch's misfortune
                answers = _one_by_one(batch, ask, error)
            yield from answers

    def _batch(
        self, source: Iterator[DeviceJob | Response], waiting: deque[DeviceJob]
    ) -> Iterator[DeviceJob | Response]:
        batch: list[DeviceJob] = []
        while True:
            job = waiting.popleft() if waiting else next(source, None)
            if job is None:
                return
            if isinstance(job, Response):
                yield job
            elif self._is_to_be_divided(job):
                waiting.extendleft(reversed(job.halves()))
            elif batch and not (batch[0].fits_with(job) and self._has_room(*batch, job)):
                waiting.appendleft(job)
                return
            else:
                batch.append(job)
                yield job

    def _is_to_be_divided(self, job: DeviceJob) -> bool:
        if len(job.prompts) == 1 or self._has_room(job):
            return False
        return not self._has_rows(job) or self.halvings > 0 or not job.is_mostly_shared

    def _has_room(self, *batch: DeviceJob) -> bool:
        return _cost(batch) <= self.tokens and self._has_rows(*batch)

    def _has_rows(self, *batch: DeviceJob) -> bool:
        rows = sum(len(job.prompts) for job in batch)
        # `generate` draws its random numbers a batch at a time, so only a batch of one can be repeated.
        plain = all(job.shared is None for job in batch)
        most = 1 if plain and batch[0].prompts[0].request.decoding.do_sample else self.rows
        return most is None or rows <= most

    def _make_smaller(
        self, batch: Sequence[DeviceJob], waiting: deque[DeviceJob], error: OutOfMemoryError
    ) -> list[Response]:
        prompts = [prompt for job in batch for prompt in job.prompts]
        if len(prompts) == 1:
            return [failure(prompts[0].request.id, error)]
        self.halvings += 1
        self.tokens = max(1, _cost(batch) // 2)
        waiting.extendleft(reversed(batch if len(batch) > 1 else batch[0].halves()))
        return []


def _cost(batch: Sequence[DeviceJob]) -> int:
    return len(batch) * max(job.tokens for job in batch)


def _one_by_one(batch: Sequence[DeviceJob], ask: Ask, error: Exception) -> list[Response]:
    alone = [single for job in batch for single in job.singles()]
    if len(alone) == 1:
        return [failure(alone[0].prompts[0].request.id, error)]
    answers: list[Response] = []
    for job in alone:
        try:
            answers += ask([job])
        except Exception as its_own:
            answers.append(failure(job.prompts[0].request.id, its_own))
    return answers


def failure(request_id: str, error: BaseException) -> Response:
    """An error as the answer to one request."""
    reason = first_line(error)
    known = isinstance(error, (UserError, OutOfMemoryError)) or reason == type(error).__name__
    text = reason if known else f"{type(error).__name__}: {reason}"
    return Response(id=request_id, text="", finish="error", error=text)


Unit = tuple[Prompt, ...]


def windows(prompts: Iterable[Prompt], most: int, pixels: int = MAX_WINDOW_PIXELS) -> Iterator[list[Prompt]]:
    """Consecutive prompts, about so many and with at most so many pixels of distinct pictures."""
    window: list[Prompt] = []
    seen: set[tuple[str, ...]] = set()
    total = 0
    for prompt in prompts:
        new = 0 if prompt.digests in seen else prompt.pixels
        if window and (_is_full(window, prompt, most) or (new and total + new > pixels)):
            yield window
            window, seen, total, new = [], set(), 0, prompt.pixels
        window.append(prompt)
        seen.add(prompt.digests)
        total += new
    if window:
        yield window


def _is_full(window: Sequence[Prompt], prompt: Prompt, most: int) -> bool:
    # A unit may run over the end of a window, but one without end must not.
    over = len(window) >= 2 * most or _together(prompt) != _together(window[-1])
    return len(window) >= most and over


def units(window: Sequence[Prompt]) -> list[Unit]:
    """The prompts of a window, those that belong together in one, alike ones and long ones first."""
    found: dict[Hashable, list[Prompt]] = {}
    for prompt in window:
        found.setdefault(_together(prompt), []).append(prompt)
    kinds: dict[Hashable, int] = {}
    for prompt in window:
        kinds.setdefault(_kind(prompt), len(kinds))
    made = [tuple(prompts) for prompts in found.values()]
    return sorted(made, key=lambda unit: (kinds[_kind(unit[0])], -_length(unit)))


def _together(prompt: Prompt) -> Hashable:
    request = prompt.request
    return prompt.digests or request.group, request.image_fit, request.decoding


def _kind(prompt: Prompt) -> Hashable:
    return prompt.request.decoding, bool(prompt.digests)


def _length(unit: Unit) -> int:
    """About how many tokens: the longest prompt, and of the others what it does not share with them."""
    longest = max(unit, key=lambda prompt: prompt.length)
    letters = zip(*(prompt.text for prompt in unit), strict=False)
    common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, letters))
    return longest.length + sum((len(p.text) - common) // 4 for p in unit if p is not longest)


def prompt_length(processor: Any, text: str, sizes: Sequence[tuple[int, int]]) -> int:
    """About how many tokens: bytes over four for the text, and what the processor counts for its pictures."""
    return len(text.encode("utf-8", "replace")) // 4 + _picture_tokens(processor, sizes)


def _picture_tokens(processor: Any, sizes: Sequence[tuple[int, int]]) -> int:
    if not sizes:
        return 0
    try:
        counts = processor._get_num_multimodal_tokens(
            image_sizes=[[height, width] for width, height in sizes]
        )
        return int(sum(counts["num_image_tokens"]))
    # Not every processor counts them, and only the order of the lengths matters.
    except Exception:
        return sum(width * height for width, height in sizes) // (28 * 28)


def starting_budget(model: Any) -> int:
    """How many tokens should fit beside the weights."""
    import torch

    if model.device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(model.device)
    # What training has freed, torch keeps for itself; the device does not count it as free.
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    each = bytes_per_token(model.config.get_text_config(decoder=True), model.dtype.itemsize)
    return max(1, min(MOST_TOKENS, int(0.8 * free) // each))


def bytes_per_token(config: Any, itemsize: int) -> int:
    """Keys and values of every layer, and as much again as one layer's work at its widest."""
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    cache = 2 * config.num_hidden_layers * key_heads * head
    width = widest(config, "intermediate_size") or 4 * config.hidden_size
    work = 4 * (config.hidden_size + width)
    return int((cache + work) * itemsize)
