"""Which name a run has, and so which folder: one model, one name.

    run_name("work_dirs/demo_dusk/model")               demo_dusk
    run_name("llava-hf/llava-1.5-7b-hf")                llava-hf/llava-1.5-7b-hf

A name belongs to the model that first ran under it, by the run.json files below runs/NAME. Another model
whose path ends alike takes one more folder into its name, until it is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vlmbench.errors import UsageError
from vlmbench.files.json_files import object_or_none
from vlmbench.files.set_aside import is_set_aside
from vlmbench.model_names import folder_before, folder_of, is_path, names_of
from vlmbench.store import RUN

RUNS = Path("runs")


def run_name(model: str) -> str:
    """The shortest name of the model that no other model has taken in runs/."""
    names = short_names(model)
    return next((name for name in names if not _is_anothers(RUNS / folder_of(name), model)), names[-1])


def names_apart(models: Sequence[str], *, in_runs: bool) -> list[str]:
    """A name for each: the shortest that no other of them has, nor another model in runs/ if `in_runs`."""
    found: list[str] = []
    for model in models:
        names = [name for name in short_names(model) if name not in found] or [model]
        free = (n for n in names if not in_runs or not _is_anothers(RUNS / folder_of(n), model))
        found.append(next(free, names[-1]))
    return found


def short_names(model: str) -> list[str]:
    """The names that a model may have, the shortest first."""
    return names_of(model, _place(model))


def checked_name(name: str) -> str:
    """The name that a user gives, refused where it could be no folder below runs/."""
    parts = name.split("/")
    if not all(any(letter.isalnum() for letter in part) for part in parts) or "\\" in name:
        raise UsageError(
            f"`{name}` cannot name a run.",
            key="--name",
            fix="A name is one word, or several joined by `/`, such as `llava-7b/step-500`.",
        )
    return name


def folder_below_runs(model: str, given: str | None, benchmark: str) -> Path:
    """runs/NAME/BENCH; without a given name, the folder of earlier versions if it has its answers."""
    if given is not None:
        return RUNS / folder_of(given) / benchmark
    folder = RUNS / folder_of(run_name(model)) / benchmark
    earlier = RUNS / folder_before(model) / benchmark
    if not (folder / RUN).exists() and _is_same(_model_in(earlier / RUN), model):
        return earlier
    return folder


def _is_anothers(folder: Path, model: str) -> bool:
    """Whether runs of another model are in the folder, and none of this one.

    A model that is no longer where it was may have been moved here: its digests decide, when the run begins.
    """
    others = False
    for other in _models_in(folder):
        if _is_same(other, model):
            return False
        others = others or _is_there(other)
    return others


def _models_in(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob(f"*/{RUN}")):
        if not is_set_aside(file.parent) and (found := _model_in(file)):
            yield found


def _model_in(file: Path) -> str | None:
    spec = (object_or_none(file, own=True) or {}).get("spec")
    model = spec.get("model") if isinstance(spec, dict) else None
    return model if isinstance(model, str) else None


def _is_same(other: str | None, model: str) -> bool:
    if other is None or other == model:
        return other == model
    places = _place(other), _place(model)
    engines = [text.lower().startswith("vllm:") for text in (other, model)]
    if None in places or engines[0] != engines[1]:
        return False
    first, second = (place.resolve() for place in places if place)
    return first == second


def _is_there(model: str) -> bool:
    return _place(model) is not None or not is_path(model)


def _place(model: str) -> Path | None:
    """Where it lies on this machine; None for a hub id, a server, and what ships with vlmbench."""
    text = model[5:] if model.lower().startswith("vllm:") else model
    if text in ("", "demo", "echo") or "\0" in text:
        return None
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError):
        return None
