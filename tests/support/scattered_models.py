"""Run by itself: every weight, buffer and kind of number of a model in pieces is that of the whole one.

One process is enough for it, as one that knows no others. Prints a line a model.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ |= {
    "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv[1],
    "DS_ACCELERATOR": "cpu",
}  # fmt: skip

import torch
from llava_parts import BASE, qwen_folder, siglip_folder
from tiny_models import save_model
from transformers.integrations import HfDeepSpeedConfig

from vlmbench.checkpoints.build import untrained, with_image_token
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.checkpoints.vision import open_vision
from vlmbench.trainers.devices import rank_settings
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.training.loading import load

ROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 1024,
    "short_factor": [1.013, 1.07, 1.1, 1.234], "long_factor": [1.0123, 2.345, 4.1, 9.87],
}  # fmt: skip


def models(folder: Path) -> Iterator[tuple[str, Llava]]:
    """A tied head and a table that grew, another kind of tower, positions computed from odd numbers."""
    tied = open_language(qwen_folder(folder / "tied", rows=None, tied=True))
    yield "tied", with_image_token(untrained(tied, open_vision(BASE / "clip"), template="qwen_chat"))
    plain, siglip = (
        open_language(qwen_folder(folder / "plain")),
        open_vision(siglip_folder(folder / "siglip")),
    )
    yield "siglip", with_image_token(untrained(plain, siglip, template="qwen_chat"))
    llava = open_llava(save_model("llava", folder / "llava"))
    config = {**llava.language.config, "rope_parameters": ROPE}
    yield "longrope", replace(llava, language=replace(llava.language, config=config))


def same(llava: Llava, precision: Any) -> bool:
    """Loaded in both ways."""
    import deepspeed

    recipe = read_recipe("demo_lora")
    recipe = replace(recipe, parallelism=replace(recipe.parallelism, deepspeed="zero3", precision=precision))
    how = rank_settings(recipe.parallelism)
    whole = load(llava, recipe, how)
    sharing: Any = HfDeepSpeedConfig
    settings = sharing(
        {
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": {"stage": 3},
            "bf16": {"enabled": precision == "bf16"},
        }
    )
    pieces = load(llava, recipe, how)
    del settings
    cut = dict(pieces.named_parameters())
    if any(parameter.numel() for parameter in cut.values()):
        return False
    with deepspeed.zero.GatheredParameters(list(cut.values())):
        return equal(dict(whole.named_parameters()), cut) and equal(
            dict(whole.named_buffers()), dict(pieces.named_buffers())
        )


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Names, kinds and numbers."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        for kind, llava in models(Path(name)):
            for precision in ("fp32", "bf16"):
                print(kind, precision, "same" if same(llava, precision) else "different", flush=True)
