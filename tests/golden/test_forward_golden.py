"""Loss, gradients and five steps of AdamW equal those of the original, for every way of training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_folders import GOLDEN, state_dict
from llava_parts import GOLDEN as FOLDER
from llava_parts import unfinished

from vlmbench.checkpoints.llava import Llava
from vlmbench.trainers.data.batches import expand, pad
from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import Lora, Recipe
from vlmbench.trainers.training.optimizer import curve, optimizer
from vlmbench.trainers.training.parts import build, trained

FORWARD: dict[str, Any] = json.loads((FOLDER / "forward" / "forward.json").read_text("utf-8"))
CPU = RankSettings(cpu=True, precision="fp32", deepspeed=None, rank=0, local_rank=0, world=1)


def recipe_of(mode: str) -> Recipe:
    """The demo recipe with what this golden run trained."""
    recipe = read_recipe("demo_full")
    flags = GOLDEN[mode]["model_flags"]
    loras = {part: lora_of(flags[f"{part}_lora"]) for part in ("llm", "visual_encoder")}
    trains = {part: "lora" if lora else "frozen" for part, lora in loras.items()}
    if mode.startswith("llm_full"):
        trains["llm"] = "full"
    language = replace(recipe.model.language, train=trains["llm"], lora=loras["llm"])
    vision = replace(recipe.model.vision, train=trains["visual_encoder"], lora=loras["visual_encoder"])
    return replace(recipe, model=replace(recipe.model, language=language, vision=vision))


def lora_of(said: Any) -> Lora | None:
    return Lora(r=said["r"], alpha=said["lora_alpha"], dropout=0.0) if said else None


def ours(name: str) -> str:
    """A golden parameter's name as transformers has it."""
    name = name.replace(".base_model.model.", ".", 1)
    for theirs, here in (
        ("llm.lm_head.", "lm_head."),
        ("llm.model.", "model.language_model."),
        ("visual_encoder.vision_model.", "model.vision_tower."),
        ("projector.model.0.", "model.multi_modal_projector.linear_1."),
        ("projector.model.2.", "model.multi_modal_projector.linear_2."),
    ):
        if name.startswith(theirs):
            return here + name.removeprefix(theirs)
    raise AssertionError(name)


def start(folder: Path) -> Llava:
    """The golden parts. An id that the batch does not have stands for a picture: the table does not grow,
    as the original's did not, whose pictures have no id at all."""
    used = {number for row in FORWARD["batch"]["input_ids"] for number in row}
    return replace(unfinished(folder), image_token_id=max(set(range(360)) - used))


def built(mode: str, folder: Path) -> Any:
    """The golden model as training would have it, with the golden weights in it."""
    torch.set_num_threads(1)
    model = build(start(folder), recipe_of(mode), CPU).model.eval()
    held = {ours(name): tensor for name, tensor in state_dict(mode).items()}
    parameters = dict(model.named_parameters())
    assert held.keys() <= parameters.keys() | unseen(mode)
    with torch.no_grad():
        for name in held.keys() & parameters.keys():
            parameters[name].copy_(held[name])
    return model


def unseen(mode: str) -> set[str]:
    """What the original gave an adapter and never a gradient."""
    return {ours(name) for name in FORWARD["modes"][mode]["trainable_without_grad"]}


def batch(model: Any, features: int) -> dict[str, Any]:
    """The golden batch with a place for every feature of a picture."""
    rows = FORWARD["batch"]
    whole = [
        expand(np.array(ids)[:length], np.array(labels)[:length], features, model.config.image_token_id)
        for ids, labels, mask in zip(rows["input_ids"], rows["labels"], rows["attention_mask"], strict=True)
        if (length := sum(mask))
    ]
    pixels = torch.from_numpy(np.load(FOLDER / "forward" / "pixel_values.npy"))
    shown = [-200 in ids for ids in rows["input_ids"]]
    return {**pad(whole, 0), "pixel_values": pixels[torch.tensor(shown)]}


@pytest.mark.parametrize("mode", FORWARD["modes"])
def test_loss_gradients_and_five_steps_are_the_originals(mode: str, tmp_path: Path) -> None:
    golden = FORWARD["modes"][mode]
    model = built(mode, tmp_path)
    inputs = batch(model, start(tmp_path / "again").feature_count())
    stepped = optimizer(model, replace(read_recipe("demo_full").schedule, lr=1e-3), on_gpu=False)
    losses = []
    for step in range(5):
        loss = model(**inputs).loss
        losses.append(loss.item())
        loss.backward()
        if step == 0:
            check_gradients(model, golden)
        torch.nn.utils.clip_grad_norm_([p for _, p in trained(model)], 1.0)
        stepped.step()
        stepped.zero_grad()
    assert losses == pytest.approx(golden["five_step_losses_adamw_lr1e-3_clip1"], rel=1e-5)


def check_gradients(model: Any, golden: dict[str, Any]) -> None:
    norms = {name: float(p.grad.norm()) for name, p in trained(model) if p.grad is not None}
    wanted = {ours(name): norm for name, norm in golden["grad_norms"].items()}
    assert norms.keys() == wanted.keys()
    assert norms == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    total = torch.tensor(list(norms.values())).norm()
    assert float(total) == pytest.approx(golden["grad_total_norm"], rel=1e-5)


@pytest.mark.parametrize("mode", FORWARD["modes"])
def test_everything_that_is_trained_gets_a_gradient(mode: str, tmp_path: Path) -> None:
    model = built(mode, tmp_path)
    names = {name for name, _ in trained(model)}
    assert names == {ours(name) for name in FORWARD["modes"][mode]["grad_norms"]}
    assert not names & unseen(mode)


CURVES: list[dict[str, Any]] = json.loads((FOLDER / "lr_schedule.json").read_text("utf-8"))["cases"]
HEALTHY = [case for case in CURVES if case.get("warmup_end_iter", 0) > 1]
DEFECTS = [case for case in CURVES if case.get("warmup_end_iter", 0) <= 1]


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: f"{case['iters_per_epoch']}x{case['max_epochs']}")
def test_the_learning_rate_is_the_originals_at_every_step(case: dict[str, Any]) -> None:
    schedule = replace(read_recipe("llava_v15_7b_pretrain").schedule, warmup=case["warmup_ratio"])
    share = curve(schedule, case["iters_per_epoch"] * case["max_epochs"])
    rates = [case["base_lr"] * share(step) for step in case["iters"]]
    assert rates == pytest.approx(case["lr"], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("case", DEFECTS, ids=lambda case: str(case["iters_per_epoch"]))
def test_a_short_run_warms_up_and_arrives_where_the_original_fails_or_is_stuck(case: dict[str, Any]) -> None:
    schedule = read_recipe("llava_v15_7b_pretrain").schedule
    steps = case["iters_per_epoch"]
    share = curve(schedule, steps)
    assert share(0) == schedule.warmup_from
    assert share(1) == 1.0
    assert 0 < share(steps - 1) < 0.01


def test_a_run_of_one_step_learns_at_the_full_rate() -> None:
    schedule = read_recipe("llava_v15_7b_pretrain").schedule
    assert curve(schedule, 1)(0) == 1.0
