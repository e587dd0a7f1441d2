"""What a rank computes on: its device, its number type, and DeepSpeed, by a preset or the user's own file.

A DeepSpeed file sets batches, clipping and precision, as the recipe does: `check_deepspeed_file` refuses one
that contradicts the recipe, before any process is started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.files.json_files import read_object
from vlmbench.trainers.recipe.model import Parallelism, Recipe

_PREFIX = "deepspeed_"
"""Other tools put it in front of a preset's name."""
PRESETS = Path(__file__).parent / "training" / "deepspeed"

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_AUTO = "auto"
"""DeepSpeed fills it in from the run."""
_FILLED: tuple[tuple[str, ...], ...] = (
    ("train_micro_batch_size_per_gpu",),
    ("gradient_accumulation_steps",),
    ("gradient_clipping",),
    ("bf16", "enabled"),
    ("fp16", "enabled"),
)
"""Keys that the recipe decides where the file leaves them out."""
_MADE = ("optimizer", "scheduler")
"""vlmbench makes these itself, with a rate for each part of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSettings:
    """What this process of a run computes with."""

    cpu: bool
    precision: Precision
    deepspeed: dict[str, Any] | None
    rank: int
    local_rank: int
    world: int

    @property
    def dtype(self) -> str:
        """The number type of the layers, by torch's name."""
        return _DTYPES[self.precision]

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes files."""
        return self.rank == 0


def rank_settings(parallelism: Parallelism) -> RankSettings:
    """From the recipe, and from the environment that torchrun sets for each process."""
    cpu = parallelism.device == "cpu"
    if cpu:
        # DeepSpeed reads this when it is first imported.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    return RankSettings(
        cpu=cpu,
        precision=precision_of(parallelism),
        deepspeed=deepspeed_settings(parallelism.deepspeed),
        rank=int(os.environ.get("RANK", "0")),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        world=int(os.environ.get("WORLD_SIZE", "1")),
    )


def precision_of(parallelism: Parallelism) -> Precision:
    """`auto` is bf16 where the GPU has it, else fp16; on a CPU it is fp32."""
    if parallelism.precision != "auto":
        return parallelism.precision
    if parallelism.device == "cpu":
        return "fp32"
    import torch

    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def deepspeed_settings(named: str | None) -> dict[str, Any] | None:
    """A preset's settings, or those of a file; `auto` values are filled in from the recipe."""
    if named is None:
        return None
    if zero_of(named).name not in STAGES:
        return _file_settings(Path(named))
    return read_object(PRESETS / f"{preset_name(named)}.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    """What DeepSpeed's ZeRO shards over the devices and keeps on the host; stage 0 shards nothing."""

    name: str
    stage: int = 0
    optimizer_on_host: bool = False
    weights_on_host: bool = False

    @property
    def deepspeed(self) -> bool:
        """Whether DeepSpeed runs at all."""
        return self.name != "none"


STAGES = {
    zero.name: zero
    for zero in (
        Zero(name="none"),
        Zero(name="zero1", stage=1),
        Zero(name="zero2", stage=2),
        Zero(name="zero2_offload", stage=2, optimizer_on_host=True),
        Zero(name="zero3", stage=3),
        Zero(name="zero3_offload", stage=3, optimizer_on_host=True, weights_on_host=True),
    )
}


def preset_name(named: str) -> str:
    """`zero2` for `deepspeed_zero2`, as other tools call it; a file keeps its name."""
    name = named.removeprefix(_PREFIX)
    return name if name in STAGES and name != "none" else named


def zero_of(named: str | None) -> Zero:
    """The stage of a preset or of a DeepSpeed JSON file."""
    if named is None:
        return STAGES["none"]
    name = preset_name(named)
    if name in STAGES:
        return STAGES[name]
    if not name.endswith(".json"):
        known = [stage for stage in STAGES if stage != "none"]
        raise UnknownName(
            "DeepSpeed preset", named.removeprefix(_PREFIX), known, fix="A file of your own ends in .json."
        )
    return _from_file(Path(name).expanduser())


def _read_file(path: Path) -> dict[str, Any]:
    """The settings of a DeepSpeed file. Only its sections are checked; DeepSpeed checks the rest."""
    settings = read_object(
        path.expanduser(), raises=UsageError, fix="A DeepSpeed configuration is JSON: sections by name."
    )
    for section in ("zero_optimization", "bf16", "fp16"):
        if not isinstance(settings.get(section, {}), dict):
            raise UserError(
                "is not a DeepSpeed configuration: this section is not a JSON object.", file=path, key=section
            )
    return settings


def _from_file(path: Path) -> Zero:
    section: Any = _read_file(path).get("zero_optimization", {})
    try:
        return Zero(
            name=str(path),
            stage=int(section.get("stage", 0)),
            optimizer_on_host=_on_host(section, "offload_optimizer"),
            weights_on_host=_on_host(section, "offload_param"),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"is not a DeepSpeed configuration ({error}).", file=path) from None


def _on_host(section: Any, name: str) -> bool:
    return str((section.get(name) or {}).get("device", "none")) != "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A key of the file whose value follows from the recipe."""

    key: str
    value: Any
    reason: str
    setting: str | None = None
    """The recipe's own key, where the recipe has the same value."""


def _file_settings(file: Path) -> dict[str, Any]:
    """The file's settings, with `auto` for whatever the recipe decides and the file leaves out."""
    settings = _read_file(file)
    for *above, last in _FILLED:
        section = settings
        for name in above:
            section = section.setdefault(name, {})
        section.setdefault(last, _AUTO)
    settings.setdefault("zero_allow_untested_optimizer", True)
    return settings


def check_deepspeed_file(recipe: Recipe, devices: int) -> None:
    """Raise where a DeepSpeed file of the user's own contradicts the recipe."""
    named = recipe.parallelism.deepspeed
    if named is None or preset_name(named) in STAGES:
        return
    zero_of(named)  # raises for a name that is neither a preset nor a file
    file = Path(named).expanduser()
    settings = _read_file(file)
    for section in _MADE:
        if section in settings:
            fix = "Take it out of the file; the rates are those of the recipe's schedule."
            raise UserError("is made by vlmbench, from the recipe.", file=file, key=section, fix=fix)
    for one in _decided(recipe, devices):
        above, _, last = one.key.rpartition(".")
        held = (settings.get(above, {}) if above else settings).get(last, _AUTO)
        if held not in (_AUTO, one.value):
            setting = _matching_setting(one, held)
            fix = f"--set {setting}, or write" if setting else "Write"
            fix += ' "auto" in the file.'
            raise UserError(f"is {json.dumps(held)}, and {one.reason}.", file=file, key=one.key, fix=fix)


def _decided(recipe: Recipe, devices: int) -> Iterator[_Decided]:
    schedule = recipe.schedule
    same = {
        "train_micro_batch_size_per_gpu": ("schedule.batch", schedule.batch),
        "gradient_accumulation_steps": ("schedule.accumulation", schedule.accumulation),
        "gradient_clipping": ("schedule.clip", schedule.clip),
    }
    for key, (setting, value) in same.items():
        yield _Decided(key=key, value=value, reason=f"`{setting}` is {value:g}", setting=setting)
    batch = schedule.batch * schedule.accumulation * devices
    product = f"{batch} = {schedule.batch} × {schedule.accumulation} accumulated × {devices} devices"
    yield _Decided(key="train_batch_size", value=batch, reason=f"the global batch is {product}")
    computed = _precision(recipe)
    for kind in ("bf16", "fp16") if computed else ():
        yield _Decided(
            key=f"{kind}.enabled", value=computed == kind, reason=f"the run computes in {computed}"
        )


def _matching_setting(one: _Decided, held: Any) -> str | None:
    """The `--set` that makes the recipe agree with the file."""
    if one.setting is not None:
        return f"{one.setting}={held}"
    return f"parallelism.precision={one.key.partition('.')[0]}" if held is True else None


def _precision(recipe: Recipe) -> str | None:
    """The precision of the run; None where `auto` depends on a GPU that this machine does not have."""
    import torch

    parallelism = recipe.parallelism
    known = parallelism.precision != "auto" or parallelism.device == "cpu" or torch.cuda.is_available()
    return precision_of(parallelism) if known else None
