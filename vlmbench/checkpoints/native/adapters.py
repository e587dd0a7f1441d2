"""LoRA trained on fused projections, as LoRA on Llama's.

A fused projection gets one A and one B. A goes to every part as it is, and B gives each part its rows, so
that the parts add exactly what the fused one added; rank and alpha stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vlmbench.checkpoints.native.fused import Part, Sizes, parts_of, taken
from vlmbench.checkpoints.nouns import Stored, Weights

_TENSOR = re.compile(r"(?P<module>.+?)\.(?P<rest>lora_\w+(?:\..+)?|modules_to_save\..+|weight|bias)")
_INNER = re.compile(r"(?:^|\.)(?P<inner>model\.layers\.\d+\..+|model\.tok_embeddings|output)$")
_SHARED = ("lora_A", "lora_embedding")
# Any sizes do where only names are asked.
_NO_SIZES = Sizes(heads=1, kv_heads=1, head_dim=1, intermediate=1)


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
    tensor = _TENSOR.fullmatch(name)
    inner = _INNER.search(tensor["module"]) if tensor else None
    if tensor is None or inner is None:
        return {name: kept}
    prefix, rest = tensor["module"][: inner.start("inner")], tensor["rest"]
    parts = parts_of(inner["inner"], sizes)
    shared = rest.startswith(_SHARED)
    return {
        f"{prefix}{part.module}.{rest}": kept if shared else taken(name, kept, part, parts) for part in parts
    }


def split_fused_settings(settings: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """adapter_config.json beside the adapter's original tensors, speaking of Llama's modules."""
    mapped = dict(settings)
    targets = settings.get("target_modules")
    if isinstance(targets, str):
        # A pattern of original names fits nothing any more, so the modules are named one by one.
        mapped["target_modules"] = sorted({new for name in weights for new in _modules(name)})
    elif targets:
        mapped["target_modules"] = sorted({new for target in targets for new in _targets(target)})
    if settings.get("modules_to_save"):
        mapped["modules_to_save"] = [new for name in settings["modules_to_save"] for new in _targets(name)]
    for pattern in ("rank_pattern", "alpha_pattern"):
        if settings.get(pattern):
            pairs = settings[pattern].items()
            mapped[pattern] = {new: value for name, value in pairs for new in _targets(name)}
    return mapped


def _modules(name: str) -> list[str]:
    """The modules of Llama that a LoRA tensor belongs to."""
    tensor = _TENSOR.fullmatch(name)
    inner = _INNER.search(tensor["module"]) if tensor and tensor["rest"].startswith("lora_") else None
    return [part.module for part in parts_of(inner["inner"], _NO_SIZES)] if inner else []


def _targets(target: str) -> list[str]:
    """A target such as `wqkv`, `attention.wqkv` or a whole path, with as much of the path as it had."""
    if target == "tok_embeddings":
        return ["embed_tokens"]
    for inside in ("", "attention.", "feed_forward.", "self_attn.", "mlp."):
        for lead in ("model.layers.0.", ""):
            original = f"{lead}{inside}{target}"
            parts = parts_of(original, _NO_SIZES)
            if [part.module for part in parts] != [original]:
                return [_shortened(part, lead, target.count(".")) for part in parts]
    return [target]


def _shortened(part: Part, lead: str, dots: int) -> str:
    steps = part.module.removeprefix(lead).split(".")
    return ".".join(steps[-(dots + 1) :])
