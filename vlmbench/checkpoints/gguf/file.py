"""One GGUF file: what stands in it, and writing it a tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Stored

if TYPE_CHECKING:
    import numpy as np
    import torch
    from gguf import GGMLQuantizationType, GGUFWriter

Kind = Literal["f16", "q8_0"]
"""How the weights of two dimensions are kept; what has one dimension is always float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """A file's keys and tensors, nothing of it read or written yet."""

    architecture: str
    keys: tuple[Callable[[GGUFWriter], None], ...]
    """Each adds its keys."""
    tensors: Mapping[str, Stored] = field(default_factory=dict)
    kind: Kind = "f16"


def write_file(made: GgufFile, file: Path) -> None:
    """Write it. Never more than one tensor is in memory."""
    from gguf import GGUFWriter

    writer = GGUFWriter(file, made.architecture)
    try:
        for add in made.keys:
            add(writer)
        for name, kept in made.tensors.items():
            _announce(writer, name, kept, made.kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, kept in made.tensors.items():
            writer.write_tensor_data(_stored_as(name, kept.load(), kept_type(kept.shape, made.kind)))
    finally:
        writer.close()


def kept_type(shape: tuple[int, ...], kind: Kind) -> GGMLQuantizationType:
    """What a tensor of this shape is kept in: q8_0 packs rows in blocks of 32 and leaves others in f16."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) == 1:
        return GGMLQuantizationType.F32
    block = GGML_QUANT_SIZES[GGMLQuantizationType.Q8_0][0]
    if kind == "q8_0" and shape[-1] % block == 0:
        return GGMLQuantizationType.Q8_0
    return GGMLQuantizationType.F16


def _announce(writer: GGUFWriter, name: str, kept: Stored, kind: Kind) -> None:
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
            "holds numbers that float16 cannot (or numbers that are none): the file would answer nonsense.",
            key=name,
        )
    return array
