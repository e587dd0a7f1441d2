"""GGUF files read back into the model they were written from, to be compared with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.assemble import main_dtype
from vlmbench.checkpoints.formats.huggingface import in_dtype
from vlmbench.checkpoints.gguf.vision import vision_file
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector
from vlmbench.model_files.weights import Stored, Weights

if TYPE_CHECKING:
    import torch

_TURNED = re.compile(r"\.self_attn\.([qk])_proj\.")


def read_back(llava: Llava, folder: Path) -> Llava:
    """The model with every number that the files hold as the files hold it, in its own kind of number."""
    mmproj = next(folder.glob("*-mmproj-*.gguf"))
    spoken = next(file for file in folder.glob("*.gguf") if file != mmproj)
    shown = _tensors(mmproj)
    # The plan of the file keeps the tensors that it is given, so each is known by itself.
    names = {id(kept): name for name, kept in vision_file(llava, name="").tensors.items()}

    def seen(weights: Weights) -> Weights:
        return {key: _as(kept, shown, names.get(id(kept))) for key, kept in weights.items()}

    back = replace(
        llava,
        language=_language(llava.language, _tensors(spoken)),
        vision=replace(llava.vision, weights=seen(llava.vision.weights)),
        projector=Projector(weights=seen(llava.projector.weights)),
    )
    return in_dtype(back, main_dtype(llava.language.weights))


def _tensors(file: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    return {tensor.name: tensor for tensor in GGUFReader(file).tensors}


def _language(language: LanguageModel, found: Mapping[str, Any]) -> LanguageModel:
    """Names as the format's own library maps transformers' to its own."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    config = language.config
    is_llama = config["model_type"] != "qwen2"
    known = get_tensor_name_map(
        MODEL_ARCH.LLAMA if is_llama else MODEL_ARCH.QWEN2, config["num_hidden_layers"]
    )
    heads = {"q": config["num_attention_heads"], "k": config.get("num_key_value_heads")}
    weights = {}
    for name, kept in language.weights.items():
        turned = _TURNED.search(name) if is_llama else None
        count = (heads[turned[1]] or heads["q"]) if turned else None
        weights[name] = _as(
            kept, found, known.get_name(name, (".weight", ".bias")), _apart(count) if count else None
        )
    return replace(language, weights=weights)


def _apart(heads: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Rows of a head from pairs side by side back into two halves."""

    def apart(tensor: torch.Tensor) -> torch.Tensor:
        pairs = tensor.reshape(heads, -1, 2, *tensor.shape[1:])
        return pairs.transpose(1, 2).reshape(tensor.shape)

    return apart


def _as(
    kept: Stored,
    found: Mapping[str, Any],
    name: str | None,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Stored:
    """The tensor as the file has it; one that the file has no use for stays."""
    if name is None:
        return kept
    tensor = found[name]

    def load() -> torch.Tensor:
        import numpy as np
        import torch
        from gguf import dequantize

        # A copy: the file is mapped, and nobody may write into it.
        numbers = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type))).reshape(kept.shape)
        return numbers if change is None else change(numbers)

    return Stored(shape=kept.shape, dtype="float32", load=load)
