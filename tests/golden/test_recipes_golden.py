"""The 33 published configurations, value by value; what was mistaken in them is known and mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmbench.trainers.plan.steps import counts
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import Lora, Recipe, Source

PUBLISHED: dict[str, dict[str, Any]] = {
    row["config"]: row
    for row in json.loads((Path(__file__).parent / "training/recipes.json").read_text("utf-8"))["configs"]
}

MENDED: dict[str, dict[str, str]] = {
    "llava_llama3_70b_instruct_quant_clip_vit_large_p14_336_e1_gpu8_pretrain": {
        "llm": "meta-llama/Meta-Llama-3-70B-Instruct"
    },
    "llava_llama3_8b_instruct_qlora_clip_vit_large_p14_336_e1_gpu1_finetune": {
        "pretrained_pth": "llava_llama3_8b_instruct_quant_clip_vit_large_p14_336_e1_gpu1_pretrain"
        "/iter_558128.pth"
    },
}
"""Where we differ, and what we have instead."""

KINDS = {"llava": "LLaVADataset", "refcoco": "RefCOCOJsonDataset", "refcoco-inverse": "InvRefCOCOJsonDataset"}


def training(train: str, lora: Lora | None) -> str:
    return f"LoRA r={lora.r} α={lora.alpha} p={lora.dropout}" if lora else train


def lora_row(lora: Lora | None, **more: str) -> dict[str, Any] | None:
    if lora is None:
        return None
    return {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "bias": "none", **more}


def source_row(source: Source) -> dict[str, Any]:
    row = {
        "type": KINDS[source.kind],
        "data_path": source.annotations,
        "image_folder": source.images,
    }
    return row | ({"max_dataset_length": source.most} if source.most else {})


def quantisation_row(recipe: Recipe) -> dict[str, Any] | None:
    quantised = recipe.model.language.quantisation
    if quantised is None:
        return None
    # The eight-bit settings have no effect on four-bit weights.
    eight_bit = {"load_in_8bit": False, "llm_int8_threshold": 6.0, "llm_int8_has_fp16_weight": False}
    return eight_bit | {
        "load_in_4bit": True,
        "bnb_4bit_compute_dtype": f"torch.{quantised.compute}",
        "bnb_4bit_use_double_quant": quantised.double,
        "bnb_4bit_quant_type": quantised.kind,
    }


def before(recipe: Recipe) -> str:
    """The file that the stage before leaves, by its own count of micro-batches."""
    if recipe.pretrained is None:
        return "—"
    stage = read_recipe(recipe.pretrained)
    samples = sum(source.samples or 0 for source in stage.data.sources)
    left = counts(stage, samples, stage.parallelism.processes).published_checkpoint
    return f"{stage.name}/{left}.pth"


def row_of(recipe: Recipe) -> dict[str, Any]:
    """A recipe in the columns of the published table."""
    language, vision = recipe.model.language, recipe.model.vision
    schedule, data = recipe.schedule, recipe.data
    batch, accumulation, gpus = schedule.batch, schedule.accumulation, recipe.parallelism.processes
    grouped = data.sampler == "length-grouped"
    return {
        "config": recipe.name,
        "llm": language.path,
        "stage": recipe.stage,
        "llm_training": training(language.train, language.lora),
        "llm_dtype_quant": f"{language.dtype or '(unset)'} / {'4-bit' if language.quantisation else '—'}",
        "vit_training": training(vision.train, vision.lora),
        "data": data.name,
        "max_length": data.max_length,
        "pad_image_to_square": "yes" if data.square else "no",
        "prompt_template": recipe.wording.template,
        "batch_accum_gpus": f"{batch}×{accumulation}×{gpus}={batch * accumulation * gpus}",
        "epochs": schedule.epochs,
        "lr": schedule.lr,
        "sampler": f"length-grouped({batch * accumulation})" if grouped else "default shuffle",
        "save_and_eval_every": recipe.saving.every,
        "workers_pin": f"{data.workers}/{'yes' if data.pin_memory else 'no'}",
        "pretrained_pth": before(recipe),
        "datasets": [source_row(source) for source in data.sources],
        "batch_size": batch,
        "accumulative_counts": accumulation,
        "llm_lora": lora_row(language.lora, task_type="CAUSAL_LM"),
        "visual_encoder_lora": lora_row(vision.lora),
        "quantization": quantisation_row(recipe),
        "freeze_llm": language.train != "full",
        "freeze_visual_encoder": vision.train != "full",
    }


def test_there_are_thirty_three() -> None:
    assert len(PUBLISHED) == 33


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_value_that_shapes_training_is_the_published_one(name: str) -> None:
    expected = {key: value for key, value in PUBLISHED[name].items() if key != "dir"}
    assert row_of(read_recipe(name)) == expected | MENDED.get(name, {})


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_all_configurations_share(name: str) -> None:
    recipe = read_recipe(name)
    schedule, model = recipe.schedule, recipe.model
    assert (schedule.betas, schedule.weight_decay, schedule.clip) == ((0.9, 0.999), 0, 1)
    assert (schedule.curve, schedule.warmup, schedule.warmup_from) == ("cosine", 0.03, 1e-5)
    assert (schedule.projector_lr, schedule.vision_lr, schedule.max_steps) == (None, None, None)
    assert (model.vision.path, model.vision.dtype) == ("openai/clip-vit-large-patch14-336", "float32")
    assert (model.vision.select_layer, model.vision.select_strategy) == (-2, "default")
    assert (model.projector.depth, model.projector.train, model.start) == (2, True, None)
    assert (recipe.saving.unit, recipe.saving.keep, recipe.saving.log_every) == ("micro-batch", 2, 10)
    assert (recipe.parallelism.deepspeed, recipe.parallelism.checkpointing) == ("zero2", True)
    assert (recipe.wording.bos, recipe.wording.keep, recipe.wording.system) == ("each", "all", None)
    assert recipe.data.placement == "first"
    assert recipe.seed == (1024 if "llama3" in name or "phi3" in name else 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_adapters_take_every_linear_layer_and_the_head_where_published_ones_have_it(name: str) -> None:
    language, vision = read_recipe(name).model.language, read_recipe(name).model.vision
    assert vision.lora is None or not (vision.lora.targets or vision.lora.head)
    if language.lora is not None:
        assert language.lora.targets == ()
        assert language.lora.head == ("internlm2" in name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_says_what_it_mends(name: str) -> None:
    published = PUBLISHED[name]
    columns = {"model.language.path": "llm", "pretrained": "pretrained_pth"}
    said = {m.key: m.published for m in read_recipe(name).mended}
    assert "34 to 66" in said.pop("schedule.warmup")
    assert {columns[key]: value for key, value in said.items()} == {
        column: published[column] for column in MENDED.get(name, {})
    }
