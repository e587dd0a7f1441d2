"""Fused projections of InternLM2 and Phi-3 as Llama's: which rows are which, in weights and in LoRA.

A fused projection gets one A and one B. A goes to every part as it is, and B gives each part its rows, so
that the parts add exactly what the fused one added; rank and alpha stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor, Weights

if TYPE_CHECKING:
    import torch

_LAYER = re.compile(r"(?P<layer>model\.layers\.\d+\.)(?P<module>[\w.]+)")
_WHOLE = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_TOP = {"model.tok_embeddings": "model.embed_tokens", "output": "lm_head"}
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_GATE_UP = ("mlp.gate_proj", "mlp.up_proj")
_TENSOR = re.compile(r"(?P<module>.+?)\.(?P<rest>lora_\w+(?:\..+)?|modules_to_save\..+|weight|bias)")
_INNER = re.compile(
    r"(?:^|\.)(?P<inner>model\.layers\.\d+\..+|model\.(?:tok_embeddings|embed_tokens)|output|lm_head)$"
)
_FUSED = re.compile(
    r"\.attention\.w|\.feed_forward\.w|\.qkv_proj\.|\.gate_up_proj\.|\.tok_embeddings\.|^\.output\."
)
_SHARED = ("lora_A", "lora_embedding")
_SAVED = {"output": "lm_head", "tok_embeddings": "embed_tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSizes:
    """The sizes that decide how many rows of a fused projection each part takes."""

    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RowSizes:
        """From config.json; without `num_key_value_heads` there are as many KV heads as heads."""
        heads = config["num_attention_heads"]
        return cls(
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config["hidden_size"] // heads,
            intermediate=config["intermediate_size"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaModule:
    """A module of Llama, and the rows of the original module that it takes; None: all."""

    module: str
    rows: Callable[[], torch.Tensor] | None = None
    count: int = 0


def parts_of(module: str, sizes: RowSizes) -> tuple[LlamaModule, ...]:
    """The modules of Llama that an original module becomes."""
    if module in _TOP:
        return (LlamaModule(module=_TOP[module]),)
    found = _LAYER.fullmatch(module)
    if found is None:
        return (LlamaModule(module=module),)
    layer, inner = found["layer"], found["module"]
    if inner == "attention.wqkv":
        return tuple(_grouped(layer, sizes))
    if inner == "self_attn.qkv_proj":
        queries, keys = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        return tuple(_one_after_another(layer, _QKV, (queries, keys, keys)))
    if inner == "mlp.gate_up_proj":
        return tuple(_one_after_another(layer, _GATE_UP, (sizes.intermediate, sizes.intermediate)))
    return (LlamaModule(module=layer + _WHOLE.get(inner, inner)),)


def split(weights: Weights, sizes: RowSizes) -> Weights:
    """Original tensors under Llama's names; nothing is read."""
    found: dict[str, LazyTensor] = {}
    for name, kept in weights.items():
        module, _, kind = name.rpartition(".")
        parts = parts_of(module, sizes)
        found |= {f"{part.module}.{kind}": taken(name, kept, part, parts) for part in parts}
    return found


def taken(name: str, kept: LazyTensor, part: LlamaModule, parts: tuple[LlamaModule, ...]) -> LazyTensor:
    """The rows of one part; a tensor with other rows than all parts need is refused."""
    rows = part.rows
    if rows is None:
        return kept
    wanted = sum(each.count for each in parts)
    if not kept.shape or kept.shape[0] != wanted:
        raise ModelError(
            f"`{name}` has the shape {list(kept.shape)}, but by config.json it has {wanted} rows.",
            fix="Weights and config.json (or adapter and base) belong to different models.",
        )

    def load() -> torch.Tensor:
        # Selecting by index copies, so no part keeps the whole tensor in memory.
        return kept.load().index_select(0, rows())

    return LazyTensor(shape=(part.count, *kept.shape[1:]), dtype=kept.dtype, load=load)


def _grouped(layer: str, sizes: RowSizes) -> Iterator[LlamaModule]:
    """InternLM2: for each KV head its query heads, then its key head, then its value head."""
    group = sizes.heads // sizes.kv_heads
    for name, start, stop in zip(_QKV, (0, group, group + 1), (group, group + 1, group + 2), strict=True):

        def rows(start: int = start, stop: int = stop) -> torch.Tensor:
            import torch

            shape = (sizes.kv_heads, group + 2, sizes.head_dim)
            return torch.arange(shape[0] * shape[1] * shape[2]).view(shape)[:, start:stop].flatten()

        yield LlamaModule(
            module=layer + name, rows=rows, count=sizes.kv_heads * (stop - start) * sizes.head_dim
        )


def _one_after_another(layer: str, names: tuple[str, ...], counts: tuple[int, ...]) -> Iterator[LlamaModule]:
    """Phi-3: plain blocks of rows."""
    for position, (name, count) in enumerate(zip(names, counts, strict=True)):

        def rows(start: int = sum(counts[:position]), count: int = count) -> torch.Tensor:
            import torch

            return torch.arange(start, start + count)

        yield LlamaModule(module=layer + name, rows=rows, count=count)


def is_fused(names: Iterable[str]) -> bool:
    """Whether an adapter names original modules of InternLM2 or Phi-3, with or without PEFT's prefixes."""
    return any(_FUSED.search("." + name.replace("base_model.model.", "")) for name in names)


def split_fused_lora(weights: Weights, config: Mapping[str, Any]) -> Weights:
    """Adapter tensors under the names of the mapped language model, whose configuration is `config`.

    Prefixes such as `base_model.model.` stay. An adapter of a Llama or of a model that was not mapped is
    returned unchanged.
    """
    if config.get("model_type") != "llama":
        return weights
    sizes = RowSizes.of(config)
    found: dict[str, LazyTensor] = {}
    for name, kept in weights.items():
        found |= _split(name, kept, sizes)
    return found


def _split(name: str, kept: LazyTensor, sizes: RowSizes) -> Weights:
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
    """The prefix, the module and the rest of the name; None for other tensors."""
    tensor = _TENSOR.fullmatch(name)
    inner = _INNER.search(tensor["module"]) if tensor else None
    if tensor is None or inner is None:
        return None
    return tensor["module"][: inner.start("inner")], inner["inner"], tensor["rest"]


def split_fused_settings(settings: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """adapter_config.json with Llama's modules; `weights` are the adapter's original tensors.

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
        matched = {module: pattern for module in modules if (pattern := _first(patterns, module))}
        if patterns:
            mapped[name] = {part: patterns[matched[module]] for module in matched for part in _parts(module)}
    return mapped


def _modules(name: str) -> Iterator[str]:
    read = _read(name)
    if read is not None and read[2].startswith("lora_"):
        yield read[1]


def _parts(module: str) -> list[str]:
    # Any sizes do: only names are asked for.
    sizes = RowSizes(heads=1, kv_heads=1, head_dim=1, intermediate=1)
    return [part.module for part in parts_of(module, sizes)]


def _first(patterns: Mapping[str, Any], module: str) -> str | None:
    """The pattern that PEFT uses for a module."""
    return next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), None)
