"""A Llama-shaped language model as llama.cpp reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.gguf.file import GgufFile, Kind
from vlmbench.checkpoints.gguf.vocabulary import Vocabulary
from vlmbench.checkpoints.llava import LanguageModel
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor, mapped

if TYPE_CHECKING:
    import torch
    from gguf import GGUFWriter

_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2"}
"""llama.cpp's name by transformers' model_type."""
_SUPPORTED = "vlmbench writes Llama, Mistral and Qwen2, and InternLM, InternLM2 and Phi-3 as Llama."
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_BLOCK = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")
_BUFFER = "rotary_emb.inv_freq"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The sizes that several functions need."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    tied: bool


def language_file(language: LanguageModel, vocabulary: Vocabulary, *, kind: Kind, name: str) -> GgufFile:
    """The language model's file."""
    config = language.config
    shape = _shape(config)
    rope = _rope(config)
    tensors = _tensors(language, shape)
    if rope["rope_type"] == "llama3":
        tensors["rope_freqs.weight"] = LazyTensor.of(_llama3_factors(rope, shape.head_width))
    padded = vocabulary.padded(tensors["token_embd.weight"].shape[0])
    return GgufFile(
        architecture=shape.architecture,
        keys=(
            lambda writer: _general(writer, kind, name),
            lambda writer: _sizes(writer, config, shape, len(padded.tokens)),
            lambda writer: _rope_keys(writer, rope, shape.head_width),
            padded.write,
        ),
        tensors=tensors,
        kind=kind,
    )


def _shape(config: Mapping[str, Any]) -> _Shape:
    family = str(config.get("model_type"))
    if family not in _ARCHITECTURES:
        raise ModelError(
            f"vlmbench does not write a language model of type `{family}` as GGUF.", fix=_SUPPORTED
        )
    _refuse(config)
    heads = int(config["num_attention_heads"])
    return _Shape(
        architecture=_ARCHITECTURES[family],
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_width=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
        tied=bool(config.get("tie_word_embeddings")),
    )


def _refuse(config: Mapping[str, Any]) -> None:
    """Refuse what llama.cpp's Llama would compute differently or not at all."""
    if config.get("hidden_act", "silu") != "silu":
        raise ModelError(
            f"llama.cpp's Llama has the activation silu; this model has `{config['hidden_act']}`."
        )
    window = config.get("sliding_window")
    if window and config.get("use_sliding_window", True) and window < config["max_position_embeddings"]:
        raise ModelError(f"llama.cpp's Llama has no sliding window; this model has one of {window} tokens.")
    if float(config.get("partial_rotary_factor") or 1) != 1:
        raise ModelError("llama.cpp's Llama rotates the whole head; this model rotates a part of it.")


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rope settings, from where transformers 5 keeps them or from where files of 4 do."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta") or 10000.0)
    rope["rope_type"] = rope.get("rope_type") or rope.get("type") or "default"
    if rope["rope_type"] not in ("default", "dynamic", "linear", "llama3"):
        raise ModelError(
            f"vlmbench does not write rope scaling of type `{rope['rope_type']}` as GGUF.",
            fix="It writes default, linear and llama3; and dynamic as default, the same up to the limit.",
        )
    return rope


def _llama3_factors(rope: Mapping[str, Any], head_width: int) -> torch.Tensor:
    """llama.cpp's divisor of each frequency: from 1 for the high ones to `factor` for the low."""
    import torch

    factor, limit = float(rope["factor"]), float(rope["original_max_position_embeddings"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    steps = torch.arange(0, head_width, 2, dtype=torch.float64) / head_width
    wavelengths = 2 * math.pi * float(rope["rope_theta"]) ** steps
    kept = ((limit / wavelengths - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - kept) / factor + kept)).to(torch.float32)


def _tensors(language: LanguageModel, shape: _Shape) -> dict[str, LazyTensor]:
    found: dict[str, LazyTensor] = {}
    strange = []
    for long, kept in language.weights.items():
        inner = _BLOCK.fullmatch(long)
        if long in _OUTER:
            found[_OUTER[long]] = kept
        elif inner and inner[2] in _INNER:
            part = _INNER[inner[2]]
            found[f"blk.{inner[1]}.{part}.{inner[3]}"] = _interleaved(kept, part, shape)
        elif not long.endswith(_BUFFER):
            strange.append(long)
    if shape.tied:
        found.pop("output.weight", None)
    missing = sorted(_expected(shape) - found.keys())
    if strange or missing:
        raise ModelError(
            f"these are not the weights of a Llama of {shape.layers} layers. "
            f"Unknown: {_listed(strange)}. Missing: {_listed(missing)}.",
            fix=_SUPPORTED,
        )
    return found


def _expected(shape: _Shape) -> set[str]:
    outer = {"token_embd.weight", "output_norm.weight"} | (set() if shape.tied else {"output.weight"})
    return outer | {f"blk.{n}.{part}.weight" for n in range(shape.layers) for part in _INNER.values()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _interleaved(kept: LazyTensor, part: str, shape: _Shape) -> LazyTensor:
    """Rows of queries and keys in the order in which llama.cpp's Llama rotates them.

    transformers rotates row i of a head together with row i + half, llama.cpp row 2i with row 2i + 1.
    llama.cpp's Qwen2 has the order of transformers.
    """
    heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads}.get(part)
    if heads is None or shape.architecture != "llama":
        return kept

    def interleave(tensor: torch.Tensor) -> torch.Tensor:
        halves = tensor.reshape(heads, 2, shape.head_width // 2, *tensor.shape[1:])
        return halves.transpose(1, 2).reshape(tensor.shape)

    return mapped(kept, interleave)


def _general(writer: GGUFWriter, kind: Kind, name: str) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(LlamaFileType.MOSTLY_F16 if kind == "f16" else LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _sizes(writer: GGUFWriter, config: Mapping[str, Any], shape: _Shape, vocabulary: int) -> None:
    writer.add_vocab_size(vocabulary)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))


def _rope_keys(writer: GGUFWriter, rope: Mapping[str, Any], head_width: int) -> None:
    from gguf import RopeScalingType

    writer.add_rope_dimension_count(head_width)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
