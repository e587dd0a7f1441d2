"""Which layout a checkpoint is in, by its file names and its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from vlmbench.checkpoints.vision import KINDS
from vlmbench.errors import ModelError, NoSuchModel
from vlmbench.model_files.folder import read_json

Layout = Literal[
    "huggingface", "official", "xtuner", "pth", "deepspeed", "unfinished", "adapter", "language", "vision"
]
TRAINED = "trained.safetensors"
"""What `vlmbench train` calls the trained parameters in its checkpoints."""
_XTUNER_PARTS = ("projector", "llm_adapter", "visual_encoder_adapter", "visual_encoder")
_ACCEPTED = (
    "vlmbench reads Hugging Face, official LLaVA and xtuner folders, .pth files and DeepSpeed folders of "
    "training, checkpoints of `vlmbench train`, and PEFT adapters."
)


def layout_of(path: Path) -> Layout:
    """The layout of a folder or file, or an error that says what is expected."""
    if not path.exists():
        raise NoSuchModel("there is no such file or folder.", file=path, fix="Check the path.")
    found = guess(path)
    if found is None:
        raise ModelError(
            "this is not a checkpoint in a layout that vlmbench knows.", file=path, fix=_ACCEPTED
        )
    return found


def guess(path: Path) -> Layout | None:
    """The layout; None for an unknown one."""
    if not path.is_dir():
        return "pth" if path.suffix in (".pth", ".pt", ".bin") else None
    if any((path / part).is_dir() for part in _XTUNER_PARTS):
        return "xtuner"
    config = config_of(path)
    if (path / TRAINED).is_file():
        return "unfinished"
    if (path / "adapter_config.json").is_file():
        return "adapter"
    if state_folder(path) is not None and not _has_weights(path):
        return "deepspeed"
    if not config:
        return None
    if "mm_vision_tower" in config:
        return "official"
    if config.get("model_type") in KINDS:
        return "vision"
    return "language" if _is_language(config) else "huggingface"


def config_of(folder: Path) -> dict[str, Any]:
    """config.json; empty where there is none."""
    file = folder / "config.json"
    return read_json(file) if file.is_file() else {}


def _is_language(config: Mapping[str, Any]) -> bool:
    """Whether this is a language model that takes no pictures."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )

    kind = config.get("model_type")
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or "vision_config" in config:
        return False
    named = [str(name) for name in config.get("architectures") or ()]
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or any(name.startswith("InternLM") for name in named)


def state_folder(folder: Path) -> Path | None:
    """Where DeepSpeed's files are: here, or in the folder that the file `latest` names."""
    if any(folder.glob("*_model_states.pt")):
        return folder
    latest = folder / "latest"
    if not latest.is_file():
        return None
    named = folder / Path(latest.read_text("utf-8", "replace").strip()).name
    return named if any(named.glob("*_model_states.pt")) else None


def _has_weights(folder: Path) -> bool:
    names = (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    )
    return any((folder / name).is_file() for name in names)
