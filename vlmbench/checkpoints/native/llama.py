"""A folder's config.json and weights as those of a Llama."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmbench.checkpoints.native.families import Family
from vlmbench.checkpoints.native.fused import Sizes, split
from vlmbench.checkpoints.native.rope import rope_parameters
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights

# What the original classes take where config.json is silent.
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


def as_llama(
    family: Family, config: Mapping[str, Any], weights: Weights, *, keep_dynamic: bool = False
) -> tuple[dict[str, Any], Weights]:
    """Configuration and weights of the Llama that computes what the original does.

    `keep_dynamic` keeps the scaling of positions past `max_position_embeddings`. It is right in transformers
    and silently wrong in vLLM, so nothing that is written to a folder may have it.
    """
    mapped = llama_config(family, config, weights, keep_dynamic=keep_dynamic)
    if mapped["tie_word_embeddings"]:
        # The original classes tie after loading, so a head in the file was never used.
        weights = {
            name: kept for name, kept in weights.items() if name not in ("output.weight", "lm_head.weight")
        }
    return mapped, split(weights, Sizes.of(mapped))


def llama_config(
    family: Family, config: Mapping[str, Any], weights: Weights, *, keep_dynamic: bool = False
) -> dict[str, Any]:
    """config.json of the Llama; keys that only the original code reads are left out."""
    for name in _SIZES:
        if not isinstance(config.get(name), int) or config[name] < 1:
            raise ModelError("this size is missing or is no number.", key=name, fix="Copy config.json again.")
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

    So the Llama ends there, and no engine can be wrong without saying so. longrope derives a factor from the
    end, which therefore is written out.
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
    import math

    stretched = end / original
    return 1.0 if stretched <= 1 else math.sqrt(1 + math.log(stretched) / math.log(original))
