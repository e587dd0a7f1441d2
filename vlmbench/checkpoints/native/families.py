"""Which family of language models a folder holds, told by `architectures` and tensor names.

`model_type` is never asked: several InternLM2 folders call themselves `internlm` there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from vlmbench.errors import ModelError

Family = Literal["internlm", "internlm2", "phi3"]

_CLASSES: dict[str, Family] = {
    "InternLMForCausalLM": "internlm",
    "InternLM2ForCausalLM": "internlm2",
    "Phi3ForCausalLM": "phi3",
}
_FUSED: dict[str, Family] = {"attention.wqkv": "internlm2", "self_attn.qkv_proj": "phi3"}
_LAYER = re.compile(r"model\.layers\.\d+\.(?P<module>[\w.]+)\.weight")


def family_of(config: Mapping[str, Any], names: Iterable[str]) -> Family | None:
    """The family that has to be mapped onto Llama; None for every other model."""
    named = [_CLASSES.get(name) for name in architectures(config)]
    stored = _family_of_names(names)
    if named and named[0] is None:
        return None
    if not named:
        return stored if stored == "internlm2" else None
    family = named[0]
    if stored == "internlm2" and family == "internlm":
        return "internlm2"
    if family != (stored or "internlm"):
        said = architectures(config)[0]
        raise ModelError(
            f"config.json says {said}, but the weights are not named as that model's.",
            key="architectures",
            fix="Copy config.json from where the weights came from.",
        )
    return None if family == "phi3" and not _is_llama(config) else family


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The class names of config.json, of which there may be none."""
    return [str(name) for name in config.get("architectures") or ()]


def _family_of_names(names: Iterable[str]) -> Family | None:
    for name in names:
        found = _LAYER.fullmatch(name)
        if found and found["module"] in _FUSED:
            return _FUSED[found["module"]]
    return None


def _is_llama(config: Mapping[str, Any]) -> bool:
    """Phi-4-mini turns a part of each head only, which Llama cannot; it stays what it is."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    parts = (config.get("partial_rotary_factor"), rope.get("partial_rotary_factor"))
    return all(part in (None, 1, 1.0) for part in parts)
