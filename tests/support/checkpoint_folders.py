"""The golden training runs, laid down in each of the layouts that people hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from llava_parts import BASE, CONVERT, TOKENIZER, language_folder
from safetensors.torch import load_file, save_file

from vlmbench.checkpoints.llava import Llava
from vlmbench.model_files.weights import loaded

GOLDEN: dict[str, Any] = json.loads((CONVERT / "pth_to_hf.json").read_text("utf-8"))
CLIP = BASE / "clip"

Tensors = dict[str, torch.Tensor]


def state_dict(mode: str) -> Tensors:
    """What training left."""
    return dict(load_file(CONVERT / "inputs" / f"{mode}.state_dict.safetensors"))


def config_text(mode: str) -> str:
    """As mmengine writes the configuration into its files."""
    flags = GOLDEN[mode]["model_flags"]
    lora = {
        name: f"dict(lora_alpha={flags[name]['lora_alpha']})"
        for name in flags
        if "lora" in name and flags[name]
    }
    words = "".join(f"    {name}={value},\n" for name, value in lora.items())
    wording = "prompt_template = 'xtuner.utils.PROMPT_TEMPLATE.vicuna'"
    return f"model = dict(\n{words}    visual_select_layer=-2)\n{wording}\n"


def pth(mode: str, file: Path, *, meta: bool = True) -> Path:
    """As mmengine saves it."""
    notes = {"meta": {"cfg": config_text(mode), "seed": 0}} if meta else {}
    torch.save({"state_dict": state_dict(mode), **notes}, file)
    return file


def below(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): kept for name, kept in tensors.items() if name.startswith(prefix)}


def xtuner(mode: str, folder: Path) -> Path:
    """As xtuner's converter lays it down; only the language model is halved."""
    folder.mkdir()
    held, flags = state_dict(mode), GOLDEN[mode]["model_flags"]
    documents = GOLDEN[mode]["formats"]["xtuner"]["json"]
    part(folder / "projector", below(held, "projector."), documents["projector/config.json"])
    llm, tower = below(held, "llm."), below(held, "visual_encoder.")
    halved = {name.replace(".default", ""): kept.half() for name, kept in llm.items()}
    if flags["llm_lora"]:
        settings = documents["llm_adapter/adapter_config.json"]
        part(folder / "llm_adapter", halved, settings, "adapter_model", "adapter_config.json")
    elif llm:
        for file in (BASE / "llm_tight").glob("*.json"):
            shutil.copy(file, folder)
        for file in TOKENIZER.iterdir():
            shutil.copy(file, folder)
        save_file(halved, folder / "model.safetensors")
    if flags["visual_encoder_lora"]:
        plain = {name.replace(".default", ""): kept for name, kept in tower.items()}
        settings = documents["visual_encoder_adapter/adapter_config.json"]
        part(folder / "visual_encoder_adapter", plain, settings, "adapter_model", "adapter_config.json")
    (folder / "xtuner_config.py").write_text(config_text(mode), "utf-8")
    return folder


def part(
    folder: Path, tensors: Tensors, config: dict[str, Any], stem: str = "model", named: str = "config.json"
) -> Path:
    """A folder of one file of weights and its configuration."""
    folder.mkdir(parents=True)
    save_file({name: kept.contiguous() for name, kept in tensors.items()}, folder / f"{stem}.safetensors")
    (folder / named).write_text(json.dumps(config), "utf-8")
    return folder


def official(llava: Llava, folder: Path, *, tower: bool, named: Path = CLIP) -> Path:
    """As the original code lays it down, the tower inside only when it was trained."""
    shutil.copytree(TOKENIZER, folder)
    tensors = loaded(llava.language.weights)
    tensors |= {f"model.mm_projector.{name}": kept for name, kept in loaded(llava.projector.weights).items()}
    if tower:
        inside = loaded(llava.vision.weights).items()
        tensors |= {f"model.vision_tower.vision_tower.{name}": kept for name, kept in inside}
    save_file({name: kept.contiguous() for name, kept in tensors.items()}, folder / "model.safetensors")
    config = GOLDEN["pretrain"]["formats"]["official"]["json"]["config.json"]
    config = config | {"mm_vision_tower": str(named), "vocab_size": llava.language.config["vocab_size"]}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def language(folder: Path, name: str = "llm_tight") -> Path:
    """The language model that training began with."""
    return language_folder(name, folder)
