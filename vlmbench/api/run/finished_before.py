"""Whether a run is finished already, found out in milliseconds and without loading the model.

    remember(request, benchmark, model, …)     once a run is whole
    finished_before(request, benchmark, …)     its results.json; None: it is to be run or continued

VLMBENCH_HOME/finished holds a note for each run folder: what was asked (request, benchmark, our code,
versions) in one digest, and every file that decided the answers or holds them, by size, time stamp and inode.
Where any of it differs, the run takes the long way: the model is loaded, and the locked facts are compared
one by one. A plugin's benchmark, `--answers` and a judge in this process always take the long way.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from vlmbench.api.run.benchmark_data import open_data
from vlmbench.data.disk import file_digest, home_folder
from vlmbench.domain import Benchmark, Model, Run
from vlmbench.errors import UserError
from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import object_or_none
from vlmbench.models.loading import SERVED, where
from vlmbench.store import PICTURE_TOKENS, RESPONSES, RUN, is_locked

if TYPE_CHECKING:
    from vlmbench.api.run.runs import RunRequest

VERSIONS = ("torch", "transformers", "tokenizers", "pillow", "numpy", "pyarrow", "vllm")
"""Packages that decide an answer or how it is scored."""
_OUTPUTS = (
    RUN,
    RESPONSES,
    PICTURE_TOKENS,
    "results.json",
    "scores.jsonl",
    "pictures.jsonl",
    "predictions.xlsx",
    "mmbench_result.xlsx",
    "judge.jsonl",
)
_DECIDING = (".json", ".jinja", ".model", ".txt", ".tiktoken", ".py", ".safetensors", ".bin", ".pt", ".pth")
"""Endings of the files of a model's folder; a new one of them may decide an answer, too."""
_CODE = (".py", ".yaml")


def remember(
    request: RunRequest, benchmark: Benchmark, model: Model, run: Run, folder: Path, since: float
) -> None:
    """Note a whole run that began at `since`, if all that decided it can be compared without the model."""
    named = _named_files(request)
    if not run.complete or named is None or (asked := _asked(request, benchmark)) is None:
        return
    if any(file.stat().st_mtime >= since for file in named):  # the run may have read another text
        return
    files = [*named, *_model_files(model, run)]
    note = {
        "folder": str(folder.resolve()),
        "asked": asked,
        "by files": len(files) > len(named),
        "files": {str(file): _identity(file) for file in files},
        "folders": {str(place): _listing(place) for place in {file.parent for file in files}},
        "outputs": {name: _identity(folder / name) for name in _OUTPUTS},
    }
    with suppress(OSError):  # a full or read-only disk costs time, not correctness
        file = _note_of(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as aside:
            aside.write_text(json.dumps(note), "utf-8")


def finished_before(
    request: RunRequest, benchmark: Benchmark, folder: Path, model: Callable[[], Model]
) -> dict[str, Any] | None:
    """The results of a run that needs nothing more; None where it is to be run, or continued.

    `model` is called for the facts of a model that is not made of files.
    """
    note = None if request.fresh else object_or_none(_note_of(folder))
    if not note or note.get("folder") != str(folder.resolve()) or is_locked(folder):
        return None
    if note.get("asked") != _asked(request, benchmark) or not _untouched(note, folder):
        return None
    if any(str(file) not in note["files"] for file in _named_files(request) or ()):  # seen from elsewhere
        return None
    facts = (object_or_none(folder / RUN, own=True) or {}).get("facts", {})
    try:
        table = open_data(benchmark, request.data, limit=request.limit, seed=request.seed).table
        if _as_json(table.lock) != facts.get("dataset"):
            return None
        same = (
            _same_places(request, note["files"])
            if note["by files"]
            else _as_json(model().facts) == facts.get("model")
        )
        if not same:
            return None
    except UserError:  # the long way says the same, in its place
        return None
    return object_or_none(folder / "results.json", own=True)


def _asked(request: RunRequest, benchmark: Benchmark) -> str | None:
    """One digest of all that is known before any file is opened; None where somebody else's code decides."""
    from vlmbench.api.run.runs import name_in

    judge = request.judge.model
    kind, rotated = type(benchmark), type(getattr(benchmark, "plain", benchmark))
    ours = all(one.__module__.startswith("vlmbench.") for one in (kind, rotated))
    if not ours or (judge and judge.partition(":")[0] not in SERVED):
        return None
    # Where the run lies and how it was typed decide nothing.
    plain = replace(
        request, name=name_in(request), out=None, fresh=False, several=False, command=None, wait=True
    )
    # Of values all through. What has an address in it is never equal, and takes the long way.
    text = repr((plain, kind.__module__, by_name(benchmark), _code(), _versions()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def by_name(value: Any) -> Any:
    """As it is, with functions of our modules by name: equal in every process, and `_code` has their text."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__qualname__, [
            by_name(getattr(value, one.name)) for one in fields(value) if one.repr
        ]
    if isinstance(value, Mapping):
        return [(by_name(key), by_name(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [by_name(item) for item in value]
    if isinstance(value, partial):
        return [by_name(part) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, FunctionType):
        module, name = value.__module__, value.__name__
        if module.startswith("vlmbench.") and getattr(sys.modules.get(module), name, None) is value:
            return f"{module}.{name}"
    return value


@cache
def _code() -> str:
    """A digest of the code that asks and scores."""
    # The sister folder lies beside the package in a checkout, and inside it once installed.
    roots = [
        Path(__file__).parent.parent,
        *map(Path, importlib.import_module("vlmbench.benchmarks").__path__),
    ]
    digest = hashlib.sha256()
    for root in roots:
        for file in sorted(root.rglob("*")):
            if file.suffix in _CODE:
                digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def _versions() -> tuple[str | None, ...]:
    found: list[str | None] = []
    for package in VERSIONS:
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append(None)
    return tuple(found)


def _named_files(request: RunRequest) -> list[Path] | None:
    """The files that the request names beside the model; None where one of them is not known by its path."""
    if request.data.answers is not None:
        return None
    from vlmbench.prompts import split_name

    model, style = request.model, split_name(request.prompt)[0] if request.prompt else None
    named = [model.template, model.recipe, request.data.file, style]
    paths = [Path(one).expanduser() for one in named if one]
    return [path.absolute() for path in paths if path.is_file()]


def _model_files(model: Model, run: Run) -> list[Path]:
    """The files of the model; empty where it has none, or they are not those that the run locked."""
    files: Mapping[str, Path] = getattr(model, "files", {})
    locked = run.facts["model"].get("files")
    try:
        found = {name: file_digest(file, "sha256") for name, file in files.items()}
    except UserError:
        return []
    return [file.absolute() for file in files.values()] if found == locked else []


def _untouched(note: Mapping[str, Any], folder: Path) -> bool:
    """Whether no file has changed since, and none has come to the folders of the model."""
    return (
        all(_identity(Path(file)) == seen for file, seen in note["files"].items())
        and all(_listing(Path(place)) == seen for place, seen in note["folders"].items())
        and all(_identity(folder / name) == seen for name, seen in note["outputs"].items())
    )


def _same_places(request: RunRequest, files: Iterable[str]) -> bool:
    """Whether the model and its parts are still these files: a hub id or a path may now lead elsewhere."""
    from vlmbench.models.hf.any_layout import source_of

    model = request.model
    given = [model.name.removeprefix("vllm:"), *filter(None, (model.llm, model.vision))]
    for one in given:
        place = source_of(where(one), trust_remote_code=model.trust_remote_code).absolute()
        if not any(place == file or place in file.parents for file in map(Path, files)):
            return False
    return True


def _identity(file: Path) -> list[int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return [seen.st_size, seen.st_mtime_ns, seen.st_ino]


def _listing(folder: Path) -> list[str]:
    return sorted(name for name in _names(folder) if name.endswith(_DECIDING))


def _names(folder: Path) -> Iterator[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_file())


def _note_of(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:24]
    return home_folder() / "finished" / f"{name}.json"


def _as_json(value: Any) -> Any:
    """As run.json has it."""
    return json.loads(json.dumps(dict(value)))
