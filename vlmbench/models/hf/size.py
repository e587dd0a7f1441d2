"""How long a prompt is, about, and how many tokens fit on a device, about.

Both are starting points: a batch that does not fit after all is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CPU_TOKENS = 2048
"""More do not make a processor busier, and what a layer puts out for them no longer stays in its caches."""
MOST_TOKENS = 65_536


def prompt_length(processor: Any, text: str, sizes: Sequence[tuple[int, int]]) -> int:
    """About how many tokens: bytes over four for the text, and what the processor says of its pictures."""
    return len(text.encode("utf-8", "replace")) // 4 + _picture_tokens(processor, sizes)


def _picture_tokens(processor: Any, sizes: Sequence[tuple[int, int]]) -> int:
    if not sizes:
        return 0
    try:
        counts = processor._get_num_multimodal_tokens(
            image_sizes=[[height, width] for width, height in sizes]
        )
        return int(sum(counts["num_image_tokens"]))
    # Not every processor can tell, and only the order of the lengths matters.
    except Exception:
        return sum(width * height for width, height in sizes) // (28 * 28)


def starting_budget(model: Any) -> int:
    """How many tokens should fit beside the weights."""
    import torch

    if model.device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(model.device)
    each = bytes_per_token(model.config.get_text_config(decoder=True), model.dtype.itemsize)
    return max(1, min(MOST_TOKENS, int(0.8 * free) // each))


def bytes_per_token(config: Any, itemsize: int) -> int:
    """Keys and values of every layer, and as much again as one layer's work at its widest."""
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    cache = 2 * config.num_hidden_layers * key_heads * head
    width = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    work = 4 * (config.hidden_size + width)
    return int((cache + work) * itemsize)
