"""From what the user typed to a folder on this machine."""

from __future__ import annotations

from pathlib import Path

from vlmbench.errors import ModelError
from vlmbench.model_files.silence import first_line

_DESCRIPTIONS = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_DUPLICATES = ("consolidated*", "original/*", "onnx/*", "*.gguf", "openvino/*")


def local_folder(spec: str, *, trust_remote_code: bool = False) -> Path:
    """The folder itself, or the downloaded snapshot of a hub id.

    Weights come as safetensors where the hub has them, as pickled files only where it has not.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        return path
    wanted = [*_DESCRIPTIONS, *(["*.py"] if trust_remote_code else [])]
    folder = _snapshot(spec, [*wanted, "*.safetensors"])
    if not any(folder.glob("*.safetensors")):
        folder = _snapshot(spec, [*wanted, "*.bin"])
    return folder


def _snapshot(name: str, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    try:
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=list(_DUPLICATES)))
    except GatedRepoError:
        raise ModelError(
            f"the hub gives out `{name}` only to those who accepted its terms.",
            fix=f"Accept them on https://huggingface.co/{name}, then run `hf auth login`.",
        ) from None
    # The client raises whatever its layers raise: of the hub, of HTTP, of the file system, of its own checks.
    except Exception as error:
        raise ModelError(
            f"`{name}` is no folder here, and as a hub id it cannot be fetched ({first_line(error)}).",
            fix="Check the name and the network (HF_ENDPOINT names a mirror; with HF_HUB_OFFLINE=1 only "
            "the cache is looked at), or download the model elsewhere and give the folder's path.",
        ) from error
