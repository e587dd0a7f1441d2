"""What a run computes on and in: device, kind of number, DeepSpeed's settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.files.json_files import read_object
from vlmbench.trainers.deepspeed_file import settings_of
from vlmbench.trainers.devices import STAGES, preset_name, zero_of
from vlmbench.trainers.recipe.model import Parallelism

PRESETS = Path(__file__).parent / "deepspeed"

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """How it is computed."""

    cpu: bool
    precision: Precision
    deepspeed: dict[str, Any] | None
    rank: int
    local_rank: int
    world: int

    @property
    def dtype(self) -> str:
        """What the layers compute in, as torch calls it."""
        return _DTYPES[self.precision]

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0


def computing(parallelism: Parallelism) -> Computing:
    """As the recipe says, and as torchrun's environment says of this process."""
    cpu = parallelism.device == "cpu"
    if cpu:
        # DeepSpeed asks for it when it is first imported.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    return Computing(
        cpu=cpu,
        precision=precision_of(parallelism),
        deepspeed=deepspeed_settings(parallelism.deepspeed),
        rank=int(os.environ.get("RANK", "0")),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        world=int(os.environ.get("WORLD_SIZE", "1")),
    )


def precision_of(parallelism: Parallelism) -> Precision:
    """`auto` is bf16 where the device has it, else fp16; a processor computes in float32."""
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
        return settings_of(Path(named))
    return read_object(PRESETS / f"{preset_name(named)}.json")
