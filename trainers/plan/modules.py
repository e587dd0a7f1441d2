"""The modules of a model and their parameters, by the values of its config.json: no weights, no download.

The architectures that recipes name are counted here: torch and transformers take five seconds to import.
Any other is built by transformers on torch's meta device, which gives the same modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

from vlmbench.errors import ModelError

SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
DECODER_SIZES = {
    "llama": (*SIZES, "vocab_size"),
    "mistral": (*SIZES, "vocab_size", "num_key_value_heads"),
    "phi3": (*SIZES, "vocab_size", "num_key_value_heads"),
    "qwen2": (*SIZES, "vocab_size", "num_key_value_heads"),
}
"""What a config.json must have to be counted here; transformers knows the defaults of one that is shorter."""
TOWER_SIZES = (*SIZES, "image_size", "patch_size")
TOWERS = ("clip_vision_model", "siglip_vision_model")


class Module(NamedTuple):
    """One module, without those inside it."""

    name: str
    parameters: int
    """0 for a head that shares the matrix of the embeddings."""
    linear: tuple[int, int] | None = None
    """Inputs and outputs, of a linear layer."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model without its weights."""

    config: Any
    """The values of its config.json, as attributes."""
    modules: tuple[Module, ...]


def language_architecture(config: Mapping[str, Any]) -> Architecture:
    """A causal language model with its head."""
    kind = config.get("model_type")
    if not _has_sizes(config, DECODER_SIZES.get(str(kind), ())):
        return _on_meta(config, causal=True)
    return Architecture(SimpleNamespace(**config), tuple(_decoder(config)))


def vision_architecture(config: Mapping[str, Any]) -> Architecture:
    """A vision tower."""
    if config.get("model_type") not in TOWERS or not _has_sizes(config, TOWER_SIZES):
        return _on_meta(config, causal=False)
    return Architecture(SimpleNamespace(**config), tuple(_tower(config)))


def _has_sizes(config: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether these values suffice; transformers refuses heads that do not divide the width."""
    sizes = [config.get(name) for name in names]
    if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
        return False
    return bool(config["hidden_size"] % config["num_attention_heads"] == 0)


def _linear(name: str, inputs: int, outputs: int, bias: bool) -> Module:
    return Module(name, (inputs + bias) * outputs, (inputs, outputs))


def _decoder(config: Mapping[str, Any]) -> Iterator[Module]:
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    embeddings = vocabulary * hidden
    yield Module("model.embed_tokens", embeddings)
    for layer in range(config["num_hidden_layers"]):
        above = f"model.layers.{layer}"
        yield from _attention(config, f"{above}.self_attn")
        yield from _gated(config, f"{above}.mlp")
        yield Module(f"{above}.input_layernorm", hidden)
        yield Module(f"{above}.post_attention_layernorm", hidden)
    yield Module("model.norm", hidden)
    yield Module("lm_head", 0 if config.get("tie_word_embeddings") else embeddings, (hidden, vocabulary))


def _attention(config: Mapping[str, Any], above: str) -> Iterator[Module]:
    hidden, heads, kind = config["hidden_size"], config["num_attention_heads"], config["model_type"]
    width = config.get("head_dim") or hidden // heads
    queries, keys = heads * width, (config.get("num_key_value_heads") or heads) * width
    bias = kind == "llama" and bool(config.get("attention_bias"))
    if kind == "phi3":
        yield _linear(f"{above}.qkv_proj", hidden, queries + 2 * keys, bias=False)
    else:
        for name, outputs in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield _linear(f"{above}.{name}", hidden, outputs, bias or kind == "qwen2")
    yield _linear(f"{above}.o_proj", queries, hidden, bias)


def _gated(config: Mapping[str, Any], above: str) -> Iterator[Module]:
    hidden, inner, kind = config["hidden_size"], config["intermediate_size"], config["model_type"]
    bias = kind == "llama" and bool(config.get("mlp_bias"))
    up = (("gate_up_proj", 2 * inner),) if kind == "phi3" else (("gate_proj", inner), ("up_proj", inner))
    for name, outputs in up:
        yield _linear(f"{above}.{name}", hidden, outputs, bias)
    yield _linear(f"{above}.down_proj", inner, hidden, bias)


def _tower(config: Mapping[str, Any]) -> Iterator[Module]:
    """CLIP has a class token and a norm before its layers, SigLIP biased patches and a pooling head."""
    hidden, patch = config["hidden_size"], config["patch_size"]
    is_clip = config["model_type"] == "clip_vision_model"
    pixels = config.get("num_channels", 3) * patch**2
    positions = (config["image_size"] // patch) ** 2 + is_clip
    if is_clip:
        yield Module("embeddings", hidden)
        yield Module("pre_layrnorm", 2 * hidden)
    yield Module("embeddings.patch_embedding", (pixels + (not is_clip)) * hidden)
    yield Module("embeddings.position_embedding", positions * hidden)
    for layer in range(config["num_hidden_layers"]):
        above = f"encoder.layers.{layer}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield _linear(f"{above}.self_attn.{name}", hidden, hidden, bias=True)
        yield from _two_layers(config, above)
        yield Module(f"{above}.layer_norm1", 2 * hidden)
        yield Module(f"{above}.layer_norm2", 2 * hidden)
    yield Module("post_layernorm", 2 * hidden)
    if not is_clip and config.get("vision_use_head", True):
        yield Module("head", hidden)
        yield Module("head.attention", 3 * hidden * (hidden + 1))
        yield _linear("head.attention.out_proj", hidden, hidden, bias=True)
        yield Module("head.layernorm", 2 * hidden)
        yield from _two_layers(config, "head")


def _two_layers(config: Mapping[str, Any], above: str) -> Iterator[Module]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    yield _linear(f"{above}.mlp.fc1", hidden, inner, bias=True)
    yield _linear(f"{above}.mlp.fc2", inner, hidden, bias=True)


def _on_meta(config: Mapping[str, Any], *, causal: bool) -> Architecture:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    values = {
        key: value for key, value in config.items() if key not in ("model_type", "transformers_version")
    }
    kind = config.get("model_type")
    try:
        made = AutoConfig.for_model(str(kind), **values)
    except ValueError:
        raise ModelError(f"transformers has no model type `{kind}`.") from None
    factory: Any = AutoModelForCausalLM if causal else AutoModel
    with torch.device("meta"):
        model = factory.from_config(made)
    return Architecture(model.config, tuple(_built(model)))


def _built(model: Any) -> Iterator[Module]:
    import torch

    counted: set[int] = set()
    for name, module in model.named_modules():
        own = [found for found in module.parameters(recurse=False) if id(found) not in counted]
        counted.update(map(id, own))
        is_linear = isinstance(module, torch.nn.Linear)
        linear = (module.in_features, module.out_features) if is_linear else None
        if own or linear:
            yield Module(name, sum(found.numel() for found in own), linear)
