"""Checkpoints: a folder that is there whole or not at all, the last few of them, and the way back in.

checkpoint-STEP/
    trained.safetensors   every parameter that learns, in float32; with it alone a model can be finished
    optimizer.pt, scheduler.pt, rng_state*.pth, trainer_state.json     as Hugging Face's Trainer names them
    global_stepSTEP/      instead of optimizer.pt, what DeepSpeed keeps, a file a rank
    facts.json            of which values and data, on how many ranks; written last
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlmbench.data.disk import writing
from vlmbench.errors import UserError
from vlmbench.files.json_files import read_object
from vlmbench.trainers.fingerprints import changed_files, changes, listed, plain
from vlmbench.trainers.recipe.model import Recipe

from .computing import Computing

FACTS, TRAINED = "facts.json", "trained.safetensors"
FREE = (
    "schedule.lr",
    "schedule.projector_lr",
    "schedule.vision_lr",
    "schedule.clip",
    "data.broken",
    "data.broken_limit",
)
"""What may be set otherwise when a run goes on: that is told, and kept with it."""
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


@contextlib.contextmanager
def room_for(work_dir: Path, step: int, needed: int) -> Iterator[None]:
    """Where it cannot be written, nothing is left of it, and the ones before are named to go on from."""
    kept = whole(work_dir)
    fix = "Free some space there; then --resume " + (
        f"goes on from {kept[-1].name}." if kept else "begins anew: there is no checkpoint before."
    )
    with writing(place(work_dir, step), f"the checkpoint of step {step}", needed, fix):
        try:
            yield
        except OSError:
            shutil.rmtree(aside(work_dir, step), ignore_errors=True)
            raise
        except RuntimeError as error:
            # Where a file cannot be written to its end, torch says so in words of many kinds.
            if not traceback.extract_tb(error.__traceback__)[-1].filename.endswith("serialization.py"):
                raise
            shutil.rmtree(aside(work_dir, step), ignore_errors=True)
            raise OSError(errno.ENOSPC, "No space left on device") from error


def settle(work_dir: Path, step: int, facts: Mapping[str, Any], keep: int) -> Path:
    """On the disk, under its name, and the oldest beyond `keep` gone; never the one just written."""
    folder, target = aside(work_dir, step), place(work_dir, step)
    (folder / FACTS).write_text(json.dumps(facts, indent=2), "utf-8")
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
    others = [one for one in whole(work_dir) if one != target]
    for old in others[: max(len(others) + 1 - max(keep, 1), 0)]:
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
    """The optimizer step of a checkpoint; it may be a link of another name."""
    number = folder.name.removeprefix(_PREFIX)
    if not number.isdigit():
        number = folder.resolve().name.removeprefix(_PREFIX)
    return int(number) if number.isdigit() else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a run is given besides its values, known by content: it may lie elsewhere when the run goes on."""

    data: Sequence[Mapping[str, Any]] = ()
    before: str | None = None
    """What the stage before left."""
    changed: tuple[str, ...] = ()
    """Values that were set otherwise on the way."""


def facts_of(recipe: Recipe, how: Computing, step: int, given: Given) -> dict[str, Any]:
    """What decides whether a run may go on from here."""
    return {
        "step": step,
        "name": recipe.name,
        "values": values(recipe),
        "data": list(given.data),
        "before": given.before,
        "changed": list(given.changed),
        "world": how.world,
        "deepspeed": bool(how.deepspeed),
        "precision": how.precision,
        "global_batch": recipe.schedule.batch * recipe.schedule.accumulation * how.world,
    }


def values(recipe: Recipe) -> dict[str, Any]:
    """Whatever decides what is learned; not how it is divided among devices and saved, nor where it lies."""
    known = asdict(recipe)
    for key in ("about", "mended", "saving", "pretrained"):
        known.pop(key)
    for key in ("name", "workers", "pin_memory"):
        known["data"].pop(key)
    for key in ("batch", "accumulation"):
        known["schedule"].pop(key)
    for source in known["data"]["sources"]:
        for key in ("annotations", "images", "origin"):
            source.pop(key)
    known["parallelism"] = {key: known["parallelism"][key] for key in ("device", "precision")}
    found: dict[str, Any] = plain(known)
    return found


def check(folder: Path, recipe: Recipe, how: Computing) -> tuple[str, ...]:
    """Refuse a checkpoint that this run cannot go on from exactly; says what was, or is, set otherwise."""
    held = _facts(folder)
    now = facts_of(recipe, how, held["step"], Given())
    told = {
        "global_batch": f"its global batch was {held['global_batch']}, and is {now['global_batch']} now",
        "deepspeed": "one was written with DeepSpeed and one is to go on without",
        "precision": f"it computed in {held['precision']}, and would in {now['precision']} now",
    }
    if how.deepspeed is not None:
        told["world"] = f"DeepSpeed wrote it on {held['world']} processes, and this run has {now['world']}"
    found = list(changes(held["values"], now["values"]))
    wrong = [one.text for one in found if one.key not in FREE]
    wrong += [why for key, why in told.items() if held[key] != now[key]]
    if wrong:
        raise _refused(folder, wrong)
    return (*held["changed"], *(f"after step {held['step']}, {one.text}" for one in found))


def check_given(folder: Path, given: Given) -> None:
    """Refuse other data, and another stage before."""
    held = _facts(folder)
    wrong = changed_files(held["data"], given.data)
    if held["before"] != given.before:
        wrong.append("the stage before has left another model since")
    if wrong:
        raise _refused(folder, wrong)


def _refused(folder: Path, wrong: Sequence[str]) -> UserError:
    fix = "Run it as before, or begin anew in another --work-dir."
    return UserError(f"cannot be gone on from: {listed(wrong)}.", file=folder, fix=fix)


def _facts(folder: Path) -> dict[str, Any]:
    file = folder / FACTS
    if not file.is_file():
        raise UserError("this is no finished checkpoint of vlmbench's.", file=folder, fix="Check the path.")
    held = read_object(file, raises=UserError, fix="Go on from another one.")
    if not held.get("values"):
        raise UserError(
            "an earlier version wrote this checkpoint, which did not keep the values of its recipe with it.",
            file=folder,
            fix="Go on with that version, or begin anew in another --work-dir.",
        )
    return held
