"""The model of a recipe in memory: whole, in four bits, or a piece of it on every process."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import generation_of, llava_config, published
from vlmbench.checkpoints.llava import Llava
from vlmbench.model_files.loading import check_report
from vlmbench.model_files.weights import cast, loaded
from vlmbench.trainers.recipe.model import Model, Recipe
from vlmbench.trainers.training.zero3_loading import scattered

from .computing import Computing
from .names import HEAD, PROJECTOR, TOWER


def load(llava: Llava, recipe: Recipe, how: Computing) -> Any:
    """In the numbers that the run computes in; four bits where the recipe says so.

    In pieces where the Trainer's settings of ZeRO-3 are there already; every process has to call it then.
    """
    from vlmbench.model_files.silence import quiet

    with quiet():
        if import_module("transformers.integrations").is_deepspeed_zero3_enabled():
            model = scattered(llava, how.dtype, _attention(recipe.model))
        else:
            model = _whole(llava, recipe.model, how)
    model.generation_config = generation_of(llava)
    return model


def _whole(llava: Llava, wanted: Model, how: Computing) -> Any:
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    auto: Any = LlavaForConditionalGeneration
    settings: dict[str, Any] = {"dtype": getattr(torch, how.dtype), "output_loading_info": True}
    if wanted.language.quantisation is not None:
        settings |= _quantised(wanted, how)
    if (attention := _attention(wanted)) is not None:
        settings["attn_implementation"] = attention
    model, report = auto.from_pretrained(
        None,
        config=LlavaConfig(**llava_config(llava)),
        state_dict=loaded(cast(published(llava), how.dtype)),
        **settings,
    )
    check_report(report, Path("the parts as read"))
    return model


def _quantised(wanted: Model, how: Computing) -> dict[str, Any]:
    """Four bits for the language model alone, the head apart."""
    import torch
    from transformers import BitsAndBytesConfig

    said = wanted.language.quantisation
    if said is None:
        return {}
    compute = how.dtype if how.cpu or how.precision == "bf16" else said.compute
    config: Any = BitsAndBytesConfig
    device = "cpu" if how.cpu else how.local_rank
    return {
        "quantization_config": config(
            load_in_4bit=True,
            bnb_4bit_quant_type=said.kind,
            bnb_4bit_use_double_quant=said.double,
            bnb_4bit_compute_dtype=getattr(torch, compute),
            llm_int8_skip_modules=[name.rstrip(".") for name in (TOWER, PROJECTOR, HEAD)],
        ),
        "device_map": {"": device},
    }


def _attention(wanted: Model) -> str | None:
    names = {"auto": None, "flash": "flash_attention_2", "sdpa": "sdpa", "eager": "eager"}
    return names[wanted.attention]
