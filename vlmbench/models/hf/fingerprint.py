"""What identifies a model in memory: its configuration, and every byte of its weights in one digest.

The weights are summed up where they lie, at the speed of the device's memory. Each tensor's bytes are read
as 64-bit words, and two sums modulo 2^64 are kept, one plain and one with a weight for each place. A change
of one word always changes the first; of two tensors that differ in many words, one in 2^64 has the same.
Sums of integers do not depend on their order, so the digest is the same on every device.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

from vlmbench.errors import ModelError

CPU_WORDS, DEVICE_WORDS = 2**15, 2**22
"""Summed at a time. A quarter of a megabyte stays in a processor's cache: 1.5 GB/s, and 0.2 with 32 MB."""
_OF_TRAINING = ("_name_or_path", "transformers_version", "use_cache")
"""Keys of a configuration that decide no answer."""


def weights_digest(model: Any) -> str:
    """SHA-256 over names, types, shapes and sums of parameters and buffers, and over the active adapters."""
    digest = hashlib.sha256()
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if tensor.device.type == "meta":
            raise ModelError(
                f"the weight `{name}` is not in memory (it was offloaded or never loaded).",
                fix="Load the whole model, or evaluate its folder by path.",
            )
        digest.update(repr((name, str(tensor.dtype), tuple(tensor.shape), sums(tensor))).encode())
    for name, module in model.named_modules():
        if (active := getattr(module, "_active_adapter", None)) is not None:
            disabled, scaling = getattr(module, "_disable_adapters", None), getattr(module, "scaling", None)
            digest.update(repr((name, active, disabled, scaling)).encode())
    return digest.hexdigest()


def sums(tensor: Any) -> list[int]:
    """Two sums over a tensor's bytes; they differ where the bytes do."""
    import torch

    raw = tensor.detach().contiguous().flatten().view(torch.uint8)
    whole = len(raw) // 8 * 8
    tail = torch.nn.functional.pad(raw[whole:], (0, -len(raw) % 8)).view(torch.int64)
    words = raw[:whole].view(torch.int64)
    step = CPU_WORDS if raw.device.type == "cpu" else DEVICE_WORDS
    places = 2 * torch.arange(min(step, len(words)), device=raw.device) + 1
    plain, weighted = tail.sum(), tail.sum() * (2 * len(words) + 1)
    for number, chunk in enumerate(words.split(step)):
        total = chunk.sum()
        plain += total
        # Each word's weight is 2 i + 1 with its place in the tensor, whatever the size of a chunk.
        weighted += (chunk * places[: len(chunk)]).sum() + 2 * number * step * total
    return [int(plain), int(weighted)]


def config_digest(config: Any) -> str:
    """SHA-256 of a configuration without what decides no answer."""
    return _json_digest(_without(config.to_dict(), _OF_TRAINING))


def processor_digest(processor: Any) -> str:
    """SHA-256 of a processor's settings and of its tokenizer."""
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = tokenizer.get_vocab() if backend is None else json.loads(backend.to_str())
    # Each call sets these two anew.
    return _json_digest([processor.to_dict(), _without(vocabulary, ("padding", "truncation"))])


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {str(key): _without(inner, keys) for key, inner in value.items() if key not in keys}
    return value


def _json_digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
