"""Folders that both transformers and vLLM can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_models import ARCHITECTURES

SAVED, PUBLISHED = "vision_tower.", "vision_tower.vision_model."


def save_published(folder: Path, *, seed: int = 0) -> Path:
    """A tiny LLaVA that vLLM can run, its weights named as published checkpoints name them."""
    return save_for_lane("llava", folder, seed=seed)


def save_for_lane(architecture: str, folder: Path, *, seed: int = 0) -> Path:
    """A tiny model of this architecture that vLLM can run."""
    import torch

    from vlmbench.model_files.silence import quiet

    with quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        model, processor = ARCHITECTURES[architecture]()
        _wider(model).save_pretrained(folder)
        processor.save_pretrained(folder)
    publish(folder / "model.safetensors")
    return folder


def _wider(model: Any) -> Any:
    """The same architecture with heads of 32 numbers; vLLM's attention on a CPU has no smaller ones."""
    config = model.config
    config.text_config.hidden_size, config.text_config.head_dim = 128, 32
    if config.model_type == "qwen2_vl":
        config.vision_config.hidden_size = 128
        config.text_config.rope_parameters["mrope_section"] = [4, 6, 6]
    return type(model)(config)


@contextmanager
def vllm_here(folder: Path) -> Iterator[Any]:
    """The model in vLLM, the engine in this process: its own processes, as users have them, start slowly."""
    from vlmbench.models.loading import load_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        model: Any = load_model(f"vllm:{folder}")
    try:
        yield model
    finally:
        model.close()


def rename_newest(file: Path) -> None:
    """From the published names to those that transformers saves."""
    from safetensors.torch import load_file, save_file

    weights = {name.replace(PUBLISHED, SAVED, 1): tensor for name, tensor in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


def publish(file: Path) -> None:
    """Rename the picture tower's weights; vLLM knows no other names."""
    from safetensors.torch import load_file, save_file

    weights = {
        name.replace(SAVED, PUBLISHED, 1) if name.startswith(SAVED) else name: tensor
        for name, tensor in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})
