"""What a model is called, in run folders, tables and boards: the shortest end of its path that identifies it.

work_dirs/demo_dusk/model               demo_dusk
runA/checkpoint-500                     runA/checkpoint-500
llava-hf/llava-1.5-7b-hf                the hub id, with its owner; also for its folder in the hub's cache
vllm:llava-hf/llava-1.5-7b-hf           the same name, in a folder of its own: llava-hf/llava-1.5-7b-hf-vllm
openai:NAME@URL                         openai:NAME, in the folder NAME
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_TYPED = re.compile(
    r"(?P<engine>(?:echo|vllm|openai|responses|anthropic|gemini):)?(?P<at>@?)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_SERVER = re.compile(r"@(?:\w+://)(?:[^/@]*@)?(?P<host>[^/]*).*", re.DOTALL)
_INTERFACES = ("openai:", "responses:", "anthropic:", "gemini:")
_LOCAL = re.compile(
    r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]"  # how a path begins
    r"|.*\\|[^/<>|*?]+/[^/<>|*?]+/+[^/]|.*/.*\.pth?$",  # what no hub id has
    re.DOTALL,
)
# Names that trainings and converters give every result; the folder above identifies it.
_NAMELESS = re.compile(
    r"model|hf|merged|best|last|latest|final|output|out|adapter|weights"
    r"|(?:checkpoint|iter|epoch|step|global_step)[-_]?\d+(?:_hf|_xtuner|_official)?(?:\.pth?)?",
    re.IGNORECASE,
)
_TRAINED = "model"
"""The result of every `vlmbench train`: the folder above is its whole name."""
_BETWEEN = frozenset({"candidates", "checkpoints"})
"""Folders between a checkpoint and the folder of its training, which identify nothing."""
_IN_CACHE = re.compile(r"(?:^|[/\\])models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\][0-9a-f]{7,40}[/\\]?$")


def names_of(typed: str, path: Path | None = None) -> list[str]:
    """The model's names, the shortest that identifies it first, then each with one more folder or the server.

    `path` is where it lies on this machine; without one, the text alone decides whether it is a path.
    """
    found = _TYPED.fullmatch(typed)
    engine, at, rest = found.group("engine", "at", "rest") if found else (None, "", typed)
    kind, head = (engine or "").lower(), (engine or "") + at
    host = ""
    if kind in _INTERFACES and (server := _SERVER.search(rest)):
        rest, host = rest[: server.start()], f"@{server['host']}"
    names = [rest]
    if hub := _IN_CACHE.search(rest):
        names = [f"{hub[1]}/{hub[2]}"]
    elif path is not None or at or (kind != "echo:" and _LOCAL.match(rest)):
        names = _ends(rest, "" if path is None else os.path.normpath(path.absolute()))
    return [f"{head}{names[0]}", f"{head}{names[0]}{host}"] if host else [head + name for name in names]


def is_path(typed: str) -> bool:
    """Whether the text can only be a path, and no hub id and no server's model."""
    found = _TYPED.fullmatch(typed)
    kind = (found["engine"] or "").lower() if found else ""
    return kind in ("", "vllm:") and _LOCAL.match(typed[len(kind) :]) is not None


def _ends(path: str, absolute: str) -> list[str]:
    """The ends of a path, from the shortest that says something to the longest."""
    parts = _parts(absolute or path)
    if not parts:
        return [path]
    if len(parts) > 1 and parts[-1].lower() == _TRAINED:
        parts = parts[:-1]
    parts = [part for part in parts[:-1] if part.lower() not in _BETWEEN] + parts[-1:]
    least = next(
        (n for n, part in enumerate(reversed(parts), 1) if not _NAMELESS.fullmatch(part)), len(parts)
    )
    return ["/".join(parts[-n:]) for n in range(least, len(parts) + 1)]


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\]+", path) if part not in ("", ".", "..", "~")]


def folder_of(name: str) -> Path:
    """A name as a folder below runs/, with one component for each of the name and no special characters."""
    found = _TYPED.fullmatch(name)
    kind = (found["engine"] or "").lower() if found else ""
    inside = name[len(kind) :] if kind in ("vllm:", *_INTERFACES) else name
    # The same weights answered by another engine are another run.
    parts = [safe_name(part) for part in inside.rstrip("/").split("/")]
    parts[-1] += "-vllm" if kind == "vllm:" else ""
    return Path(*parts)


def safe_name(part: str) -> str:
    """A text as the name of one file or folder."""
    return re.sub(r"[^\w.=+-]+", "_", part).strip("._") or "model"


def folder_before(typed: str) -> str:
    """The folder below runs/ that earlier versions used: the last component alone."""
    vllm = typed.lower().startswith("vllm:")
    served = r"(?:openai|responses|anthropic|gemini):(?P<name>.+?)(?:@https?://.*)?"
    found = re.fullmatch(served, typed, re.IGNORECASE)
    path = found["name"] if found else typed[5:] if vllm else typed
    last = path.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return safe_name(last + ("-vllm" if vllm else ""))
