"""Checkpoints: a folder that is there whole or not at all, the last few of them, and the way back in.

checkpoint-STEP/
    trained.safetensors   every parameter that learns, in float32; with it alone a model can be finished
    optimizer.pt, scheduler.pt, rng_state*.pth, trainer_state.json     as Hugging Face's Trainer names them
    global_stepSTEP/      instead of optimizer.pt, what DeepSpeed keeps, a file a rank
    facts.json            of which recipe, on how many ranks; written last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError

from ..recipe import Recipe, Saving
from .computing import Computing

FACTS, TRAINED = "facts.json", "trained.safetensors"
_PREFIX = "checkpoint-"


def place(work_dir: Path, step: int) -> Path:
    """Where the checkpoint of that step goes."""
    return work_dir / f"{_PREFIX}{step}"


def aside(work_dir: Path, step: int) -> Path:
    """Where it is written first: a name that nothing takes for a checkpoint."""
    return work_dir / f".{_PREFIX}{step}.unfinished"


def open_aside(work_dir: Path, step: int) -> Path:
    """An empty folder to write into; what a killed process left is removed."""
    for left in work_dir.glob(f".{_PREFIX}*.unfinished"):
        shutil.rmtree(left, ignore_errors=True)
    folder = aside(work_dir, step)
    folder.mkdir(parents=True)
    return folder


def settle(work_dir: Path, step: int, facts: Mapping[str, Any], keep: int) -> Path:
    """On the disk, under its name, and the oldest beyond `keep` gone."""
    folder, target = aside(work_dir, step), place(work_dir, step)
    (folder / FACTS).write_text(json.dumps(facts, indent=2), "utf-8")
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
    for old in whole(work_dir)[: -max(keep, 1)]:
        # Renamed first: half of a checkpoint is never taken for one.
        doomed = old.with_name(f".{old.name}.unfinished")
        old.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return target


def whole(work_dir: Path) -> list[Path]:
    """Every finished checkpoint, oldest first."""
    found = [folder for folder in work_dir.glob(f"{_PREFIX}*") if (folder / FACTS).is_file()]
    return sorted(found, key=step_of)


def step_of(folder: Path) -> int:
    """The optimizer step of a checkpoint."""
    number = folder.name.removeprefix(_PREFIX)
    return int(number) if number.isdigit() else -1


def facts_of(recipe: Recipe, how: Computing, step: int) -> dict[str, Any]:
    """What decides whether a run may go on from here."""
    return {
        "step": step,
        "recipe": digest(recipe),
        "name": recipe.name,
        "world": how.world,
        "deepspeed": bool(how.deepspeed),
        "precision": how.precision,
        "global_batch": recipe.schedule.batch * recipe.schedule.accumulation * how.world,
    }


def digest(recipe: Recipe) -> str:
    """Of everything that decides what is learned; how it is divided among devices and saved is left out."""
    schedule = replace(recipe.schedule, batch=1, accumulation=1)
    data = replace(recipe.data, workers=0, pin_memory=False, sources=())
    sources = [(one.kind, one.style, one.most, one.samples) for one in recipe.data.sources]
    same = replace(
        recipe,
        schedule=schedule,
        data=data,
        saving=Saving(every=1),
        parallelism=replace(recipe.parallelism, processes=1, deepspeed=None, checkpointing=False),
        about="",
        mended=(),
    )
    facts = json.dumps([asdict(same), sources], sort_keys=True, default=str)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def check(folder: Path, recipe: Recipe, how: Computing) -> None:
    """Refuse a checkpoint that this run cannot go on from exactly."""
    file = folder / FACTS
    if not file.is_file():
        raise UserError("this is no finished checkpoint of vlmbench's.", file=folder, fix="Check the path.")
    held = json.loads(file.read_text("utf-8"))
    now = facts_of(recipe, how, held["step"])
    told = {
        "recipe": "it was trained by another recipe or with other values",
        "global_batch": f"its global batch was {held['global_batch']}, and is {now['global_batch']} now",
        "deepspeed": "one was written with DeepSpeed and one is to go on without",
        "precision": f"it computed in {held['precision']}, and would in {now['precision']} now",
    }
    if how.deepspeed is not None:
        told["world"] = f"DeepSpeed wrote it on {held['world']} processes, and this run has {now['world']}"
    wrong = [why for key, why in told.items() if held[key] != now[key]]
    if wrong:
        fix = "Run it as before, or begin anew in another --work-dir."
        raise UserError(f"cannot be gone on from: {'; '.join(wrong)}.", file=folder, fix=fix)
