"""Files that torch wrote (.bin, .pth, .pt): their tensors, and nothing of what a pickle could do.

torch reads them with `weights_only`, which runs no code. The training tools put notes of their own
beside the tensors (loss histories, scalers, settings); those are replaced by a `Note` that holds
nothing and does nothing. A file that asks for anything else is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import ModelError
from vlmbench.model_files.folder import check_not_pointer
from vlmbench.model_files.silence import first_line
from vlmbench.model_files.weights import Weights, stored

if TYPE_CHECKING:
    import torch


class Note:
    """Stands where a training tool left an object of its own. It has no state and cannot act."""

    def __new__(cls, *_: object, **__: object) -> Note:
        """Made from anything, of which nothing is kept."""
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Forget what it is told."""


NOTES = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    # How Python before 3.4 spells a method: of HistoryBuffer, in every file mmengine wrote.
    "builtins.getattr",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "argparse.Namespace",
    "deepspeed.runtime.fp16.loss_scaler.LossScaler",
    "deepspeed.runtime.fp16.loss_scaler.DynamicLossScaler",
    "deepspeed.runtime.zero.config.ZeroStageEnum",
    "deepspeed.utils.tensor_fragment.fragment_address",
)
"""What the tools leave beside the tensors, by the name it has in the file."""


def load_pickle(file: Path) -> Any:
    """What the file holds: plain values, tensors that are still on disk, and notes."""
    import torch
    from torch.serialization import safe_globals

    check_not_pointer(file)
    # Only files of torch before 1.6 cannot be mapped.
    mapped = _is_zip(file)
    try:
        with safe_globals([(Note, name) for name in NOTES]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _refused(error, file) from None
    except OSError as error:
        raise ModelError(
            f"this file cannot be read ({first_line(error)}).", file=file, fix="Check it and copy it again."
        ) from None
    # A damaged file fails wherever torch's reader happens to be.
    except Exception as error:
        raise ModelError(
            f"the file is cut off or damaged ({first_line(error)}).",
            file=file,
            fix="Copy or download it again.",
        ) from None


def open_pickle(file: Path) -> Weights:
    """The tensors of a file that holds nothing else."""
    held = load_pickle(file)
    held = held.get("state_dict", held) if isinstance(held, Mapping) else held
    return tensors_of(held, file)


def tensors_of(held: object, file: Path) -> Weights:
    """A dictionary of tensors as weights."""
    import torch

    if not isinstance(held, Mapping) or not all(isinstance(kept, torch.Tensor) for kept in held.values()):
        raise ModelError(
            "this file holds something else than named tensors.",
            file=file,
            fix="Give the file that holds the weights.",
        )
    return {str(name): stored(_plain(kept)) for name, kept in held.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach()


def _is_zip(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise ModelError(f"this file cannot be read ({error.strerror}).", file=file) from None


def _refused(error: Exception, file: Path) -> ModelError:
    """torch names what the file wants to call; a file it cannot make sense of is damaged."""
    _, found, rest = str(error).partition("GLOBAL ")
    if not found:
        return ModelError(
            "the file is no weights of torch's, or it is damaged.",
            file=file,
            fix="Copy or download it again.",
        )
    return ModelError(
        f"this file is a program and not only weights: it wants to call `{rest.split()[0]}`. "
        "Nothing of it was run.",
        file=file,
        fix="Ask its author for safetensors. Weights need no code.",
    )
