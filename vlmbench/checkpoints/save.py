"""Weights and small files as every reader of transformers' folders expects them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.model_files.weights import SAFETENSORS_NAMES, Stored, Weights, dtype_name

if TYPE_CHECKING:
    import torch

SHARD_SIZE = 2 * 1000**3
"""Bytes of weights in a file, at most, unless a single tensor is larger."""


def save_json(file: Path, document: Mapping[str, Any]) -> None:
    """A JSON file with sorted keys, as transformers writes them."""
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    file.write_text(f"{text}\n", "utf-8")


def save_weights(
    weights: Weights, folder: Path, *, stem: str = "model", shard_size: int = SHARD_SIZE
) -> None:
    """Safetensors, in one file or in shards with their index; one tensor is in memory at a time."""
    shards = list(_shards(weights, shard_size))
    if len(shards) == 1:
        save_safetensors(shards[0], folder / f"{stem}.safetensors")
        return
    placed: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        save_safetensors(shard, folder / name)
        placed |= dict.fromkeys(shard, name)
    total = sum(size_of(kept) for kept in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    save_json(folder / f"{stem}.safetensors.index.json", index)


def _shards(weights: Weights, most: int) -> Iterator[dict[str, Stored]]:
    shard: dict[str, Stored] = {}
    room = most
    for name, kept in weights.items():
        size = size_of(kept)
        if shard and size > room:
            yield shard
            shard, room = {}, most
        shard[name] = kept
        room -= size
    yield shard


def save_safetensors(weights: Weights, file: Path) -> None:
    """One file, written tensor by tensor.

    The format's own library wants every tensor in memory, and tells a full disk in its own words.
    """
    # Widest numbers first, so that each tensor starts where its kind of number may.
    names = sorted(weights, key=lambda name: (-_itemsize(weights[name].dtype), name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + size_of(weights[name])
        header[name] = {
            "dtype": SAFETENSORS_NAMES[weights[name].dtype],
            "shape": list(weights[name].shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with file.open("wb") as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        for name in names:
            stream.write(_bytes(name, weights[name]))


def size_of(kept: Stored) -> int:
    """Bytes."""
    size = _itemsize(kept.dtype)
    for length in kept.shape:
        size *= length
    return size


def _itemsize(dtype: str) -> int:
    import torch

    kind: torch.dtype = getattr(torch, dtype)
    return kind.itemsize


def _bytes(name: str, kept: Stored) -> memoryview:
    import torch

    tensor = kept.load()
    if (tuple(tensor.shape), dtype_name(tensor.dtype)) != (kept.shape, kept.dtype):
        raise ValueError(
            f"{name} was announced as {kept.dtype} {kept.shape} and is {tensor.dtype} {tuple(tensor.shape)}"
        )
    numbers: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(numbers)
