"""Tiny LLaVAs in parts: the golden language models and tower, and others made on the spot."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from repository import TESTS

from vlmbench.checkpoints.build import untrained
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.vision import open_vision

GOLDEN = TESTS / "golden" / "training"
CONVERT = GOLDEN / "convert"
BASE = CONVERT / "inputs" / "base"
TOKENIZER = GOLDEN / "encode" / "tokenizers" / "llamalike"
MODES = ("pretrain", "llm_full", "llm_full_vit_lora", "llm_lora", "llm_lora_vit_lora")
ALL_MODES = (*MODES, "llm_full_vit_full")


def language_folder(name: str, folder: Path) -> Path:
    """A golden language model with its tokenizer beside it."""
    shutil.copytree(BASE / name, folder)
    for file in TOKENIZER.iterdir():
        shutil.copy(file, folder)
    return folder


def golden_llava(folder: Path, language: str = "llm_tight", **changes: Any) -> Llava:
    """An untrained LLaVA of a golden language model and the golden tower."""
    llm = language_folder(language, folder / language)
    return untrained(open_language(llm), open_vision(BASE / "clip"), template="vicuna", **changes)


def unfinished(folder: Path, language: str = "llm_tight", **changes: Any) -> Llava:
    """The same with no id for a picture yet, and the tokenizer as the language model has it."""
    llm = open_language(language_folder(language, folder / language))
    made = untrained(llm, open_vision(BASE / "clip"), template="vicuna")
    return replace(made, language=llm, image_token_id=None, **changes)


def siglip_folder(folder: Path, **changes: Any) -> Path:
    """A tiny SigLIP tower."""
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    settings = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 8,
    } | changes  # fmt: skip
    save_seeded(SiglipVisionModel(SiglipVisionConfig(**settings)), folder)
    pictures: Any = SiglipImageProcessorPil
    pictures(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def qwen_folder(folder: Path, *, rows: int | None = 448, tied: bool = False, width: int = 32) -> Path:
    """A tiny Qwen2 whose table, as the real one's, has rows to spare; None gives it none."""
    from tiny_models import make_tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", "<|endoftext|>", eos="<|im_end|>")
    tokenizer.pad_token, tokenizer.bos_token = "<|endoftext|>", None
    tokenizer.backend_tokenizer.post_processor = None
    config = Qwen2Config(
        vocab_size=rows or len(tokenizer), hidden_size=width, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, rope_theta=1e6,
    )  # fmt: skip
    save_seeded(Qwen2ForCausalLM(config), folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_seeded(model: Any, folder: Path) -> None:
    """Weights spread widely, the same every time, so that answers differ between pictures."""
    import torch

    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            spread = torch.randn(tensor.shape, generator=draw) * 0.3
            tensor.copy_(spread + 1 if "norm" in name and name.endswith("weight") else spread)
    model.save_pretrained(folder)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object."""
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return document


ALPHAS = "model = dict(llm_lora=dict(lora_alpha=8), visual_encoder_lora=dict(lora_alpha=4))\n"
"""What the golden adapters were trained with, as xtuner's configuration says it."""


def state_of(mode: str) -> dict[str, Any]:
    """What a way of training leaves behind; of the sixth, the golden data holds only what was made of it."""
    from safetensors.torch import load_file

    if mode != "llm_full_vit_full":
        return load_file(CONVERT / "inputs" / f"{mode}.state_dict.safetensors")
    tower = load_file(BASE / "clip" / "model.safetensors")
    changed = {f"visual_encoder.{name}": tensor * 1.01 for name, tensor in tower.items()}
    return state_of("llm_full") | changed


def training_run(folder: Path) -> dict[str, Path]:
    """A .pth file of every way of training, and what it began with."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    language_folder("llm_tight", folder / "llm")
    (folder / "recipe.py").write_text(f"{ALPHAS}prompt_template = 'vicuna'\n")
    for mode in ALL_MODES:
        torch.save({"state_dict": state_of(mode), "meta": {}}, folder / f"{mode}.pth")
    return {mode: folder / f"{mode}.pth" for mode in ALL_MODES}
