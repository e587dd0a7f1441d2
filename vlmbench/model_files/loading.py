"""The weights of a model folder, on a device, every one of them from the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError, ModelUsageError, UnknownName
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import is_buffer, listed

DTYPES = {
    "float32": "float32", "fp32": "float32", "bfloat16": "bfloat16", "bf16": "bfloat16",
    "float16": "float16", "fp16": "float16",
}  # fmt: skip


def choose_device(wanted: str) -> str:
    """`auto` is the first accelerator there is; any other name must be a device of this machine."""
    import torch

    if wanted == "auto":
        return next((kind for kind in ("cuda", "xpu", "mps") if _available(kind)), "cpu")
    if wanted.startswith("gpu"):
        ours = wanted.replace("gpu", "cuda")
        raise ModelUsageError(f"a GPU's name is `{ours}`, not `{wanted}`.", key="--device")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UnknownName("device", wanted, ["auto", "cpu", "cuda", "cuda:1", "xpu", "mps"]) from None
    if not _available(device.type) or (device.index or 0) >= _count(device.type):
        raise ModelUsageError(
            f"this machine has no device `{wanted}`.",
            fix="`--device auto` takes what there is; CUDA_VISIBLE_DEVICES may hide some.",
        )
    return wanted


def _available(kind: str) -> bool:
    import torch

    if kind == "cpu":
        return True
    backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    return bool(backend is not None and hasattr(backend, "is_available") and backend.is_available())


def _count(kind: str) -> int:
    import torch

    module = getattr(torch, kind, None)
    return int(module.device_count()) if module is not None and hasattr(module, "device_count") else 1


def choose_dtype(wanted: str, device: str) -> str:
    """`auto` is float32 on a CPU, where halves are slow and inexact, and elsewhere what the folder stores."""
    if wanted == "auto":
        return "float32" if device == "cpu" else "auto"
    if wanted not in DTYPES:
        raise UnknownName("dtype", wanted, ["auto", *DTYPES])
    return DTYPES[wanted]


def placed(device: str, dtype: str) -> str:
    """Where a model is loaded to and in what type, as far as it is known before: `on cpu, float32`."""
    return f"on {device}" if dtype == "auto" else f"on {device}, {dtype}"


def load_weights(
    folder: Path,
    *,
    device: str,
    dtype: str,
    trust_remote_code: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """The model in evaluation mode, or an error that lists the weights that do not fit.

    `settings` are further keywords of from_pretrained; a `device_map` among them says where the model goes.
    """
    from transformers import AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    try:
        with quiet():
            model, report = auto.from_pretrained(
                folder,
                dtype=dtype,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                # Refused all the same, by check_report, which lists them.
                ignore_mismatched_sizes=True,
                **{"device_map": None if device == "cpu" else {"": device}, **(settings or {})},
            )
    # Any error of transformers here means that configuration and weights do not fit together.
    except Exception as error:
        raise loading_error(error, folder, device) from error
    check_report(report, folder)
    return model.eval()


def loading_error(error: Exception, folder: Path, device: str) -> ModelError:
    """Why a model could not be loaded: not enough memory, or parts that do not fit."""
    if "out of memory" in str(error).lower():
        return ModelError(
            f"the model does not fit on `{device}` ({first_line(error)}).",
            file=folder,
            fix="Try `--dtype bfloat16`, a device with more memory, or a smaller model.",
        )
    return ModelError(
        f"the weights cannot be loaded ({first_line(error)}).",
        file=folder,
        fix="Compare config.json and the weights with the model's source.",
    )


def check_report(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse a model with a part that is not in the file; transformers would fill it at random."""
    missing = {key for key in report["missing_keys"] if not is_buffer(key)}
    unexpected = {key for key in report["unexpected_keys"] if not is_buffer(key)}
    mismatched = {entry[0] for entry in report.get("mismatched_keys", ())}
    complaints = [
        listed(names, what)
        for names, what in (
            (missing, "missing from the file"),
            (mismatched, "of another shape than config.json says"),
            (unexpected, "unknown to this kind of model"),
        )
        if names
    ]
    if complaints:
        raise ModelError(
            f"the weights do not fit config.json: {'; '.join(complaints)}.",
            file=folder,
            fix="Check that both come from the same model, and that the program that wrote them finished.",
        )
