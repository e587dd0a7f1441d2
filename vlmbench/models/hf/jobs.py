"""Requests made ready for the device: all that needs no device, a little ahead of it.

requests -> prompts (text, size) -> windows -> units -> jobs (pictures processed, tokens in a tree)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from vlmbench.domain import ImageRef, Request, Response
from vlmbench.models.hf.batching import Job, Prompt, failure
from vlmbench.models.hf.grouping import Unit, units, windows
from vlmbench.models.hf.pictures import Pictures
from vlmbench.models.hf.render import Renderer
from vlmbench.models.hf.shared_prefix import Sharer
from vlmbench.models.hf.size import prompt_length

if TYPE_CHECKING:
    from PIL.Image import Image


class Workshop:
    """Makes jobs of requests. What cannot be made ready comes out as an error response."""

    def __init__(self, pictures: Pictures, renderer: Renderer, processor: Any, sharer: Sharer | None) -> None:
        self._pictures, self._renderer = pictures, renderer
        self._processor, self._sharer = processor, sharer

    def jobs(self, requests: Iterable[Request], window: int) -> Iterator[Job | Response]:
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

    def _ready(self, unit: Unit) -> Iterator[Job | Response]:
        try:
            if self._sharer is None or not _is_greedy(unit):
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

    def _trees(self, sharer: Sharer, unit: Unit) -> Iterator[Job]:
        made: list[Job] = []
        rest = list(unit)
        while rest:
            found = sharer.share([prompt.text for prompt in rest], self._shown(rest[0]))
            if found is None:
                made += self._plain(tuple(rest))
                break
            alike, shared = found
            prompts = tuple(rest[place] for place in alike)
            made.append(Job(prompts=prompts, tokens=shared.tokens, shared=shared))
            rest = [prompt for place, prompt in enumerate(rest) if place not in set(alike)]
        # All or nothing: were one to fail after another was handed on, that one would be asked twice.
        yield from made

    def _plain(self, unit: Unit) -> list[Job]:
        return [Job(prompts=(p,), tokens=p.length, pictures=self._shown(p)) for p in unit]

    def _shown(self, prompt: Prompt) -> tuple[Image, ...]:
        fit = prompt.request.image_fit
        return tuple(self._pictures.image(digest, fit) for digest in prompt.digests)


def weigh(job: Job | Response) -> int:
    """One a prompt and one a megabyte of processed pictures."""
    if isinstance(job, Response):
        return 1
    pixels = job.shared.trunk.pixels.values() if job.shared else ()
    return len(job.prompts) + sum(int(tensor.nbytes) for tensor in pixels) // 2**20


def _is_greedy(unit: Unit) -> bool:
    decoding = unit[0].request.decoding
    return not decoding.do_sample and decoding.num_beams == 1


def _drained(failed: list[Response]) -> Iterator[Response]:
    while failed:
        yield failed.pop(0)
