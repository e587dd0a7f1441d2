"""What a recipe needs and this machine lacks, each with the command that gets it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.data.mirrors import mirrors
from vlmbench.trainers.data.shards.shard_list import files_matching
from vlmbench.trainers.plan.sizes import folder_of
from vlmbench.trainers.recipe.model import LanguagePart, Recipe, VisionPart
from vlmbench.trainers.training.job import left_by

Kind = Literal["weights", "data", "pictures", "stage before", "package", "devices"]

PACKAGES = {
    "deepspeed": "pip install deepspeed",
    "bitsandbytes": "pip install bitsandbytes",
    "peft": "pip install peft",
    "flash_attn": "pip install flash-attn --no-build-isolation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that is not here."""

    kind: Kind
    what: str
    fix: str


def missing(recipe: Recipe, nproc: int, work_dir: Path) -> tuple[Missing, ...]:
    """Everything, in the order in which it is needed."""
    return (
        *_packages(recipe),
        *_devices(recipe, nproc),
        *_weights(recipe),
        *_before(recipe, work_dir),
        *_data(recipe),
    )


def _packages(recipe: Recipe) -> Iterator[Missing]:
    model = recipe.model
    needed = {
        "deepspeed": recipe.parallelism.deepspeed is not None,
        "bitsandbytes": model.language.quantisation is not None,
        "peft": model.language.lora is not None or model.vision.lora is not None,
        "flash_attn": model.attention == "flash",
    }
    for name, wanted in needed.items():
        if wanted and importlib.util.find_spec(name) is None:
            yield Missing(kind="package", what=name, fix=PACKAGES[name])


def _devices(recipe: Recipe, nproc: int) -> Iterator[Missing]:
    if recipe.parallelism.device == "cpu":
        return
    here = _gpus()
    if here < nproc:
        many = f"{here or 'no'} GPU{'s' * (here != 1)} here, {nproc} needed"
        fix = f"--nproc {here}" if here else "run it on a machine with GPUs"
        yield Missing(kind="devices", what=many, fix=fix)


def _gpus() -> int:
    """What torch.cuda.device_count() returns, from the driver itself: importing torch takes two seconds."""
    if Path("/dev/kfd").exists():  # AMD's driver, for which torch was built otherwise
        import torch

        return torch.cuda.device_count()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    started = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if started else 0


def _weights(recipe: Recipe) -> Iterator[Missing]:
    model = recipe.model
    if model.start is not None:
        yield from _model(model.start, "model.start")
        return
    parts: dict[str, LanguagePart | VisionPart] = {"language": model.language, "vision": model.vision}
    for name, part in parts.items():
        if part.path is not None:
            yield from _model(part.path, f"model.{name}.path")


def _model(path: str, key: str) -> Iterator[Missing]:
    if (folder_of(path) / "config.json").is_file() or _cached(path):
        return
    local = path.startswith((".", "/", "~")) or path.count("/") != 1
    if path.startswith("ms:") or (not local and mirrors().modelscope):
        return  # ModelScope has no command that fetches it; training does
    fix = f"--set {key}=FOLDER" if local else f"hf download {path}, or --set {key}=FOLDER"
    yield Missing(kind="weights", what=path, fix=fix)


def _cached(path: str) -> bool:
    """Whether the hub's cache has it; nothing is asked of the network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(path, "config.json"), str)
    except HFValidationError:
        return False


def _before(recipe: Recipe, work_dir: Path) -> Iterator[Missing]:
    named = recipe.pretrained
    if named is None or left_by(named, work_dir) is not None:
        return
    if named.startswith((".", "/", "~")) or named.endswith(".pth"):
        yield Missing(kind="stage before", what=named, fix="--set pretrained=FOLDER")
    else:
        fix = f"vlmbench train {named}, or --set pretrained=FOLDER"
        yield Missing(kind="stage before", what=str(work_dir.parent / named), fix=fix)


def _data(recipe: Recipe) -> Iterator[Missing]:
    seen: set[str] = set()
    for place, source in enumerate(recipe.data.sources):
        if source.files is not None and not files_matching(source.files):
            fix = source.origin or f"--set data.sources.{place}.files=PATH, with `*` for what differs"
            yield Missing(kind="data", what=source.files, fix=fix)
        wanted = (("annotations", source.annotations, "data"), ("images", source.images, "pictures"))
        for field, path, kind in wanted:
            if path is None or path in seen or Path(path).expanduser().exists():
                continue
            seen.add(path)
            origin = source.origin if field == "annotations" and source.origin else None
            fix = origin or f"vlmbench data check {recipe.name}, or --set data.sources.{place}.{field}=PATH"
            yield Missing(kind=kind, what=path, fix=fix)  # type: ignore[arg-type]
