"""Tensors by name: opened from any weight file without reading, changed lazily, saved one at a time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError
from vlmbench.model_files.folder import check_safetensors, read_json, weight_files
from vlmbench.model_files.pickles import load_pickle
from vlmbench.model_files.silence import first_line

if TYPE_CHECKING:
    import torch

SHARD_SIZE = 2 * 1000**3
"""Bytes of weights in a file, at most, unless a single tensor is larger."""
_SAFETENSORS_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip

_SAFETENSORS_NAMES = {dtype: name for name, dtype in _SAFETENSORS_DTYPES.items()}
"""What a safetensors header calls each of torch's dtypes."""
_BUFFER = re.compile(r"(^|\.)(position_ids|inv_freq|num_batches_tracked)$")
"""Buffers that are computed, not learned; older files hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyTensor:
    """A tensor that is read, and changed as was asked, only when `load` is called."""

    shape: tuple[int, ...]
    dtype: str
    """As torch calls it: `float16`."""
    load: Callable[[], torch.Tensor]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> LazyTensor:
        """A tensor that is in memory."""
        return cls(shape=tuple(tensor.shape), dtype=dtype_name(tensor.dtype), load=lambda: tensor)

    @property
    def nbytes(self) -> int:
        """The tensor's size in bytes, as it is stored."""
        return _itemsize(self.dtype) * math.prod(self.shape)


Weights = Mapping[str, LazyTensor]
"""Tensors by name. Renaming, splitting and merging make a new mapping and read nothing."""


def open_weights(folder_or_file: Path) -> Weights:
    """Every tensor by name; only headers are read. Raises ModelError for missing and damaged files."""
    if not folder_or_file.is_dir():
        return _open_one(folder_or_file)
    found: dict[str, LazyTensor] = {}
    files = weight_files(folder_or_file)
    for file in files:
        part = _open_one(file)
        if twice := found.keys() & part.keys():
            raise ModelError(f"two shards hold `{min(twice)}`.", file=file, fix="Copy the folder again.")
        found |= part
    if "-of-" in files[0].name:
        _check_index(
            files[0].parent / f"{files[0].name.partition('-')[0]}{files[0].suffix}.index.json", found
        )
    return found


def _open_one(file: Path) -> Weights:
    if not file.is_file():
        raise ModelError("the weights are missing.", file=file, fix="Copy or download them again.")
    if file.suffix != ".safetensors":
        held = load_pickle(file)
        return tensors_of(held.get("state_dict", held) if isinstance(held, Mapping) else held, file)
    from safetensors import SafetensorError

    check_safetensors(file)
    try:
        return open_safetensors(file)
    except SafetensorError as error:
        raise ModelError(
            f"the file is damaged ({first_line(error)}).", file=file, fix="Copy or download it again."
        ) from None
    except KeyError as error:
        raise ModelError(
            f"the weights are in a number format that vlmbench does not read ({error}).",
            file=file,
            fix="Save them as float16 or bfloat16.",
        ) from None


def _check_index(index: Path, found: Weights) -> None:
    """Refuse an index that names tensors which no shard holds."""
    absent = read_json(index)["weight_map"].keys() - found.keys() if index.is_file() else set()
    if absent:
        raise ModelError(
            f"the index names {listed(absent, 'weights that no shard holds')}.",
            file=index,
            fix="Copy or download the folder again.",
        )


def open_safetensors(file: Path) -> Weights:
    """A safetensors file; nothing but its header is read."""
    from safetensors import safe_open

    def one(name: str) -> Callable[[], torch.Tensor]:
        def read() -> torch.Tensor:
            with safe_open(file, "pt") as opened:
                tensor: torch.Tensor = opened.get_tensor(name)
                return tensor

        return read

    with safe_open(file, "pt") as opened:
        found = {}
        for name in opened.keys():  # noqa: SIM118  the handle is no mapping
            part = opened.get_slice(name)
            found[name] = LazyTensor(
                shape=tuple(part.get_shape()), dtype=_SAFETENSORS_DTYPES[part.get_dtype()], load=one(name)
            )
        return found


def tensors_of(held: object, file: Path) -> Weights:
    """A dictionary of tensors as weights."""
    import torch

    if not isinstance(held, Mapping) or not all(isinstance(kept, torch.Tensor) for kept in held.values()):
        raise ModelError(
            "this file holds something else than named tensors.",
            file=file,
            fix="Give the file that holds the weights.",
        )
    return {str(name): LazyTensor.of(kept.detach()) for name, kept in held.items()}


def in_memory(tensors: Mapping[str, torch.Tensor]) -> Weights:
    """Tensors that are already in memory."""
    return {name: LazyTensor.of(tensor) for name, tensor in tensors.items()}


def renamed(weights: Weights, rename: Callable[[str], str | None]) -> Weights:
    """Under other names; a name that becomes None is left out."""
    pairs = ((rename(name), kept) for name, kept in weights.items())
    return {name: kept for name, kept in pairs if name is not None}


def prefixed(weights: Weights, prefix: str) -> Weights:
    """All of it below `prefix`."""
    return {prefix + name: kept for name, kept in weights.items()}


def mapped(
    kept: LazyTensor, change: Callable[[torch.Tensor], torch.Tensor], shape: Iterable[int] | None = None
) -> LazyTensor:
    """The tensor with a change to be made when it is read; `shape` is what that makes of it."""
    return LazyTensor(
        shape=tuple(kept.shape if shape is None else shape),
        dtype=kept.dtype,
        load=lambda: change(kept.load()),
    )


def cast(weights: Weights, dtype: str) -> Weights:
    """Every floating-point tensor in `dtype`."""
    import torch

    wanted = getattr(torch, dtype)

    def as_wanted(kept: LazyTensor) -> LazyTensor:
        if not getattr(torch, kept.dtype).is_floating_point:
            return kept
        return LazyTensor(shape=kept.shape, dtype=dtype, load=lambda: kept.load().to(wanted))

    return {name: as_wanted(kept) for name, kept in weights.items()}


def loaded(weights: Weights) -> dict[str, torch.Tensor]:
    """Every tensor, read."""
    return {name: kept.load() for name, kept in weights.items()}


def dtype_name(dtype: Any) -> str:
    """`torch.float16` as `float16`."""
    return str(dtype).removeprefix("torch.")


def main_dtype(weights: Weights) -> str:
    """The dtype of most tensors."""
    kinds = [kept.dtype for kept in weights.values()]
    return max(sorted(set(kinds)), key=kinds.count)


def is_buffer(name: str) -> bool:
    """Whether a tensor of this name is computed and not learned."""
    return _BUFFER.search(name) is not None


def without_buffers(weights: Weights) -> Weights:
    """Only what was learned."""
    return {name: kept for name, kept in weights.items() if not is_buffer(name)}


def listed(names: Collection[str], what: str, most: int = 8) -> str:
    """Names for inside a sentence: `3 missing (a, b, c)`."""
    shown = sorted(names)[:most]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {what} ({', '.join(shown)}{more})"


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
    total = sum(kept.nbytes for kept in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    save_json(folder / f"{stem}.safetensors.index.json", index)


def _shards(weights: Weights, most: int) -> Iterator[dict[str, LazyTensor]]:
    shard: dict[str, LazyTensor] = {}
    room = most
    for name, kept in weights.items():
        size = kept.nbytes
        if shard and size > room:
            yield shard
            shard, room = {}, most
        shard[name] = kept
        room -= size
    yield shard


def save_safetensors(weights: Weights, file: Path) -> None:
    """One file, written tensor by tensor.

    The format's own library needs every tensor in memory, and its error for a full disk names no file.
    """
    # Widest dtypes first, so that each tensor is aligned.
    names = sorted(weights, key=lambda name: (-_itemsize(weights[name].dtype), name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + weights[name].nbytes
        header[name] = {
            "dtype": _SAFETENSORS_NAMES[weights[name].dtype],
            "shape": list(weights[name].shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with file.open("wb") as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        for name in names:
            stream.write(_bytes(name, weights[name]))


def _itemsize(dtype: str) -> int:
    import torch

    kind: torch.dtype = getattr(torch, dtype)
    return kind.itemsize


def _bytes(name: str, kept: LazyTensor) -> memoryview:
    import torch

    tensor = kept.load()
    if (tuple(tensor.shape), dtype_name(tensor.dtype)) != (kept.shape, kept.dtype):
        raise ValueError(
            f"{name} was announced as {kept.dtype} {kept.shape} and is {tensor.dtype} {tuple(tensor.shape)}"
        )
    numbers: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(numbers)
