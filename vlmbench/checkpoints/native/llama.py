"""InternLM, InternLM2 and Phi-3 as Llama: the family of a folder, and its config.json and weights mapped.

The family follows from `architectures` and the names of tensors, never from `model_type`: several InternLM2
folders have `internlm` there.

Dynamic NTK scaling does nothing up to `max_position_embeddings`, and beyond it vLLM computes wrong positions
without a warning. So folders are written without it; only a caller that computes in transformers may keep
it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from vlmbench.checkpoints.native.fused import RowSizes, split
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights

Family = Literal["internlm", "internlm2", "phi3"]

_CLASSES: dict[str, Family] = {
    "InternLMForCausalLM": "internlm",
    "InternLM2ForCausalLM": "internlm2",
    "Phi3ForCausalLM": "phi3",
}
_FUSED: dict[str, Family] = {"attention.wqkv": "internlm2", "self_attn.qkv_proj": "phi3"}
_LAYER = re.compile(r"model\.layers\.\d+\.(?P<module>[\w.]+)\.weight")
# The original classes' defaults.
_DEFAULTS: dict[str, Any] = {
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-6,
    "use_cache": True,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_PHI3_DEFAULTS: dict[str, Any] = {
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "pad_token_id": 32000,
    "eos_token_id": 32000,
}
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


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
        raise ModelError(
            f"config.json names {architectures(config)[0]}, but the weights are not named as that model's.",
            key="architectures",
            fix="Copy config.json from where the weights came from.",
        )
    return None if family == "phi3" and not _is_llama(config) else family


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The class names in config.json; it may have none."""
    return [str(name) for name in config.get("architectures") or ()]


def _family_of_names(names: Iterable[str]) -> Family | None:
    for name in names:
        found = _LAYER.fullmatch(name)
        if found and found["module"] in _FUSED:
            return _FUSED[found["module"]]
    return None


def _is_llama(config: Mapping[str, Any]) -> bool:
    """Phi-4-mini rotates only a part of each head, which Llama cannot; it is not mapped."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    parts = (config.get("partial_rotary_factor"), rope.get("partial_rotary_factor"))
    return all(part in (None, 1, 1.0) for part in parts)


def as_llama(
    family: Family, config: Mapping[str, Any], weights: Weights, *, keep_dynamic: bool = False
) -> tuple[dict[str, Any], Weights]:
    """Configuration and weights of the Llama that computes what the original does.

    `keep_dynamic` keeps the scaling of positions past `max_position_embeddings`, which is right in
    transformers and silently wrong in vLLM.
    """
    mapped = llama_config(family, config, weights, keep_dynamic=keep_dynamic)
    if mapped["tie_word_embeddings"]:
        # The original classes tie after loading, so they never used a head in the file.
        weights = {
            name: kept for name, kept in weights.items() if name not in ("output.weight", "lm_head.weight")
        }
    return mapped, split(weights, RowSizes.of(mapped))


def llama_config(
    family: Family, config: Mapping[str, Any], weights: Weights, *, keep_dynamic: bool = False
) -> dict[str, Any]:
    """config.json of the Llama; keys that only the original code reads are left out."""
    for name in _SIZES:
        if not isinstance(config.get(name), int) or config[name] < 1:
            raise ModelError("this size is missing or not a number.", key=name, fix="Copy config.json again.")
    sizes = {name: config[name] for name in _SIZES}
    heads = sizes["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    if sizes["hidden_size"] % heads or heads % kv_heads:
        raise ModelError(
            f"{sizes['hidden_size']} numbers cannot be shared by {heads} heads in {kv_heads} groups.",
            key="num_attention_heads",
            fix="Copy config.json again.",
        )
    defaults = _DEFAULTS | (_PHI3_DEFAULTS if family == "phi3" else {})
    mapped = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **sizes,
        "num_key_value_heads": kv_heads,
        "head_dim": sizes["hidden_size"] // heads,
        **{name: config.get(name, value) for name, value in defaults.items()},
        "attention_bias": family != "phi3" and bool(config.get("bias", _has_bias(weights))),
        "mlp_bias": False,
        "attention_dropout": config.get("attention_dropout", 0.0),
        "rope_parameters": rope_parameters(family, config, keep_dynamic=keep_dynamic),
        "dtype": config.get("dtype") or config.get("torch_dtype") or next(iter(weights.values())).dtype,
    }
    return _within_window(mapped, config) if family == "phi3" else mapped


def _has_bias(weights: Weights) -> bool:
    return any(name.endswith((".wqkv.bias", ".q_proj.bias")) for name in weights)


def _within_window(mapped: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Phi-3 sees its last `sliding_window` + 1 tokens and Llama sees all: alike up to that many.

    So the Llama ends there, and no engine can silently be wrong. longrope derives a factor from the end, so
    the factor is written out.
    """
    window = config.get("sliding_window")
    end = mapped["max_position_embeddings"]
    if window is None or window + 1 >= end:
        return mapped
    rope = dict(mapped["rope_parameters"])
    if rope["rope_type"] == "longrope" and "attention_factor" not in rope:
        rope["attention_factor"] = _attention_factor(end, rope["original_max_position_embeddings"])
    return mapped | {"max_position_embeddings": window + 1, "rope_parameters": rope}


def _attention_factor(end: int, original: int) -> float:
    stretched = end / original
    return 1.0 if stretched <= 1 else math.sqrt(1 + math.log(stretched) / math.log(original))


def rope_parameters(family: Family, config: Mapping[str, Any], *, keep_dynamic: bool) -> dict[str, Any]:
    """`rope_parameters` of the Llama."""
    theta, scaling = _base_and_scaling(family, config)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default" or (kind == "dynamic" and not keep_dynamic):
        return {"rope_type": "default", "rope_theta": theta}
    if kind in ("dynamic", "linear"):
        return {"rope_type": kind, "rope_theta": theta, "factor": float(scaling.get("factor", 1.0))}
    if family == "phi3" and kind in ("longrope", "su"):
        return {"rope_type": "longrope", "rope_theta": theta, **_longrope(config, scaling)}
    raise ModelError(
        f"positions are scaled as `{kind}`, which vlmbench does not know for this model.",
        key="rope_scaling",
        fix="It knows dynamic, linear and (for Phi-3) longrope.",
    )


def _base_and_scaling(family: Family, config: Mapping[str, Any]) -> tuple[float, Mapping[str, Any]]:
    """InternLM has a `rotary` of its own; so have the first folders of InternLM2."""
    rotary = config.get("rotary") or {}
    if family == "internlm" or (rotary and "rope_theta" not in config):
        kind = rotary.get("type", "dynamic")
        kind = "default" if kind == "origin" else kind
        return float(rotary.get("base", 10000)), {"type": kind, "factor": rotary.get("scaling_factor", 1.0)}
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = float(scaling.get("rope_theta", config.get("rope_theta", 10000)))
    if rotary and float(rotary.get("base", theta)) != theta:
        raise ModelError(
            f"`rope_theta` is {theta:g} but `rotary` says {rotary['base']:g}.",
            key="rotary",
            fix="Remove the wrong one.",
        )
    return theta, scaling


def _longrope(config: Mapping[str, Any], scaling: Mapping[str, Any]) -> dict[str, Any]:
    original = scaling.get("original_max_position_embeddings", config.get("original_max_position_embeddings"))
    found = {
        "short_factor": scaling.get("short_factor"),
        "long_factor": scaling.get("long_factor"),
        "original_max_position_embeddings": original,
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ModelError(f"longrope needs `{missing[0]}`.", key="rope_scaling", fix="Copy config.json again.")
    if scaling.get("attention_factor") is not None:
        found["attention_factor"] = scaling["attention_factor"]
    return found
