"""LoRA trained on fused projections, as LoRA on Llama's.

A fused projection gets one A and one B. A goes to every part as it is, and B gives each part its rows, so
that the parts add exactly what the fused one added; rank and alpha stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vlmbench.checkpoints.native.fused import Sizes, parts_of, taken
from vlmbench.model_files.weights import Stored, Weights

_TENSOR = re.compile(r"(?P<module>.+?)\.(?P<rest>lora_\w+(?:\..+)?|modules_to_save\..+|weight|bias)")
_INNER = re.compile(
    r"(?:^|\.)(?P<inner>model\.layers\.\d+\..+|model\.(?:tok_embeddings|embed_tokens)|output|lm_head)$"
)
_FUSED = re.compile(
    r"\.attention\.w|\.feed_forward\.w|\.qkv_proj\.|\.gate_up_proj\.|\.tok_embeddings\.|^\.output\."
)
_SHARED = ("lora_A", "lora_embedding")
_SAVED = {"output": "lm_head", "tok_embeddings": "embed_tokens"}
# Any sizes do where only names are asked.
_NO_SIZES = Sizes(heads=1, kv_heads=1, head_dim=1, intermediate=1)


def is_fused(names: Iterable[str]) -> bool:
    """Whether an adapter speaks of InternLM2's or Phi-3's original modules; PEFT's prefixes may be gone."""
    return any(_FUSED.search("." + name.replace("base_model.model.", "")) for name in names)


def split_fused_lora(weights: Weights, config: Mapping[str, Any]) -> Weights:
    """Adapter tensors under the names of the mapped language model, whose configuration is `config`.

    Prefixes such as `base_model.model.` stay. An adapter of a Llama, or for a model that was not mapped,
    comes back as it is.
    """
    if config.get("model_type") != "llama":
        return weights
    sizes = Sizes.of(config)
    found: dict[str, Stored] = {}
    for name, kept in weights.items():
        found |= _split(name, kept, sizes)
    return found


def _split(name: str, kept: Stored, sizes: Sizes) -> Weights:
    read = _read(name)
    if read is None:
        return {name: kept}
    prefix, inner, rest = read
    parts = parts_of(inner, sizes)
    shared = rest.startswith(_SHARED)
    return {
        f"{prefix}{part.module}.{rest}": kept if shared else taken(name, kept, part, parts) for part in parts
    }


def _read(name: str) -> tuple[str, str, str] | None:
    """What stands before the module, the module, and what stands after it; None for other tensors."""
    tensor = _TENSOR.fullmatch(name)
    inner = _INNER.search(tensor["module"]) if tensor else None
    if tensor is None or inner is None:
        return None
    return tensor["module"][: inner.start("inner")], inner["inner"], tensor["rest"]


def split_fused_settings(settings: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """adapter_config.json beside the adapter's original tensors, speaking of Llama's modules.

    Targets and patterns may be regular expressions of original names, so modules are named one by one.
    """
    if not is_fused(weights):
        return dict(settings)
    modules = dict.fromkeys(module for name in weights for module in _modules(name))
    mapped = dict(settings)
    if settings.get("target_modules"):
        mapped["target_modules"] = sorted(part for module in modules for part in _parts(module))
    if settings.get("modules_to_save"):
        mapped["modules_to_save"] = [_SAVED.get(name, name) for name in settings["modules_to_save"]]
    for name in ("rank_pattern", "alpha_pattern"):
        patterns = settings.get(name) or {}
        told = {module: pattern for module in modules if (pattern := _first(patterns, module))}
        if patterns:
            mapped[name] = {part: patterns[told[module]] for module in told for part in _parts(module)}
    return mapped


def _modules(name: str) -> Iterator[str]:
    read = _read(name)
    if read is not None and read[2].startswith("lora_"):
        yield read[1]


def _parts(module: str) -> list[str]:
    return [part.module for part in parts_of(module, _NO_SIZES)]


def _first(patterns: Mapping[str, Any], module: str) -> str | None:
    """The pattern that PEFT would take for a module."""
    return next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), None)
