"""Hugging Face image-text-to-text models: any folder or hub id that AutoModelForImageTextToText loads.

    hf_hub        hub id -> folder            hf_render     request -> exact text
    hf_folder     what must be in a folder    hf_pictures   digest -> pixels
    hf_processor  tokenizer, pictures, template   hf_batches    what is asked together
    hf_loading    weights                     hf_generate   one batch

Greedy float32 answers do not depend on the batch size; in half precision rounding differs with it,
so the last word of a close call can too. A later reuse of a group's common prefix
belongs in `HfModel._ask`: it is given prompts that carry their group, and returns responses.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vlmbench.domain import ImageRef, ImageSource, Request, Response
from vlmbench.models.hf_batches import Batcher, Prompt, failure, windows
from vlmbench.models.hf_folder import check_folder, described_by, weight_files
from vlmbench.models.hf_generate import Generator
from vlmbench.models.hf_hub import local_folder
from vlmbench.models.hf_loading import choose_device, choose_dtype, load_weights
from vlmbench.models.hf_pictures import Pictures
from vlmbench.models.hf_processor import load_processor, mean_colour
from vlmbench.models.hf_render import Renderer
from vlmbench.models.hf_size import prompt_length, starting_batch

LLAVA_KINDS = ("llava", "llava_next", "llava_onevision", "vipllava")
"""Families that published numbers ask in the LLaVA wrapper's words."""


def load_hf(
    path: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    trust_remote_code: bool = False,
) -> HfModel:
    """The model of a folder or hub id, on a device, or an error that names the file that is wrong."""
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    folder = local_folder(path, trust_remote_code=trust_remote_code)
    check_folder(folder, trust_remote_code=trust_remote_code)
    config = load_config(folder, trust_remote_code=trust_remote_code)
    processor = load_processor(folder, config, trust_remote_code=trust_remote_code)
    renderer = Renderer(processor, folder)
    weights = load_weights(folder, device=place, dtype=kind, trust_remote_code=trust_remote_code)
    name = path.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    size = starting_batch(weights) if batch_size == "auto" else batch_size
    return HfModel(name or folder.resolve().name, folder, weights, processor, renderer, size)


class HfModel:
    """A loaded model. Make one with `load_hf`."""

    def __init__(
        self, name: str, folder: Path, weights: Any, processor: Any, renderer: Renderer, batch_size: int
    ) -> None:
        self._name, self._folder = name, folder
        self._weights, self._processor, self._renderer = weights, processor, renderer
        self._generator = Generator(weights, processor)
        self._batcher = Batcher(batch_size)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._name

    @property
    def style(self) -> str:
        """`llava` for the LLaVA families, VLMEvalKit's default wording for everything else."""
        return "llava" if self._weights.config.model_type in LLAVA_KINDS else "vlmevalkit"

    @property
    def batch_size(self) -> int:
        """How many prompts are asked together now; smaller than at first if a batch did not fit."""
        return self._batcher.size

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Digests of every file that decides an answer, and what is read from them."""
        from transformers import __version__

        from vlmbench.data.digests import file_digest

        files = sorted({*described_by(self._folder), *weight_files(self._folder)})
        template = json.dumps(self._processor.chat_template, sort_keys=True)
        return {
            "kind": "hf",
            "architecture": type(self._weights).__name__,
            "dtype": str(self._weights.dtype).removeprefix("torch."),
            "files": {file.name: file_digest(file, algorithm="sha256") for file in files},
            "processor": type(self._processor).__name__,
            "image processor": type(self._processor.image_processor).__name__,
            "chat template": hashlib.sha256(template.encode()).hexdigest(),
            "generation": self._generator.settings,
            "transformers": __version__,
        }

    def render(self, request: Request) -> str:
        """The exact text the model will see, before each picture's mark is repeated once a token."""
        return self._renderer.text(request)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answer every request once, in any order; a failing one becomes an error response."""
        pictures = Pictures(images, mean_colour(self._processor))
        failed: list[Response] = []
        for window in windows(self._prompts(requests, pictures, failed), most=max(64, 4 * self.batch_size)):
            yield from _drained(failed)
            pictures.keep_only(digest for prompt in window for digest in prompt.digests)
            yield from self._batcher.answer(window, lambda batch: self._ask(batch, pictures))
        yield from _drained(failed)

    def _prompts(
        self, requests: Iterable[Request], pictures: Pictures, failed: list[Response]
    ) -> Iterator[Prompt]:
        for request in requests:
            try:
                yield self._prompt(request, pictures)
            # A broken picture or a template's refusal is this request's misfortune alone.
            except Exception as error:
                failed.append(failure(request.id, error))

    def _prompt(self, request: Request, pictures: Pictures) -> Prompt:
        refs = [part for part in request.parts if isinstance(part, ImageRef)]
        sizes = [pictures.size(ref.digest, request.image_fit) for ref in refs]
        text = self.render(request)
        return Prompt(
            request=request,
            text=text,
            length=prompt_length(self._processor, text, sizes),
            pixels=sum(width * height for width, height in sizes),
        )

    def _ask(self, batch: Sequence[Prompt], pictures: Pictures) -> list[Response]:
        started = time.perf_counter()
        first = batch[0].request
        answers = self._generator.answers(
            [prompt.text for prompt in batch],
            [[pictures.image(digest, p.request.image_fit) for digest in p.digests] for p in batch],
            first.decoding,
            seed=zlib.crc32(f"{first.decoding.seed} {first.id}".encode("utf-8", "replace")),
        )
        seconds = (time.perf_counter() - started) / len(batch)
        return [
            Response(
                id=prompt.request.id,
                text=answer.text,
                finish=answer.finish,
                prompt_tokens=answer.prompt_tokens,
                new_tokens=answer.new_tokens,
                seconds=round(seconds, 6),
            )
            for prompt, answer in zip(batch, answers, strict=True)
        ]


def load_config(folder: Path, *, trust_remote_code: bool) -> Any:
    """config.json as transformers understands it."""
    from transformers import AutoConfig

    from vlmbench.errors import ModelError
    from vlmbench.models.hf_quiet import first_line, quiet

    try:
        with quiet():
            return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    # A configuration can be wrong in as many ways as it has fields.
    except Exception as error:
        raise ModelError(
            f"the configuration cannot be read ({first_line(error)}).",
            file=folder / "config.json",
            fix="Copy it from the model's source.",
        ) from error


def _drained(failed: list[Response]) -> Iterator[Response]:
    while failed:
        yield failed.pop(0)
