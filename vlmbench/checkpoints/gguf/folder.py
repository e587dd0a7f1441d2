"""A folder for llama.cpp and Ollama, written and read back: two GGUF files and a Modelfile.

`NAME-mmproj-f16.gguf` is the vision tower with the projector, `NAME-f16.gguf` or `NAME-q8_0.gguf` the
language model: the names under which LLaVA models for llama.cpp are published.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.gguf.file import Kind, write_file
from vlmbench.checkpoints.gguf.language import language_file
from vlmbench.checkpoints.gguf.vision import vision_file
from vlmbench.checkpoints.gguf.vocabulary import vocabulary
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor, Weights, main_dtype
from vlmbench.templates import TEMPLATES, Template, chat_template

if TYPE_CHECKING:
    import torch

MODELFILE = "Modelfile"
CONTEXT = 4096
"""Ollama's context length where the model allows it: an image of 336 pixels alone takes 576 tokens."""
_ROTATED = re.compile(r"\.self_attn\.([qk])_proj\.")


def write_gguf(llava: Llava, folder: Path, *, kind: Kind = "f16", name: str | None = None) -> None:
    """Write the model to a folder; `kind` is the number format of the language model's weights."""
    _installed()
    called = file_name(name or "llava")
    config, tokenizer = llava.language.config, llava.language.tokenizer
    template = own_template(llava.chat_template)
    words = vocabulary(
        tokenizer,
        chat_template=llava.chat_template,
        turn_end=template.suffix if template and template.suffix_ends else None,
    )
    # Both are checked before either is written, so a model that cannot be written leaves nothing behind.
    language = language_file(llava.language, words, kind=kind, name=called)
    vision = vision_file(llava, name=called)
    folder.mkdir(parents=True, exist_ok=True)
    names = f"{called}-{kind}.gguf", f"{called}-mmproj-f16.gguf"
    write_file(language, folder / names[0])
    write_file(vision, folder / names[1])
    eos = tokenizer.eos_token or ""
    (folder / MODELFILE).write_text(modelfile(*names, template, config, eos=eos), "utf-8")


def _installed() -> None:
    if importlib.util.find_spec("gguf") is None:
        raise ModelError(
            "writing GGUF needs the package gguf.", fix="Install it: pip install 'vlmbench-suite[gguf]'."
        )


def file_name(name: str) -> str:
    """The name without characters that have a meaning in a path or a Modelfile."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "llava"


def own_template(jinja: str | None) -> Template | None:
    """The template of vlmbench that this chat template was written from.

    Of several with one wording, the one with the most stop words: one too many costs nothing.
    """
    if jinja is None:
        return None
    same = [template for template in TEMPLATES.values() if chat_template(template).strip() == jinja.strip()]
    return max(same, key=lambda template: len(template.stop_words), default=None)


def modelfile(
    language: str, projector: str, template: Template | None, config: Mapping[str, Any], *, eos: str
) -> str:
    """The text of the Modelfile; `language` and `projector` are files beside it."""
    lines = [f"FROM ./{language}", f"FROM ./{projector}", ""]
    if template is None:
        lines.append("# The template is inside the language model's file.")
    else:
        if "{round}" in template.instruction:
            lines.append("# Ollama does not count turns: each is written as the first.")
        lines.append(f'TEMPLATE """{go_template(template, eos=eos)}"""')
        lines += [f'PARAMETER stop "{word}"' for word in stop_words(template, eos=eos)]
    lines.append(f"PARAMETER num_ctx {min(CONTEXT, int(config['max_position_embeddings']))}")
    return "\n".join(lines) + "\n"


def stop_words(template: Template, *, eos: str) -> tuple[str, ...]:
    """What ends an answer, each once: the template's own words, then the tokenizer's end token."""
    own = (*template.stop_words, template.suffix if template.suffix_ends else "", eos)
    return tuple(word for word in dict.fromkeys(own) if word)


def go_template(template: Template, *, eos: str) -> str:
    """One turn in Ollama's syntax. Ollama writes a turn after the other, and the last up to its answer."""
    ask = template.instruction.replace("{round}", "1").replace("{input}", "{{ .Prompt }}")
    system = ""
    if template.system is not None:
        system = "{{ if .System }}" + template.system.replace("{system}", "{{ .System }}") + "{{ end }}"
    return system + ask + "{{ .Response }}" + template.end(eos) + template.separator


def read_back(llava: Llava, folder: Path) -> Llava:
    """The model with the numbers that the files hold, in the dtype of the original."""
    mmproj = next(folder.glob("*-mmproj-*.gguf"))
    language = next(file for file in folder.glob("*.gguf") if file != mmproj)
    found = _tensors(mmproj)
    # vision_file keeps the tensor objects that it gets, so their identity gives the names.
    names = {id(kept): name for name, kept in vision_file(llava, name="").tensors.items()}

    def stored(weights: Weights) -> Weights:
        return {key: _as(kept, found, names.get(id(kept))) for key, kept in weights.items()}

    back = replace(
        llava,
        language=_language(llava.language, _tensors(language)),
        vision=replace(llava.vision, weights=stored(llava.vision.weights)),
        projector=Projector(weights=stored(llava.projector.weights)),
    )
    return back.in_dtype(main_dtype(llava.language.weights))


def _tensors(file: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    return {tensor.name: tensor for tensor in GGUFReader(file).tensors}


def _language(language: LanguageModel, found: Mapping[str, Any]) -> LanguageModel:
    """With names mapped by the format's own library."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    config = language.config
    is_llama = config["model_type"] != "qwen2"
    known = get_tensor_name_map(
        MODEL_ARCH.LLAMA if is_llama else MODEL_ARCH.QWEN2, config["num_hidden_layers"]
    )
    heads = {"q": config["num_attention_heads"], "k": config.get("num_key_value_heads")}
    weights = {}
    for name, kept in language.weights.items():
        rotated = _ROTATED.search(name) if is_llama else None
        count = (heads[rotated[1]] or heads["q"]) if rotated else None
        weights[name] = _as(
            kept, found, known.get_name(name, (".weight", ".bias")), _halves(count) if count else None
        )
    return replace(language, weights=weights)


def _halves(heads: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The inverse of llama.cpp's order: rows of a head from neighbouring pairs into two halves."""

    def halves(tensor: torch.Tensor) -> torch.Tensor:
        pairs = tensor.reshape(heads, -1, 2, *tensor.shape[1:])
        return pairs.transpose(1, 2).reshape(tensor.shape)

    return halves


def _as(
    kept: LazyTensor,
    found: Mapping[str, Any],
    name: str | None,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> LazyTensor:
    """The tensor from the file; one that the file does not hold stays as it is."""
    if name is None:
        return kept
    tensor = found[name]

    def load() -> torch.Tensor:
        import numpy as np
        import torch
        from gguf import dequantize

        # A copy: the file is mapped read-only.
        numbers = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type))).reshape(kept.shape)
        return numbers if change is None else change(numbers)

    return LazyTensor(shape=kept.shape, dtype="float32", load=load)
