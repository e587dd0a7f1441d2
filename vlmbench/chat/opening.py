"""From what follows `--model` to a talker."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.chat.session import EchoTalker, Talker
from vlmbench.errors import ModelError, UsageError, UserError
from vlmbench.model_files.loading import check_report
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.models.loading import SERVED, where
from vlmbench.prompts import default_style, prompt_style
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.checkpoints.formats.parts import OpenedCheckpoint
    from vlmbench.models.hf.any_layout import Parts

_SERVED = (*SERVED, "vllm")


def open_talker(
    spec: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    bits: int | None = None,
    trust_remote_code: bool = False,
    llm: str | None = None,
    vision: str | None = None,
    template: str | None = None,
    recipe: str | None = None,
) -> Talker:
    """The model of that name, ready to talk; or an error that names what is wrong."""
    kind = spec.partition(":")[0]
    if kind == "echo":
        from vlmbench.models.echo import load_echo

        echo = load_echo(spec)
        return EchoTalker(echo.text, pause=echo.sleep)
    if kind.lower() in _SERVED:
        raise UsageError(
            f"`{kind}:` models answer one question at a time and hold no conversation here.",
            key="--model",
            fix="Chat with a folder, a hub id or `demo`.",
        )
    from vlmbench.models.hf.any_layout import Parts

    parts = Parts(llm=llm and where(llm), vision=vision and where(vision), template=template, recipe=recipe)
    # Importing torch takes seconds, before anything is known of the model.
    with doing(f"loading {spec}"):
        return _open_hf(
            spec, parts, device=device, dtype=dtype, bits=bits, trust_remote_code=trust_remote_code
        )


def _open_hf(
    spec: str, parts: Parts, *, device: str, dtype: str, bits: int | None, trust_remote_code: bool
) -> Talker:
    from vlmbench.templates import template

    wording = template(parts.template) if parts.template else None
    from vlmbench.chat.hf import HfTalker
    from vlmbench.chat.prompt import Prompter
    from vlmbench.model_files.loading import choose_device, choose_dtype, placed
    from vlmbench.models.hf.any_layout import assembled, read_here, source_of
    from vlmbench.models.hf.model import name_of

    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    path = where(spec)
    source = source_of(path, trust_remote_code=trust_remote_code)
    held = f", {bits} bits" if bits else ""
    with doing(f"loading {name_of(path, source)} {placed(place, kind)}{held}"):
        reading = read_here(source, parts)
        if reading is None:
            model, processor = _loaded(source, place, kind, bits, trust_remote_code, parts.template)
        elif bits is None:
            model, processor = assembled(reading, device=place, dtype=kind)
        else:
            with _as_folder(reading) as folder:
                model, processor = _loaded(folder, place, kind, bits, trust_remote_code, parts.template)
    # The families that were trained on padded squares are shown padded squares, as in evaluation.
    fit = prompt_style(default_style(model.config.model_type)).image_fit
    prompter = Prompter(processor, source, fit=fit, template=wording)
    return HfTalker(name_of(path, source), model, prompter, wording.stop_words if wording else ())


def _loaded(
    folder: Path, device: str, dtype: str, bits: int | None, trust_remote_code: bool, template: str | None
) -> tuple[Any, Any]:
    """A folder as transformers loads it, whole or in few bits."""
    from vlmbench.chat.opening import load_quantised
    from vlmbench.model_files.folder import check_folder
    from vlmbench.model_files.loading import load_weights
    from vlmbench.model_files.processor import load_processor
    from vlmbench.models.hf.model import load_config

    check_folder(folder, trust_remote_code=trust_remote_code)
    config = load_config(folder, trust_remote_code=trust_remote_code)
    processor = load_processor(folder, config, trust_remote_code=trust_remote_code, template=template)
    if bits is None:
        model = load_weights(folder, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    else:
        model = load_quantised(folder, config, bits=bits, device=device, dtype=dtype)
    return model, processor


@contextmanager
def _as_folder(reading: OpenedCheckpoint) -> Iterator[Path]:
    """A checkpoint in parts as a folder, which is what transformers quantises from; gone afterwards."""
    from vlmbench.checkpoints.formats.huggingface import write_huggingface
    from vlmbench.data.disk import home_folder

    home_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chat-", dir=home_folder()) as name:
        write_huggingface(reading.llava, Path(name))
        yield Path(name)


PACKED = 32
"""On a CPU bitsandbytes packs the outputs of a layer by so many."""


def load_quantised(folder: Path, config: Any, *, bits: int, device: str, dtype: str) -> Any:
    """The model with its language model's linear layers in `bits` bits.

    Four bits are nf4 with double quantisation, as in QLoRA; eight are LLM.int8. Both run on a CPU. What is
    not quantised, and sums, are in `dtype`.
    """
    import torch
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    _check_package()
    summed = torch.bfloat16 if dtype == "auto" else getattr(torch, dtype)
    how = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=bits == 4,
        load_in_8bit=bits == 8,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=summed,
        llm_int8_skip_modules=kept_whole(config),
    )
    auto: Any = AutoModelForImageTextToText
    try:
        with quiet():
            model, report = auto.from_pretrained(
                folder,
                dtype=summed,
                device_map={"": device},
                quantization_config=how,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    # As for unquantised weights: configuration, weights and device do not fit together.
    except Exception as error:
        raise ModelError(
            f"the weights cannot be loaded in {bits} bits ({first_line(error)}).",
            file=folder,
            fix="Try without `--bits`.",
        ) from error
    check_report(report, folder)
    return model.eval()


def kept_whole(config: Any) -> list[str]:
    """Linear layers that are not the language model's, the output layer, and what is too small to pack."""
    import torch
    from transformers import AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    with quiet(), torch.device("meta"):
        model = auto.from_config(config)
    decoder = {id(module) for module in model.get_decoder().modules()}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and (id(module) not in decoder or module.out_features % PACKED)
    ]


def _check_package() -> None:
    # It says at every layer that it casts, which is what it is there for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise UserError(
            "quantised models need bitsandbytes, which is not installed.",
            key="--bits",
            fix="Run: pip install bitsandbytes",
        ) from None
