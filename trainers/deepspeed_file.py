"""A DeepSpeed file of one's own has batches, clipping and precision, as the recipe has: they must agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.trainers.devices import STAGES, document, preset_name, zero_of
from vlmbench.trainers.recipe.model import Recipe

AUTO = "auto"
"""DeepSpeed's word for whatever the run says."""
FILLED: tuple[tuple[str, ...], ...] = (
    ("train_micro_batch_size_per_gpu",),
    ("gradient_accumulation_steps",),
    ("gradient_clipping",),
    ("bf16", "enabled"),
    ("fp16", "enabled"),
)
"""What the recipe decides where the file is silent."""
MADE = ("optimizer", "scheduler")
"""What is made here, with a rate of its own for each part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A key of the file whose value follows from the recipe."""

    key: str
    value: Any
    told: str
    setting: str | None = None
    """Of the recipe, where it has the same value."""


def settings_of(file: Path) -> dict[str, Any]:
    """The file's settings, with `auto` where it says nothing of what the recipe decides."""
    settings = document(file)
    for *above, last in FILLED:
        section = settings
        for name in above:
            section = section.setdefault(name, {})
        section.setdefault(last, AUTO)
    settings.setdefault("zero_allow_untested_optimizer", True)
    return settings


def agree(recipe: Recipe, devices: int) -> None:
    """Refuse a file that says otherwise than the recipe, before anything is started."""
    named = recipe.parallelism.deepspeed
    if named is None or preset_name(named) in STAGES:
        return
    zero_of(named)  # a name that is neither a preset nor a file is better told there
    file = Path(named).expanduser()
    settings = document(file)
    for section in MADE:
        if section in settings:
            fix = "Take it out of the file; the rates are those of the recipe's schedule."
            raise UserError("is made here, from the recipe.", file=file, key=section, fix=fix)
    for one in _decided(recipe, devices):
        above, _, last = one.key.rpartition(".")
        held = (settings.get(above, {}) if above else settings).get(last, AUTO)
        if held not in (AUTO, one.value):
            same = (
                f"--set {setting} would agree, and so would" if (setting := _mended(one, held)) else "Write"
            )
            fix = f'{same} "auto" in the file.'
            raise UserError(f"is {json.dumps(held)}, and {one.told}.", file=file, key=one.key, fix=fix)


def _decided(recipe: Recipe, devices: int) -> Iterator[Decided]:
    schedule = recipe.schedule
    same = {
        "train_micro_batch_size_per_gpu": ("schedule.batch", schedule.batch),
        "gradient_accumulation_steps": ("schedule.accumulation", schedule.accumulation),
        "gradient_clipping": ("schedule.clip", schedule.clip),
    }
    for key, (setting, value) in same.items():
        yield Decided(key=key, value=value, told=f"`{setting}` is {value:g}", setting=setting)
    batch = schedule.batch * schedule.accumulation * devices
    told = f"{batch} = {schedule.batch} × {schedule.accumulation} accumulated × {devices} devices"
    yield Decided(key="train_batch_size", value=batch, told=f"the global batch is {told}")
    computed = _precision(recipe)
    for kind in ("bf16", "fp16") if computed else ():
        yield Decided(key=f"{kind}.enabled", value=computed == kind, told=f"the run computes in {computed}")


def _mended(one: Decided, held: Any) -> str | None:
    """The setting that says what the file says."""
    if one.setting is not None:
        return f"{one.setting}={held}"
    return f"parallelism.precision={one.key.partition('.')[0]}" if held is True else None


def _precision(recipe: Recipe) -> str | None:
    """What the run will compute in; None where this machine has not the device that decides."""
    import torch

    from .training.computing import precision_of

    decided = recipe.parallelism.device == "cpu" or torch.cuda.is_available()
    said = recipe.parallelism.precision
    return precision_of(recipe.parallelism) if decided or said != "auto" else None
