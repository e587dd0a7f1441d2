"""What vLLM wants of a model folder beyond what transformers does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.formats.layout import config_of
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import weight_files

_UNPUBLISHED = ("vision_tower.embeddings.", "vision_tower.encoder.", "vision_tower.post_layernorm.")
"""How transformers 5 saves a CLIP tower. Published checkpoints have `vision_model.` in between."""


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
    told = getattr(config, "dtype", None) or getattr(config.get_text_config(decoder=True), "dtype", None)
    if told is not None:
        return str(told).removeprefix("torch.")
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
