"""Files that torch wrote (.bin, .pth, .pt): their tensors, and nothing of what a pickle could do.

torch reads them with `weights_only`, which runs no code. The training tools put notes of their own
beside the tensors (loss histories, scalers, settings); those are replaced by an `InertObject`, which holds
nothing and does nothing. A file that asks for anything else is refused.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.files.zip_parts import DAMAGED_ZIP
from vlmbench.model_files.folder import check_not_pointer
from vlmbench.model_files.silence import first_line


class InertObject:
    """Takes the place of an object that a training tool stored. It has no state and can do nothing."""

    def __new__(cls, *_: object, **__: object) -> InertObject:
        """Accept any arguments and keep none."""
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


_NOTES = (
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
"""The classes and functions that training tools refer to beside the tensors, as files name them."""


def load_pickle(file: Path) -> Any:
    """The file's content: plain values, tensors that are still on disk, and inert objects."""
    import torch
    from torch.serialization import safe_globals

    check_not_pointer(file)
    # Only files of torch before 1.6 cannot be mapped.
    mapped = _is_zip(file)
    if mapped:
        _refuse_packed(file)
    try:
        with safe_globals([(InertObject, name) for name in _NOTES]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _refused(error, file) from None
    except OSError as error:
        raise ModelError(
            f"this file cannot be read ({first_line(error)}).", file=file, fix="Check it and copy it again."
        ) from None
    # A damaged file can fail anywhere in torch's reader.
    except Exception as error:
        raise ModelError(
            f"the file is cut off or damaged ({first_line(error)}).",
            file=file,
            fix="Copy or download it again.",
        ) from None


def _is_zip(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise ModelError(f"this file cannot be read ({error.strerror}).", file=file) from None


def _refuse_packed(file: Path) -> None:
    """torch stores tensors as they are; what unpacks to more than the file holds was made to fill memory."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, *DAMAGED_ZIP, NotImplementedError, ValueError):
        return  # torch's own reader names what is damaged
    packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
    if packed or sum(part.file_size for part in parts) > file.stat().st_size:
        raise ModelError(
            "its parts are compressed or overlap, which torch never writes; nothing of it was unpacked.",
            file=file,
            fix="Ask its author for safetensors.",
        )


def _refused(error: Exception, file: Path) -> ModelError:
    """torch names what the file wants to call; without such a name the file is damaged."""
    _, found, rest = str(error).partition("GLOBAL ")
    if not found:
        return ModelError(
            "the file does not hold weights that torch can read, or it is damaged.",
            file=file,
            fix="Copy or download it again.",
        )
    return ModelError(
        f"this file is a program and not only weights: it wants to call `{rest.split()[0]}`. "
        "Nothing of it was run.",
        file=file,
        fix="Ask its author for safetensors. Weights need no code.",
    )
