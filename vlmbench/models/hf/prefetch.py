"""Requests made ready for the device, in a thread of its own and a little ahead of it.

    requests -> prompts (text, size) -> windows -> units -> jobs (pictures processed, tokens in a tree)

Decoding pictures and running the processor is work for the CPU; done ahead, it costs no time as long as the
device is busy.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vlmbench.domain import ImageFit, ImageRef, ImageSource, Request, Response
from vlmbench.errors import DataError
from vlmbench.images import open_picture, pad_to_square, picture_size
from vlmbench.models.hf.batching import DeviceJob, Prompt, Unit, failure, prompt_length, units, windows
from vlmbench.models.hf.prefix_tree import Sharer
from vlmbench.models.hf.render import Renderer

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


class JobMaker:
    """Makes jobs of requests. What cannot be made ready comes out as an error response."""

    def __init__(
        self, pictures: DecodedPictures, renderer: Renderer, processor: Any, sharer: Sharer | None
    ) -> None:
        self._pictures, self._renderer = pictures, renderer
        self._processor, self._sharer = processor, sharer

    def jobs(self, requests: Iterable[Request], window: int) -> Iterator[DeviceJob | Response]:
        """In windows of about so many requests, long units first."""
        failed: list[Response] = []
        for prompts in windows(self._prompts(requests, failed), most=window):
            yield from _drained(failed)
            still = Counter(digest for prompt in prompts for digest in prompt.digests)
            for unit in units(prompts):
                yield from self._ready(unit)
                still.subtract(digest for prompt in unit for digest in prompt.digests)
                self._pictures.keep_only(digest for digest, left in still.items() if left > 0)
        yield from _drained(failed)

    def _prompts(self, requests: Iterable[Request], failed: list[Response]) -> Iterator[Prompt]:
        for request in requests:
            try:
                yield self._prompt(request)
            # A broken picture or a template's refusal is this request's misfortune alone.
            except Exception as error:
                failed.append(failure(request.id, error))

    def _prompt(self, request: Request) -> Prompt:
        refs = [part for part in request.parts if isinstance(part, ImageRef)]
        sizes = [self._pictures.size(ref.digest, request.image_fit) for ref in refs]
        text = self._renderer.text(request)
        return Prompt(
            request=request,
            text=text,
            length=prompt_length(self._processor, text, sizes),
            pixels=sum(width * height for width, height in sizes),
        )

    def _ready(self, unit: Unit) -> Iterator[DeviceJob | Response]:
        try:
            if self._sharer is None or unit[0].request.decoding.num_beams > 1:
                yield from self._plain(unit)
            else:
                yield from self._trees(self._sharer, unit)
        # As above; the prompts of a unit have their pictures in common, so its misfortune is theirs.
        except Exception as error:
            if len(unit) == 1:
                yield failure(unit[0].request.id, error)
            else:
                for prompt in unit:
                    yield from self._ready((prompt,))

    def _trees(self, sharer: Sharer, unit: Unit) -> Iterator[DeviceJob]:
        made: list[DeviceJob] = []
        rest = list(unit)
        while rest:
            found = sharer.share([prompt.text for prompt in rest], self._shown(rest[0]))
            if found is None:
                made += self._plain(tuple(rest))
                break
            alike, shared = found
            prompts = tuple(rest[place] for place in alike)
            made.append(DeviceJob(prompts=prompts, tokens=shared.tokens, shared=shared))
            rest = [prompt for place, prompt in enumerate(rest) if place not in set(alike)]
        # All or nothing: were one to fail after another was handed on, that one would be asked twice.
        yield from made

    def _plain(self, unit: Unit) -> list[DeviceJob]:
        return [DeviceJob(prompts=(p,), tokens=p.length, pictures=self._shown(p)) for p in unit]

    def _shown(self, prompt: Prompt) -> tuple[Image, ...]:
        fit = prompt.request.image_fit
        return tuple(self._pictures.image(digest, fit) for digest in prompt.digests)


def weigh(job: DeviceJob | Response) -> int:
    """One a prompt and one a megabyte of processed pictures."""
    if isinstance(job, Response):
        return 1
    pixels = job.shared.trunk.pixels.values() if job.shared else ()
    return len(job.prompts) + sum(int(tensor.nbytes) for tensor in pixels) // 2**20


def _drained(failed: list[Response]) -> Iterator[Response]:
    while failed:
        yield failed.pop(0)


class DecodedPictures:
    """Pictures by digest and fit. What is no longer at hand is forgotten, so memory stays bounded."""

    def __init__(self, source: ImageSource, colour: tuple[int, int, int]) -> None:
        self._source = source
        self._colour = colour
        self._native: dict[str, Image] = {}
        self._square: dict[str, Image] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def size(self, digest: str, fit: ImageFit) -> tuple[int, int]:
        """Width and height as the processor will see them, without decoding."""
        if digest not in self._sizes:
            self._sizes[digest] = picture_size(self._bytes(digest))
        width, height = self._sizes[digest]
        return (max(width, height),) * 2 if fit == "square" else (width, height)

    def image(self, digest: str, fit: ImageFit) -> Image:
        """The decoded picture."""
        if fit == "native":
            return self._decoded(digest)
        if digest not in self._square:
            self._square[digest] = pad_to_square(self._decoded(digest), self._colour)
        return self._square[digest]

    def keep_only(self, digests: Iterable[str]) -> None:
        """Forget every other picture."""
        kept = set(digests)
        self._native = {digest: image for digest, image in self._native.items() if digest in kept}
        self._square = {digest: image for digest, image in self._square.items() if digest in kept}
        self._sizes = {digest: size for digest, size in self._sizes.items() if digest in kept}

    def _decoded(self, digest: str) -> Image:
        if digest not in self._native:
            self._native[digest] = open_picture(self._bytes(digest))
        return self._native[digest]

    def _bytes(self, digest: str) -> bytes:
        try:
            return self._source[digest]
        except KeyError:
            raise DataError(f"the picture {digest[:12]} is not in the data.") from None


class Prefetcher(Generic[T]):
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
