"""Which rows of a fused projection are which Llama projection, and what the others are called there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Stored, Weights

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the rows of the fused projections are counted in."""

    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """From config.json; without KV heads of its own there are as many as heads."""
        heads = config["num_attention_heads"]
        return cls(
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config["hidden_size"] // heads,
            intermediate=config["intermediate_size"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A module of Llama, and the rows of the fused one that it takes; None takes all."""

    module: str
    rows: Callable[[], torch.Tensor] | None = None
    count: int = 0


def parts_of(module: str, sizes: Sizes) -> tuple[Part, ...]:
    """What an original module is in Llama; one that has the same name there is itself."""
    if module in _TOP:
        return (Part(module=_TOP[module]),)
    found = _LAYER.fullmatch(module)
    if found is None:
        return (Part(module=module),)
    layer, inner = found["layer"], found["module"]
    if inner == "attention.wqkv":
        return tuple(_grouped(layer, sizes))
    if inner == "self_attn.qkv_proj":
        queries, keys = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        return tuple(_one_after_another(layer, _QKV, (queries, keys, keys)))
    if inner == "mlp.gate_up_proj":
        return tuple(_one_after_another(layer, _GATE_UP, (sizes.intermediate, sizes.intermediate)))
    return (Part(module=layer + _WHOLE.get(inner, inner)),)


def split(weights: Weights, sizes: Sizes) -> Weights:
    """Original tensors under Llama's names; nothing is read."""
    found: dict[str, Stored] = {}
    for name, kept in weights.items():
        module, _, kind = name.rpartition(".")
        parts = parts_of(module, sizes)
        found |= {f"{part.module}.{kind}": taken(name, kept, part, parts) for part in parts}
    return found


def taken(name: str, kept: Stored, part: Part, parts: tuple[Part, ...]) -> Stored:
    """The rows of one part; a tensor with other rows than all parts need is refused."""
    rows = part.rows
    if rows is None:
        return kept
    wanted = sum(each.count for each in parts)
    if not kept.shape or kept.shape[0] != wanted:
        raise ModelError(
            f"`{name}` has the shape {list(kept.shape)}, but config.json makes {wanted} rows of it.",
            fix="Weights and config.json (or adapter and base) belong to different models.",
        )

    def load() -> torch.Tensor:
        # Picking by index copies, so that no part keeps the whole tensor in memory.
        return kept.load().index_select(0, rows())

    return Stored(shape=(part.count, *kept.shape[1:]), dtype=kept.dtype, load=load)


def _grouped(layer: str, sizes: Sizes) -> Iterator[Part]:
    """InternLM2: for each KV head its query heads, then its key head, then its value head."""
    group = sizes.heads // sizes.kv_heads
    for name, start, stop in zip(_QKV, (0, group, group + 1), (group, group + 1, group + 2), strict=True):

        def rows(start: int = start, stop: int = stop) -> torch.Tensor:
            import torch

            shape = (sizes.kv_heads, group + 2, sizes.head_dim)
            return torch.arange(shape[0] * shape[1] * shape[2]).view(shape)[:, start:stop].flatten()

        yield Part(module=layer + name, rows=rows, count=sizes.kv_heads * (stop - start) * sizes.head_dim)


def _one_after_another(layer: str, names: tuple[str, ...], counts: tuple[int, ...]) -> Iterator[Part]:
    """Phi-3: plain blocks of rows."""
    for position, (name, count) in enumerate(zip(names, counts, strict=True)):

        def rows(start: int = sum(counts[:position]), count: int = count) -> torch.Tensor:
            import torch

            return torch.arange(start, start + count)

        yield Part(module=layer + name, rows=rows, count=count)
