"""Towers are read alike from every folder that holds one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from repository import GOLDEN
from safetensors.torch import load_file, save_file
from tiny_models import edit_json

from vlmbench.checkpoints.vision import open_vision
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import quiet

CLIP = GOLDEN / "training" / "convert" / "inputs" / "base" / "clip"
SIZES: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip


def save(model: Any, folder: Path) -> Path:
    with quiet():
        model.save_pretrained(folder)
    shutil.copyfile(CLIP / "preprocessor_config.json", folder / "preprocessor_config.json")
    return folder


def clip_with_text(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
    return save(CLIPModel(CLIPConfig(text_config=text | words, vision_config=SIZES)), folder)


def siglip(folder: Path) -> Path:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return save(SiglipVisionModel(SiglipVisionConfig(**SIZES)), folder)


def test_names_and_settings_are_the_published_ones(tmp_path: Path) -> None:
    for folder in (CLIP, clip_with_text(tmp_path / "clip"), siglip(tmp_path / "siglip")):
        tower = open_vision(folder)
        assert all(name.startswith("vision_model.") for name in tower.weights)
        assert tower.config["patch_size"] == 14
        assert tower.processor["image_mean"]
        json.dumps(tower.config)
    assert open_vision(tmp_path / "siglip").config["model_type"] == "siglip_vision_model"


def test_a_tower_saved_by_transformers_5_reads_as_the_published_one(tmp_path: Path) -> None:
    from transformers import CLIPVisionModel

    with quiet():
        model = CLIPVisionModel.from_pretrained(CLIP)
    again = open_vision(save(model, tmp_path / "again"))
    first = open_vision(CLIP)
    assert again.weights.keys() == first.weights.keys()
    assert all(torch.equal(again.weights[n].load(), first.weights[n].load()) for n in first.weights)


def broken(folder: Path, **changes: Any) -> Path:
    shutil.copytree(CLIP, folder)
    edit_json(folder / "config.json", **changes)
    return folder


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"`llama` is not a vision tower"):
        open_vision(broken(tmp_path / "a", model_type="llama"))
    with pytest.raises(ModelError, match="of another shape than the configuration says"):
        open_vision(broken(tmp_path / "b", hidden_size=16))
    with pytest.raises(ModelError, match=r"16 missing .*encoder.layers.3"):
        open_vision(broken(tmp_path / "c", num_hidden_layers=4))
    with pytest.raises(ModelError, match="16 unknown to this kind of model"):
        open_vision(broken(tmp_path / "d", num_hidden_layers=2))
    with pytest.raises(ModelError, match="quantised"):
        open_vision(broken(tmp_path / "e", quantization_config={"load_in_4bit": True}))


def test_buffers_of_old_files_are_harmless_and_strangers_are_not(tmp_path: Path) -> None:
    folder = broken(tmp_path / "a")
    held = load_file(folder / "model.safetensors")
    save_file(held | {"vision_model.embeddings.position_ids": torch.arange(5)}, folder / "model.safetensors")
    assert open_vision(folder).weights.keys() == held.keys()
    save_file(held | {"vision_model.extra": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"1 unknown .*vision_model.extra"):
        open_vision(folder)
    (folder / "preprocessor_config.json").unlink()
    save_file(held, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        open_vision(folder)
