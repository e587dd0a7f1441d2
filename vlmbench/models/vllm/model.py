"""The same folders as `hf`, answered by vLLM: continuous batching, cached prefixes and pictures.

    vllm:PATH     a Hugging Face folder, a hub id, or demo; any other layout is written as such a folder once

Template, escaping, padding, tokenizer and where an answer ends are the `hf` code itself; vLLM gets token
ids and pictures and gives back token ids. Requests stream in while answers stream out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vlmbench.checkpoints.formats.layout import config_of
from vlmbench.checkpoints.read import files_of
from vlmbench.domain import ImageRef, ImageSource, Request, Response
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import weight_files
from vlmbench.model_files.loading import choose_dtype, placed
from vlmbench.model_files.picture_options import AS_PUBLISHED, PictureOptions, picture_facts, set_pictures
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture, seen_pictures
from vlmbench.model_files.processor import load_processor, mean_colour, stops_of
from vlmbench.model_files.silence import quiet
from vlmbench.models.decoding_limits import check_decoding
from vlmbench.models.engine_args import EngineArgs, check_vllm_args, engine_facts
from vlmbench.models.generation_config import settings_in
from vlmbench.models.hf.any_layout import Parts, converted, in_parts, read_here, source_of
from vlmbench.models.hf.batching import failure
from vlmbench.models.hf.generate import Completion
from vlmbench.models.hf.model import NO_ARGS, NO_PARTS, checked_files, facts_of, load_config, name_of
from vlmbench.models.hf.prefetch import DecodedPictures
from vlmbench.models.hf.render import Renderer
from vlmbench.models.hf.stop_texts import StopTexts
from vlmbench.models.hf.thoughts import AnswerDecoder
from vlmbench.models.thinking_switch import ThinkingSwitch, switch_facts
from vlmbench.models.vllm.engine import (
    Engine,
    EngineDied,
    Setting,
    generation_of,
    need_vllm,
    pillow_for,
    sampling,
    settings_of,
    vllm_device,
)
from vlmbench.prompts import ChosenStyle, style_of_type
from vlmbench.terminal.screen import doing

_RENAMED = ("clip_vision_model", "siglip_vision_model")
"""Towers whose weights transformers 5 saves under other names than it published them."""
_UNPUBLISHED = ("vision_tower.embeddings.", "vision_tower.encoder.", "vision_tower.post_layernorm.")
"""How transformers 5 saves a CLIP tower. Published checkpoints have `vision_model.` in between."""


def load_vllm(
    path: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    trust_remote_code: bool = False,
    tensor_parallel: int = 1,
    parts: Parts = NO_PARTS,
    thinking: ThinkingSwitch | None = None,
    pictures: PictureOptions = AS_PUBLISHED,
    engine_args: EngineArgs = NO_ARGS,
) -> VllmModel:
    """The model of a folder or hub id in a vLLM engine, or an error that names the file that is wrong."""
    need_vllm()
    check_vllm_args(engine_args)
    place = vllm_device(device)
    kind = choose_dtype(dtype, place)
    source = source_of(path, trust_remote_code=trust_remote_code)
    reading = read_here(source, parts)
    if reading is None and is_unpublished(source):
        reading = in_parts(source, parts)
    if reading is None:
        folder, template = source, parts.template
        files = {file.name: file for file in checked_files(folder, trust_remote_code=trust_remote_code)}
        check_names(folder)
    else:
        folder, template, files = converted(reading), None, files_of(reading)
    config = load_config(folder, trust_remote_code=trust_remote_code)
    processor = load_processor(folder, config, trust_remote_code=trust_remote_code, template=template)
    changed = set_pictures(processor, config, pictures)
    setting = Setting(
        # vLLM's own `auto` would halve what is stored in float32.
        dtype=stored_dtype(folder, config) if kind == "auto" else kind,
        tensor_parallel=tensor_parallel,
        sequences=None if batch_size == "auto" else batch_size,
        trust_remote_code=trust_remote_code,
        pillow=pillow_for(processor),
        pictures=changed,
        more=engine_args,
    )
    renderer = Renderer(processor, folder, thinking, name_of(path, source))
    settings = settings_of(folder, config, processor.tokenizer, stops_of(template, processor.tokenizer))
    with doing(f"loading {name_of(path, source)} {placed(place, setting.dtype)}"):
        engine = Engine(folder, setting, place)
    own = settings_in(generation_of(folder, config))
    return VllmModel(
        name_of(path, source),
        files,
        config,
        processor,
        renderer,
        settings,
        engine,
        setting.dtype,
        own,
        pictures=pictures,
        engine_args=engine_args,
    )


class VllmModel:
    """A model in a running engine. Make one with `load_vllm`; `close` stops the engine's processes."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, Path],
        config: Any,
        processor: Any,
        renderer: Renderer,
        settings: Mapping[str, Any],
        engine: Engine,
        dtype: str,
        own: Mapping[str, Any] | None,
        *,
        pictures: PictureOptions = AS_PUBLISHED,
        engine_args: EngineArgs = NO_ARGS,
    ) -> None:
        self.generation_settings = own
        """What the checkpoint's own generation settings say; None where it has none."""
        self._name, self._files, self._config, self._dtype = name, files, config, dtype
        self._processor, self._renderer, self._settings = processor, renderer, settings
        self._engine, self._pictures, self._engine_args = engine, pictures, engine_args
        self._decoder = AnswerDecoder(processor.tokenizer)
        self._asked = 0

    @property
    def name(self) -> str:
        """The end of its path that identifies it, or its hub id."""
        return self._name

    @property
    def chosen_style(self) -> ChosenStyle:
        """As for `hf`: that of the model's family, or VLMEvalKit's default."""
        return style_of_type(self._config.model_type)

    @property
    def style(self) -> str:
        """Its name."""
        return self.chosen_style.name

    @property
    def files(self) -> Mapping[str, Path]:
        """The files whose digests are among its facts."""
        return self._files

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """As for `hf`, and which vLLM: another backend may not continue a run, since its rounding differs."""
        architecture = next(iter(self._config.architectures or ()), self._config.model_type)
        facts = facts_of("vllm", architecture, self._dtype, self._files, self._processor, self._settings)
        facts |= {"pictures": self._pictures.given} if self._pictures.given else {}
        facts |= engine_facts(self._engine_args) | switch_facts(self._renderer.thinking)
        return {**facts, "vllm": need_vllm()}

    @property
    def picture_settings(self) -> Mapping[str, Any]:
        """As for `hf`; the engine's own processor has the same settings."""
        return picture_facts(self._processor)

    def seen_pictures(self, shown: Sequence[ShownPicture]) -> list[SeenPicture]:
        """As for `hf`."""
        return seen_pictures(self._processor, shown)

    def render(self, request: Request) -> str:
        """The exact text the model will see, before each picture's mark is repeated once a token."""
        return self._renderer.text(request)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answer every request once, as they finish; a failing one becomes an error response."""
        pictures = DecodedPictures(images, mean_colour(self._processor))
        waiting = iter(requests)
        inside: dict[str, tuple[Request, float]] = {}
        try:
            while True:
                yield from self._fill(waiting, pictures, inside)
                if not inside:
                    return
                for output in self._engine.step():
                    yield self._response(output, *inside.pop(output.request_id))
        except KeyboardInterrupt:
            # Left to itself, the engine takes longer to go than Ctrl-C should.
            self._engine.close(patience=0.5)
            raise
        finally:
            self._engine.abort(list(inside))

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()

    def _fill(
        self, waiting: Iterator[Request], pictures: DecodedPictures, inside: dict[str, tuple[Request, float]]
    ) -> list[Response]:
        """Hand over requests while there is room; returns the answers of those that fail here."""
        failed = []
        # Once for all of them: going in and out of it costs as much as rendering a prompt.
        with quiet():
            while len(inside) < self._engine.capacity and (request := next(waiting, None)) is not None:
                check_decoding("vllm", request.decoding)
                self._asked += 1
                try:
                    prompt, how = self.prepared(request, pictures), sampling(request, self._settings)
                    self._engine.add(str(self._asked), prompt, how)
                except EngineDied:
                    raise
                # A broken picture, a prompt that is too long: this request's misfortune alone.
                except Exception as error:
                    failed.append(failure(request.id, error))
                else:
                    inside[str(self._asked)] = (request, time.perf_counter())
        return failed

    def prepared(self, request: Request, pictures: DecodedPictures, *, cached: bool = True) -> Any:
        """The request as the engine takes it."""
        digests = [part.digest for part in request.parts if isinstance(part, ImageRef)]
        # Questions on one picture follow each other; whatever is older has been handed over.
        pictures.keep_only(digests)
        shown = [pictures.image(digest, request.image_fit) for digest in digests]
        return self._engine.prepared(self._tokens(self.render(request)), shown, cached=cached)

    def _tokens(self, text: str) -> list[int]:
        tokenizer = self._processor.tokenizer
        bos = tokenizer.bos_token
        # A template that writes the first token itself must not get a second one.
        ids: list[int] = tokenizer(text, add_special_tokens=not (bos and text.startswith(bos)))["input_ids"]
        return ids

    def _response(self, output: Any, request: Request, started: float) -> Response:
        answer, tokenizer = output.outputs[0], self._processor.tokenizer
        if answer.finish_reason not in ("stop", "length"):
            error = f"vLLM gave up on it ({answer.finish_reason})"
            return Response(id=request.id, text="", finish="error", error=error)
        ids, stop = list(answer.token_ids), request.decoding.stop
        cut = StopTexts(tokenizer, stop).cut(ids)
        done = Completion(
            ids=ids[:cut],
            finish=answer.finish_reason,
            prompt_tokens=len(output.prompt_token_ids),
            stop=stop if cut is not None else (),
        )
        opening = self._renderer.opening_of(request)
        return self._decoder.response(request.id, done, time.perf_counter() - started, opening)


def is_unpublished(folder: Path) -> bool:
    """Whether this is a LLaVA under other names than vLLM knows, which can be written anew."""
    if config_of(folder).get("model_type") != "llava":
        return False
    names = (name for file in weight_files(folder) for name in _names(file))
    return any(
        name.startswith((*_UNPUBLISHED, "model.language_model.", "model.vision_tower.")) for name in names
    )


def check_names(folder: Path) -> None:
    """Refuse weights whose names vLLM does not know, before an engine is started for them."""
    tower = (config_of(folder).get("vision_config") or {}).get("model_type", _RENAMED[0])
    if tower not in _RENAMED:
        return  # InternVL's tower is called so where it is published
    for file in weight_files(folder):
        for name in _names(file):
            if name.startswith(_UNPUBLISHED):
                raise ModelError(
                    f"the weights are named as transformers 5 saves them (`{name}`), and vLLM reads only the "
                    "names of published checkpoints (`vision_tower.vision_model.…`).",
                    file=file,
                    fix="Run the model without `vllm:`.",
                )


def stored_dtype(folder: Path, config: Any) -> str:
    """The number format the folder stores, which is what `auto` means everywhere in vlmbench."""
    kind = getattr(config, "dtype", None) or getattr(config.get_text_config(decoder=True), "dtype", None)
    if kind is not None:
        return str(kind).removeprefix("torch.")
    return next(map(_dtype_in, weight_files(folder)), "float32")


def _names(file: Path) -> Iterator[str]:
    if file.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(file, framework="pt") as weights:
            yield from weights.keys()


def _dtype_in(file: Path) -> str:
    """Of the first weight, as transformers decides it."""
    if file.suffix != ".safetensors":
        return "float32"
    from safetensors import safe_open

    with safe_open(file, framework="pt") as weights:
        name = next(iter(weights.keys()))
        kinds = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
        return kinds.get(weights.get_slice(name).get_dtype(), "float32")
