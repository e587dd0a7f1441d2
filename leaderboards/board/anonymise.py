"""Names and reasons without the places of the machine that the runs were made on: the page is published."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from vlmbench.finished import FinishedRun

_TYPED = re.compile(r"(?P<engine>(?:echo|vllm|openai):)?(?P<at>@?)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SERVER = re.compile(r"@(?:\w+://)(?:[^/@]*@)?(?P<host>[^/]*).*", re.DOTALL)
_LOCAL = re.compile(
    r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]"  # how a path begins
    r"|.*\\|[^/<>|*?]+/[^/<>|*?]+/+[^/]|.*/.*\.pth?$",  # what no hub id has
    re.DOTALL,
)
# What every training calls its result: only the folder above tells whose it is (`demo_dusk/model`).
_NAMELESS = re.compile(
    r"(?:vllm:)?(?:model|hf|merged|best|last|latest|final|output"
    r"|(?:checkpoint|iter|epoch|step)[-_]?\d+(?:_hf|_xtuner|_official)?(?:\.pth?)?)",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"(?<![\w/.:<])(?:[A-Za-z]:[/\\]|~/|\.{0,2}/)(?:[^/\\`'\"<>|\s]+[/\\])+(?P<last>[^/\\`'\"<>|\s]+)"
    r"|(?<=[@:])/(?:[^/\\`'\"<>|\s]+/)+(?P<file>[^/\\`'\"<>|\s]+)"
)


def public_names(models: Iterable[str]) -> dict[str, str]:
    """Each model's name without the place it lies at; with one part more where that is needed."""
    models = sorted(set(models))
    short = {model: _named(model, 1) for model in models}
    often = Counter(short.values())
    return {
        model: name if often[name] == 1 and not _NAMELESS.fullmatch(name) else _named(model, 2)
        for model, name in short.items()
    }


def published(runs: Mapping[str, FinishedRun]) -> dict[str, FinishedRun]:
    """The runs with the names of models and judges that strangers may read."""
    judges = {folder: str(run.results["judged"]["model"] or "") for folder, run in runs.items()}
    names = public_names([run.model for run in runs.values()])
    called = public_names(judges.values())
    return {folder: _called(run, names[run.model], called[judges[folder]]) for folder, run in runs.items()}


def without_places(text: str) -> str:
    """Of every path the last part."""
    return _PLACE.sub(lambda found: found["last"] or found["file"], text)


def _called(run: FinishedRun, model: str, judge: str) -> FinishedRun:
    judged = run.results["judged"]
    if (model, judge or None) == (run.model, judged["model"]):
        return run
    return replace(run, results={**run.results, "model": model, "judged": {**judged, "model": judge or None}})


def _named(model: str, parts: int) -> str:
    typed = _TYPED.fullmatch(model)
    engine, at, rest = typed.group("engine", "at", "rest") if typed else (None, "", model)
    kind = (engine or "").lower()
    server = ""
    if kind == "openai:" and (found := _SERVER.search(rest)):
        rest, server = rest[: found.start()], f"@{found['host']}" if parts > 1 else ""
    # What `echo:` is followed by is its answer, but for a file after @.
    if at or (kind != "echo:" and _LOCAL.match(rest)):
        rest = "/".join([part for part in re.split(r"[/\\]+", rest) if part][-parts:]) or rest
    return f"{engine or ''}{at}{rest}{server}"
