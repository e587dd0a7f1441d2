"""Checkpoints: folders that are whole or absent, the last few kept, and what a run must share to resume one.

checkpoint-STEP/
    trained.safetensors   every parameter that learns, in float32; with it alone a model can be finished
    optimizer.pt, scheduler.pt, rng_state*.pth, trainer_state.json     as Hugging Face's Trainer names them
    global_stepSTEP/      instead of optimizer.pt, what DeepSpeed keeps, a file a rank
    chat_template.jinja   the wording of the training, with which the checkpoint can be asked
    facts.json            of which values and data, on how many ranks, on which models; written last
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
import shutil
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.checkpoints.formats.layout import TRAINED as TRAINED
from vlmbench.checkpoints.formats.unfinished import FACTS
from vlmbench.data.disk import writing
from vlmbench.errors import UserError
from vlmbench.files.atomic import remove_folder, replace_folder, sync_folder
from vlmbench.files.json_files import read_object
from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.fingerprints import changed_files, changes, listed, recipe_values
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.job import CANDIDATES, RUNS

FREE = (
    "schedule.lr",
    "schedule.projector_lr",
    "schedule.vision_lr",
    "schedule.clip",
    "data.broken",
    "data.broken_limit",
)
"""Values that a resumed run may change; the change is noted in its checkpoints and on its card."""
_PREFIX = "checkpoint-"
_OF_A_STEP = re.compile(r"(?:step|trained)-(\d+)")


def place(work_dir: Path, step: int) -> Path:
    """Where the checkpoint of that step goes."""
    return work_dir / f"{_PREFIX}{step}"


def aside(work_dir: Path, step: int) -> Path:
    """Where it is written first: a name that nothing takes for a checkpoint."""
    return work_dir / f".{_PREFIX}{step}.unfinished"


def open_aside(work_dir: Path, step: int) -> Path:
    """An empty folder to write into; what a killed process left is removed."""
    for left in work_dir.glob(f".{_PREFIX}*.unfinished*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = aside(work_dir, step)
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def room_for(work_dir: Path, step: int, needed: int) -> Iterator[None]:
    """Where it cannot be written, remove the rest of it, and name the checkpoint to resume from."""
    kept = whole(work_dir)
    fix = "Free some space there; then --resume " + (
        f"continues from {kept[-1].name}." if kept else "starts anew: there is no earlier checkpoint."
    )
    with writing(place(work_dir, step), f"the checkpoint of step {step}", needed, fix):
        try:
            yield
        except OSError:
            shutil.rmtree(aside(work_dir, step), ignore_errors=True)
            raise
        except RuntimeError as error:
            # torch has many messages for a file that cannot be written to its end.
            if not traceback.extract_tb(error.__traceback__)[-1].filename.endswith("serialization.py"):
                raise
            shutil.rmtree(aside(work_dir, step), ignore_errors=True)
            raise OSError(errno.ENOSPC, "No space left on device") from error


def settle(work_dir: Path, step: int, facts: Mapping[str, Any], keep: int) -> Path:
    """Flush it, give it its name, and remove the oldest beyond `keep`, never the one just written."""
    folder, target = aside(work_dir, step), place(work_dir, step)
    (folder / FACTS).write_text(json.dumps(facts, indent=2), "utf-8")
    sync_folder(folder)
    replace_folder(folder, target)
    others = [one for one in whole(work_dir) if one != target]
    for old in others[: max(len(others) + 1 - max(keep, 1), 0)]:
        remove_folder(old)
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
class RunInputs:
    """The data and the model that a run starts from, by digest: both may be moved before it is resumed."""

    data: Sequence[Mapping[str, Any]] = ()
    before: str | None = None
    """The digest of the model that the stage before left."""
    changed: tuple[str, ...] = ()
    """Values that a resumed run changed, as sentences."""


def facts_of(recipe: Recipe, how: RankSettings, step: int, given: RunInputs) -> dict[str, Any]:
    """What decides whether a run may resume from here."""
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
    """The values that decide what is learned, without the batch: of it only the global one must stay."""
    known = recipe_values(recipe)
    for key in ("batch", "accumulation"):
        known["schedule"].pop(key)
    return known


def check(folder: Path, recipe: Recipe, how: RankSettings) -> tuple[str, ...]:
    """Refuse a checkpoint that this run cannot resume exactly; sentences on the values that changed."""
    held = _facts(folder)
    now = facts_of(recipe, how, held["step"], RunInputs())
    reasons = {
        "global_batch": f"its global batch was {held['global_batch']}, and is {now['global_batch']} now",
        "deepspeed": "only one of the two runs with DeepSpeed",
        "precision": f"its precision was {held['precision']}, and is {now['precision']} now",
    }
    if how.deepspeed is not None:
        reasons["world"] = f"DeepSpeed wrote it on {held['world']} processes, and this run has {now['world']}"
    found = list(changes(held["values"], now["values"]))
    wrong = [one.text for one in found if one.key not in FREE]
    wrong += [why for key, why in reasons.items() if held[key] != now[key]]
    if wrong:
        raise _refused(folder, wrong)
    return (*held["changed"], *(f"after step {held['step']}, {one.text}" for one in found))


def check_given(folder: Path, given: RunInputs) -> None:
    """Refuse a checkpoint of other data, or after another model of the stage before."""
    held = _facts(folder)
    wrong = changed_files(held["data"], given.data)
    if held["before"] != given.before:
        wrong.append("the stage before has left another model since")
    if wrong:
        raise _refused(folder, wrong)


def _refused(folder: Path, wrong: Sequence[str]) -> UserError:
    fix = "Run it as before, or start anew in another --work-dir."
    return UserError(f"cannot be resumed: {listed(wrong)}.", file=folder, fix=fix)


def _facts(folder: Path) -> dict[str, Any]:
    file = folder / FACTS
    if not file.is_file():
        raise UserError("this is not a complete checkpoint of vlmbench.", file=folder, fix="Check the path.")
    held = read_object(file, raises=UserError, fix="Resume another one.")
    if not held.get("values"):
        raise UserError(
            "an earlier version wrote this checkpoint, which did not keep the values of its recipe with it.",
            file=folder,
            fix="Resume with that version, or start anew in another --work-dir.",
        )
    return held


def begins_at(work_dir: Path, resume: Path | Literal["latest"] | None) -> int:
    """The step from which such a run would continue; 0 where it starts anew."""
    if isinstance(resume, Path):
        return step_of(resume)
    found = whole(work_dir) if resume else []
    return step_of(found[-1]) if found else 0


def discard_after(work_dir: Path, step: int) -> str | None:
    """Remove checkpoints after that step, and their models and evaluations; a sentence on what was removed.

    A run that resumes from an earlier checkpoint must never resume from the later ones again.
    """
    dropped = sorted(_above(work_dir, step))
    for _, folder in dropped:
        remove_folder(folder)
    if not dropped:
        return None
    steps = ", ".join(str(number) for number in sorted({number for number, _ in dropped}))
    return f"deleted checkpoints and evaluations of {steps}: this run resumes from step {step}"


def _above(work_dir: Path, step: int) -> Iterator[tuple[int, Path]]:
    for folder in whole(work_dir):
        if (number := step_of(folder)) > step:
            yield number, folder
    for place in (CANDIDATES, RUNS):
        for folder in (work_dir / place).glob("*-*"):
            found = _OF_A_STEP.fullmatch(folder.name)
            if found is not None and int(found[1]) > step:
                yield int(found[1]), folder
