"""One batch the plain way: encode, generate, decode. A picture of several prompts is encoded once.

Of a checkpoint's generation_config.json only the token ids decide here (where to stop, what to pad with,
what never to write). Its sampling and penalty settings do only with `--decoding model`, by way of a Decoding.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vlmbench.domain import Decoding, Finish
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.models.generation_config import settings_in
from vlmbench.models.hf.batching import OutOfMemoryError
from vlmbench.models.hf.logits import MinP, Penalties, is_penalised
from vlmbench.models.hf.stop_texts import StopTexts

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
STEERING = ("forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens")
"""Settings of a checkpoint that change which token is the likeliest."""
KEPT_SETTINGS = ("bos_token_id", "decoder_start_token_id", *STEERING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What came out for one prompt of a batch."""

    ids: Sequence[int]
    """With the one that ended the answer."""
    finish: Finish
    prompt_tokens: int
    stop: Sequence[str] = ()
    """The stop texts, where the answer ends before one of them."""


class Generator:
    """A loaded model and its processor, answering one batch at a time by the model's own `generate`."""

    def __init__(self, model: Any, processor: Any, *, trainable: bool = False) -> None:
        self.model, self._processor, self._trainable = model, processor, trainable
        self.settings = checkpoint_settings(model, processor.tokenizer)
        self.own = settings_in(model.generation_config)
        """All of the checkpoint's own settings, for `--decoding model` only."""
        self._takes_segments = "token_type_ids" in inspect.signature(model.forward).parameters
        _install(self.settings, model)

    @property
    def tokenizer(self) -> Any:
        """The processor's."""
        return self._processor.tokenizer

    @property
    def is_steered(self) -> bool:
        """Whether the checkpoint forbids or forces tokens, which only `generate` knows how to do."""
        return any(name in self.settings for name in STEERING)

    def without_grad(self) -> AbstractContextManager[None]:
        """Inference mode; of a model that goes on training only `no_grad`.

        A tensor that a module keeps from inference mode (a cast weight) cannot take part in a backward pass.
        """
        import torch

        return torch.no_grad() if self._trainable else torch.inference_mode()

    def answers(
        self,
        texts: Sequence[str],
        pictures: Sequence[Sequence[Image]],
        decoding: Decoding,
        seed: int,
        same: Sequence[Hashable] = (),
    ) -> tuple[list[Completion], int]:
        """One answer a text, in order, and how many sets of pictures were encoded.

        All of them have pictures, or none has. Texts with the same name in `same` have the same pictures.
        """
        return self.guarded(lambda: self._answers(texts, pictures, decoding, seed, same))

    def guarded(self, work: Callable[[], T]) -> T:
        """What `work` returns, with any torch's way of running out of memory as ours."""
        try:
            return work()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            reason = first_line(error)
        # Only here, with the error and its frames gone, can the batch's tensors be freed.
        _free_memory()
        raise OutOfMemoryError(reason)

    def _answers(
        self,
        texts: Sequence[str],
        pictures: Sequence[Sequence[Image]],
        decoding: Decoding,
        seed: int,
        same: Sequence[Hashable],
    ) -> tuple[list[Completion], int]:
        import torch

        if decoding.do_sample:
            torch.manual_seed(seed)
        with quiet(), self.without_grad():
            inputs = self._encode(texts, pictures)
            encoded = sum(map(bool, pictures))
            # Beams repeat what they are given in ways of their own.
            if encoded and decoding.num_beams == 1 and len(set(same)) < len(same):
                encoded = self._with_pictures_once(inputs, texts, pictures, same)
            tokens = self.model.generate(**inputs, **self.arguments(decoding, inputs))
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        rows = tokens[:, self._prompt_length(inputs) :].tolist()
        found = zip(rows, lengths, strict=True)
        return [self.answer(row, length, decoding.stop) for row, length in found], encoded

    def _with_pictures_once(
        self,
        inputs: Any,
        texts: Sequence[str],
        pictures: Sequence[Sequence[Image]],
        same: Sequence[Hashable],
    ) -> int:
        firsts = [same.index(name) for name in dict.fromkeys(same)]
        few = self._encode([texts[first] for first in firsts], [pictures[first] for first in firsts])
        which = [firsts.index(same.index(name)) for name in same]
        done = encode_once(self.model, inputs, few, which, [len(shown) for shown in pictures])
        return len(firsts) if done else len(texts)

    def _encode(self, texts: Sequence[str], pictures: Sequence[Sequence[Image]]) -> Any:
        bos = self._processor.tokenizer.bos_token
        inputs = self._processor(
            text=list(texts),
            images=[list(images) for images in pictures] if any(pictures) else None,
            return_tensors="pt",
            padding=True,
            padding_side="left",
            # A template that writes the first token itself must not get a second one.
            add_special_tokens=not (bos and texts[0].startswith(bos)),
        )
        if not self._takes_segments:
            inputs.pop("token_type_ids", None)
        return inputs.to(self.model.device, dtype=self.model.dtype)

    def arguments(self, decoding: Decoding, inputs: Any) -> dict[str, Any]:
        """What `generate` needs beside the inputs to decode like this."""
        from transformers import LogitsProcessorList, StoppingCriteriaList

        length = self._prompt_length(inputs)
        found: dict[str, Any] = {"generation_config": self._config(decoding)}
        steps: list[Any] = []
        if is_penalised(decoding):
            steps.append(Penalties(decoding, inputs["attention_mask"], length))
        if decoding.min_p:
            steps.append(MinP(decoding))
        if steps:
            found["logits_processor"] = LogitsProcessorList(steps)
        if decoding.stop:
            ends = StopTexts(self.tokenizer, decoding.stop).criterion(length)
            found["stopping_criteria"] = StoppingCriteriaList([ends])
        return found

    def _prompt_length(self, inputs: Any) -> int:
        """How many of the tokens that `generate` returns stand before the answer."""
        return 0 if self.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]

    def _config(self, decoding: Decoding) -> Any:
        from transformers import GenerationConfig

        sampling = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k,
        }
        return GenerationConfig(  # type: ignore[no-untyped-call]
            **self.settings,
            max_new_tokens=decoding.max_new_tokens,
            num_beams=decoding.num_beams,
            do_sample=decoding.do_sample,
            **(sampling if decoding.do_sample else {}),
        )

    def answer(self, row: list[int], prompt_tokens: int, stop: Sequence[str] = ()) -> Completion:
        """The tokens after a prompt as an answer: up to the first that ends it, or to a stop text."""
        tokenizer, stops = self.tokenizer, set(self.settings["eos_token_id"])
        end = next((place for place, token in enumerate(row) if token in stops), None)
        own = row if end is None else row[: end + 1]
        cut = StopTexts(tokenizer, stop).cut(own)
        return Completion(
            ids=own[:cut],
            finish="length" if end is None and cut is None else "stop",
            prompt_tokens=prompt_tokens,
            stop=stop if cut is not None else (),
        )


def end_answers(settings: Any, stops: Sequence[int]) -> None:
    """Let these tokens end an answer, too."""
    if stops:
        settings.eos_token_id = list(dict.fromkeys([*_ids(settings.eos_token_id), *stops]))


def checkpoint_settings(model: Any, tokenizer: Any) -> dict[str, Any]:
    """The checkpoint's token ids for generation, and nothing else of its generation_config.json."""
    config = model.generation_config
    settings = {name: getattr(config, name, None) for name in KEPT_SETTINGS}
    settings = {name: value for name, value in settings.items() if value is not None}
    text_config = model.config.get_text_config(decoder=True)
    stops = _ids(config.eos_token_id) or _ids(getattr(text_config, "eos_token_id", None))
    # A tokenizer's end token ends an answer even where the configuration forgot about it.
    stops = list(dict.fromkeys([*stops, *_ids(tokenizer.eos_token_id)]))
    pad = config.pad_token_id if config.pad_token_id is not None else tokenizer.pad_token_id
    return settings | {
        "eos_token_id": stops,
        "pad_token_id": pad if pad is not None else next(iter(stops), 0),
    }


def _ids(value: int | Sequence[int] | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)


def _install(settings: dict[str, Any], model: Any) -> None:
    """`generate` fills whatever a call leaves open from the model's own settings; leave nothing to find."""
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(**settings)  # type: ignore[no-untyped-call]


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    words = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in words
        or "can't allocate memory" in words
    )


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def encode_once(
    model: Any, inputs: MutableMapping[str, Any], few: Any, which: Sequence[int], counts: Sequence[int]
) -> bool:
    """Put encoded pictures in the place of pixels, if this model can do with them.

    `few` are the inputs of one prompt for each set of pictures, `which` says whose set each prompt of
    `inputs` has, and `counts` how many pictures that are.
    """
    encode = getattr(model.base_model, "get_image_features", None)
    takes_them = "mm_encoder_outputs" in inspect.signature(model.forward).parameters
    if encode is None or not takes_them or model.config.is_encoder_decoder:
        return False
    wanted = [name for name in inspect.signature(encode).parameters if name in few]
    features = encode(**{name: few[name] for name in wanted}, return_dict=True)
    pieces = features.pooler_output
    sets = [counts[which.index(place)] for place in range(max(which) + 1)]
    # Tiles of a picture, or features of several layers: no telling which belong to which.
    if len(pieces) != sum(sets) or getattr(features, "deepstack_features", None) is not None:
        return False
    chosen = [index for place in which for index in range(sum(sets[:place]), sum(sets[: place + 1]))]
    is_tensor = hasattr(pieces, "index_select")
    features.pooler_output = pieces[chosen] if is_tensor else [pieces[index] for index in chosen]
    # What else the tower put out is of the few, and nothing reads it.
    features.last_hidden_state = features.hidden_states = features.attentions = None
    for name in wanted:
        if name.startswith("pixel"):
            inputs.pop(name)
    inputs["mm_encoder_outputs"] = {"image": features}
    return True
