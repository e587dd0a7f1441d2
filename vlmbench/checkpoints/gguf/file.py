"""One GGUF file: its content, and writing it one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor

if TYPE_CHECKING:
    import numpy as np
    import torch
    from gguf import GGMLQuantizationType, GGUFWriter

Kind = Literal["f16", "q8_0"]
"""The number format of weights with two dimensions; those with one are always float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """A file's keys and tensors; no tensor is read yet."""

    architecture: str
    keys: tuple[Callable[[GGUFWriter], None], ...]
    """Functions that each add some keys."""
    tensors: Mapping[str, LazyTensor] = field(default_factory=dict)
    kind: Kind = "f16"


def write_file(content: GgufFile, file: Path) -> None:
    """Never more than one tensor is in memory."""
    from gguf import GGUFWriter

    writer = GGUFWriter(file, content.architecture)
    try:
        for add in content.keys:
            add(writer)
        for name, kept in content.tensors.items():
            _announce(writer, name, kept, content.kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, kept in content.tensors.items():
            writer.write_tensor_data(_stored_as(name, kept.load(), kept_type(kept.shape, content.kind)))
    finally:
        writer.close()


def kept_type(shape: tuple[int, ...], kind: Kind) -> GGMLQuantizationType:
    """The format of a tensor of this shape: q8_0 packs rows in blocks of 32, other rows stay in f16."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) == 1:
        return GGMLQuantizationType.F32
    block = GGML_QUANT_SIZES[GGMLQuantizationType.Q8_0][0]
    if kind == "q8_0" and shape[-1] % block == 0:
        return GGMLQuantizationType.Q8_0
    return GGMLQuantizationType.F16


def _announce(writer: GGUFWriter, name: str, kept: LazyTensor, kind: Kind) -> None:
    import numpy as np
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    as_type = kept_type(kept.shape, kind)
    block, size = GGML_QUANT_SIZES[as_type]
    count = int(np.prod(kept.shape))
    number = np.dtype(np.float32 if as_type == GGMLQuantizationType.F32 else np.float16)
    writer.add_tensor_info(name, kept.shape, number, count // block * size, raw_dtype=as_type)


def _stored_as(name: str, tensor: torch.Tensor, as_type: GGMLQuantizationType) -> np.ndarray:
    import numpy as np
    import torch
    from gguf import GGMLQuantizationType, quantize

    with np.errstate(over="ignore"):
        if as_type == GGMLQuantizationType.F16:
            array = tensor.to(torch.float16).contiguous().numpy()
        else:
            array = quantize(tensor.to(torch.float32).contiguous().numpy(), as_type)
    if as_type != GGMLQuantizationType.Q8_0 and not np.isfinite(array).all():
        raise ModelError(
            "holds numbers too large for float16, or NaN: the model would answer nonsense.",
            key=name,
        )
    return array
