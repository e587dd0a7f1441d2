"""Hugging Face image-text-to-text models: any folder or hub id that AutoModelForImageTextToText loads.

Answers come from trees: what the questions on a picture, or the draws of one question, share is computed
once. Beams and kinds of models not known to allow it are asked the plain way, by the model's own `generate`.
`timing` counts how many went which way.

In float32, answers are those of asking one by one, whatever the batch size and wherever a run is
taken up again. In half precision the same sums are rounded in another order, so where two
tokens are a rounding apart either can come out; the answers of one batch size repeat exactly.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from vlmbench.decoding import seed_of
from vlmbench.domain import ImageSource, Request, Response
from vlmbench.model_files.folder import check_folder, described_by, weight_files
from vlmbench.model_files.loading import choose_device, choose_dtype, load_weights, placed
from vlmbench.model_files.picture_options import AS_PUBLISHED, PictureOptions, picture_facts, set_pictures
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture, seen_pictures
from vlmbench.model_files.processor import load_processor, mean_colour, stops_of
from vlmbench.model_files.threads import ThreadChoice, choose_threads
from vlmbench.model_names import names_of
from vlmbench.models.engine_args import EngineArgs, engine_facts, of_transformers, refuse_put_together
from vlmbench.models.hf.any_layout import Parts, assembled, digests, read_here, source_of
from vlmbench.models.hf.batching import Batcher, DeviceJob, starting_budget
from vlmbench.models.hf.generate import Completion, Generator, end_answers
from vlmbench.models.hf.grouped import GroupedGenerator
from vlmbench.models.hf.prefetch import DecodedPictures, JobMaker, Prefetcher, weigh
from vlmbench.models.hf.prefix_tree import Sharer, takes_trees
from vlmbench.models.hf.render import Renderer
from vlmbench.models.hf.thoughts import AnswerDecoder
from vlmbench.models.thinking_switch import ThinkingSwitch, switch_facts
from vlmbench.prompts import ChosenStyle, style_of_type
from vlmbench.terminal.screen import doing

WINDOW = 512
"""Requests read at a time with `--batch-size auto`."""
AHEAD = 512
"""Prompts, and megabytes of their pictures, made ready before the device wants them."""
NO_PARTS = Parts()
NO_ARGS: EngineArgs = MappingProxyType({})
TREES = "shared prefix"
PICTURES = "shared pictures"
PLAIN = "plain"


def load_hf(
    path: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    trust_remote_code: bool = False,
    parts: Parts = NO_PARTS,
    thinking: ThinkingSwitch | None = None,
    pictures: PictureOptions = AS_PUBLISHED,
    engine_args: EngineArgs = NO_ARGS,
) -> HfModel:
    """The model of a folder, file or hub id, on a device, or an error that names the file that is wrong."""
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    source = source_of(path, trust_remote_code=trust_remote_code)
    with doing(f"loading {name_of(path, source)} {placed(place, kind)}"):
        reading = read_here(source, parts)
        if reading is None:
            files = {file.name: file for file in checked_files(source, trust_remote_code=trust_remote_code)}
            config = load_config(source, trust_remote_code=trust_remote_code)
            processor = load_processor(
                source, config, trust_remote_code=trust_remote_code, template=parts.template
            )
            renderer = Renderer(processor, source, thinking, name_of(path, source))
            weights = load_weights(
                source,
                device=place,
                dtype=kind,
                trust_remote_code=trust_remote_code,
                settings=of_transformers(engine_args),
            )
            end_answers(weights.generation_config, stops_of(parts.template, processor.tokenizer))
        else:
            from vlmbench.checkpoints.read import files_of

            refuse_put_together(engine_args, source)
            files = files_of(reading)
            weights, processor = assembled(reading, device=place, dtype=kind)
            renderer = Renderer(processor, source, thinking, name_of(path, source))
    set_pictures(processor, weights.config, pictures)
    rows = None if batch_size == "auto" else batch_size
    model = HfModel(
        name_of(path, source),
        files,
        weights,
        processor,
        renderer,
        rows,
        pictures=pictures,
        engine_args=engine_args,
    )
    model.threads = choose_threads(place, weights.config)
    return model


class HfModel:
    """A loaded model. Make one with `load_hf`."""

    threads: ThreadChoice | None = None
    """How many processor threads were chosen for it; None where nothing was."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, Path],
        weights: Any,
        processor: Any,
        renderer: Renderer,
        rows: int | None,
        *,
        keeps_training: bool = False,
        pictures: PictureOptions = AS_PUBLISHED,
        engine_args: EngineArgs = NO_ARGS,
    ) -> None:
        self._pictures, self._engine_args = pictures, engine_args
        self._name, self._files = name, files
        self._weights, self._processor, self._renderer = weights, processor, renderer
        self._generator = Generator(weights, processor, trainable=keeps_training)
        self._decoder = AnswerDecoder(processor.tokenizer)
        self._grouped = GroupedGenerator(self._generator)
        can_share = takes_trees(weights) and not self._generator.is_steered
        self._sharer = Sharer(weights, processor, renderer.marks) if can_share else None
        self._batcher = Batcher(starting_budget(weights), rows)
        self._counts = GenerationCounts()

    @property
    def name(self) -> str:
        """The end of its path that identifies it, or its hub id."""
        return self._name

    @property
    def placed(self) -> str:
        """Where it computes, and in what type: `on cpu, float32`."""
        return placed(str(self._weights.device), str(self._weights.dtype).removeprefix("torch."))

    @property
    def chosen_style(self) -> ChosenStyle:
        """That of the model's family; VLMEvalKit's default for a family that has none."""
        return style_of_type(self._weights.config.model_type)

    @property
    def style(self) -> str:
        """Its name."""
        return self.chosen_style.name

    @property
    def generation_settings(self) -> Mapping[str, Any] | None:
        """What the checkpoint's own generation settings say; None where it has none."""
        return self._generator.own

    @property
    def files(self) -> Mapping[str, Path]:
        """The files whose digests are among its facts."""
        return self._files

    @property
    def token_budget(self) -> int:
        """How many tokens a batch may have now; fewer than at first if a batch did not fit."""
        return self._batcher.tokens

    @property
    def timing(self) -> Mapping[str, Any]:
        """Which way the answers of the latest `generate` came, and what sharing saved."""
        return self._counts.document(self._batcher)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Digests of every file that decides an answer, what is read from them, and what was set."""
        facts = facts_of(
            "hf",
            type(self._weights).__name__,
            str(self._weights.dtype).removeprefix("torch."),
            self._files,
            self._processor,
            self._generator.settings,
        )
        facts |= {"pictures": self._pictures.given} if self._pictures.given else {}
        return facts | engine_facts(self._engine_args) | switch_facts(self._renderer.thinking)

    @property
    def picture_settings(self) -> Mapping[str, Any]:
        """How pictures are resized and cut, by the image processor's own names."""
        return picture_facts(self._processor)

    def seen_pictures(self, shown: Sequence[ShownPicture]) -> list[SeenPicture]:
        """The size, tiles and tokens of pictures as the model sees them."""
        return seen_pictures(self._processor, shown)

    def render(self, request: Request) -> str:
        """The exact text the model will see, before each picture's mark is repeated once a token."""
        return self._renderer.text(request)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answer every request once, in any order; a failing one becomes an error response."""
        self._counts = GenerationCounts(halvings_before=self._batcher.halvings)
        rows = self._batcher.rows
        pictures = DecodedPictures(images, mean_colour(self._processor))
        workshop = JobMaker(pictures, self._renderer, self._processor, self._sharer)
        window, ahead = (WINDOW, AHEAD) if rows is None else (max(32, 4 * rows), min(AHEAD, 4 * rows))
        with Prefetcher(workshop.jobs(requests, window), ahead, weigh) as ready:
            yield from self._batcher.answer(ready, self._ask)

    def _ask(self, batch: Sequence[DeviceJob]) -> list[Response]:
        started = time.perf_counter()
        answers = self._as_trees(batch) if batch[0].shared else self._plainly(batch)
        prompts = [prompt for job in batch for prompt in job.prompts]
        seconds = (time.perf_counter() - started) / len(prompts)
        return [
            self._decoder.response(
                prompt.request.id, answer, seconds, self._renderer.opening_of(prompt.request)
            )
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _as_trees(self, batch: Sequence[DeviceJob]) -> list[Completion]:
        units = [job.shared for job in batch if job.shared is not None]
        requests = [[prompt.request for prompt in job.prompts] for job in batch]
        seeds = [[seed_of(request.decoding, request.id) for request in unit] for unit in requests]
        answers = self._grouped.answers(units, requests[0][0].decoding, seeds)
        self._counts.trees(batch)
        return answers

    def _plainly(self, batch: Sequence[DeviceJob]) -> list[Completion]:
        prompts = [job.prompts[0] for job in batch]
        first = prompts[0].request
        answers, encoded = self._generator.answers(
            [prompt.text for prompt in prompts],
            [job.pictures for job in batch],
            first.decoding,
            seed=seed_of(first.decoding, first.id),
            same=[(prompt.digests, prompt.request.image_fit) for prompt in prompts],
        )
        self._counts.plain(answers, encoded, with_pictures=bool(batch[0].pictures))
        return answers


@dataclass(slots=True)
class GenerationCounts:
    """Counts of one `generate`."""

    paths: dict[str, int] = field(default_factory=dict)
    prefilled: int = 0
    saved: int = 0
    encoded: int = 0
    halvings_before: int = 0
    """How often a batch had not fit when this began."""

    def trees(self, batch: Sequence[DeviceJob]) -> None:
        """A batch of trees was answered."""
        for job in batch:
            if job.shared is not None:
                # A tree of one prompt shares nothing.
                self._came(TREES if len(job.prompts) > 1 else PLAIN, len(job.prompts))
                self.prefilled += job.shared.tokens
                self.saved += sum(map(len, job.shared.rows)) - job.shared.tokens
                self.encoded += bool(job.shared.trunk.pixels)

    def plain(self, answers: Sequence[Completion], encoded: int, *, with_pictures: bool) -> None:
        """A batch was answered by the model's own `generate`, `encoded` sets of pictures with it."""
        shared = with_pictures and encoded < len(answers)
        self._came(PICTURES if shared else PLAIN, len(answers))
        self.prefilled += sum(answer.prompt_tokens for answer in answers)
        self.encoded += encoded

    def _came(self, path: str, rows: int) -> None:
        self.paths[path] = self.paths.get(path, 0) + rows

    def document(self, batcher: Batcher) -> dict[str, Any]:
        """As `timing` of results.json has them."""
        return {
            "paths": dict(self.paths),
            "prompt_tokens_computed": self.prefilled,
            "prompt_tokens_saved": self.saved,
            "pictures_encoded": self.encoded,
            "out_of_memory": batcher.halvings - self.halvings_before,
            "token_budget": batcher.tokens,
        }


def name_of(path: str, source: Path) -> str:
    """The end of a path that identifies the model, or its hub id."""
    here = Path(path)
    return names_of(path, here if path and here.exists() else None)[0] or source.resolve().name


def checked_files(folder: Path, *, trust_remote_code: bool) -> list[Path]:
    """The files that decide an answer, of a folder that holds all it needs."""
    check_folder(folder, trust_remote_code=trust_remote_code)
    return sorted({*described_by(folder), *weight_files(folder)})


def facts_of(
    kind: str, architecture: str, dtype: str, files: Mapping[str, Path], processor: Any, generation: Any
) -> dict[str, Any]:
    """Digests of every file that decides an answer, and what is read from them."""
    from transformers import __version__

    template = json.dumps(processor.chat_template, sort_keys=True)
    return {
        "kind": kind,
        "architecture": architecture,
        "dtype": dtype,
        "files": digests(files),
        "processor": type(processor).__name__,
        "image processor": type(processor.image_processor).__name__,
        "chat template": hashlib.sha256(template.encode()).hexdigest(),
        "generation": generation,
        "transformers": __version__,
    }


def load_config(folder: Path, *, trust_remote_code: bool) -> Any:
    """config.json as transformers understands it."""
    from transformers import AutoConfig

    from vlmbench.errors import ModelError
    from vlmbench.model_files.silence import first_line, quiet

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
