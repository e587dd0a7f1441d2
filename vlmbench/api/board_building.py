"""A leaderboard from folders of runs: find them, open them, rank them, write the page and its files."""

from __future__ import annotations

import contextlib
import gc
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.domain import Card, RuleSet
from vlmbench.errors import RunFolderError, UnknownName, UsageError, UserError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.board.nouns import Board, Refused

_MARKS = frozenset({"run.json", "results.json"})
_READ = ("run.json", "results.json", "scores.jsonl", "responses.jsonl", "pictures.jsonl", "predictions.xlsx")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRequest:
    """Which runs are ranked, and how. The defaults are those of `vlmbench leaderboard build`."""

    roots: tuple[Path, ...]
    """Folders to search for run folders."""
    rules: RuleSet = "strict"
    published: bool = True
    """Whether the published tables stand below."""
    data_dir: Path | None = None
    plugins: tuple[Path, ...] = ()


def build(request: BoardRequest, complain: Callable[[str], None]) -> tuple[Board, dict[str, FinishedRun]]:
    """The board and the runs it was made of; `complain` receives what is wrong with a benchmark's plugin."""
    with _garbage_collection_off():
        return _build(request, complain)


def _build(request: BoardRequest, complain: Callable[[str], None]) -> tuple[Board, dict[str, FinishedRun]]:
    from vlmbench.leaderboards.board.build import build_board
    from vlmbench.leaderboards.board.published import published_tables

    runs, refused = _open(find_runs(request.roots), request)
    published = published_tables() if request.published else []
    board = build_board(
        runs,
        refused,
        rules=request.rules,
        cards=_cards({run.benchmark for run in runs.values()}, request.plugins, complain),
        quoted=published,
    )
    return board, runs


@contextlib.contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Thousands of results live until the board is built: garbage collection would only scan them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def find_runs(roots: Sequence[Path]) -> dict[str, Path]:
    """Run folders below the roots, by a name without the path of the roots."""
    found: dict[str, Path] = {}
    seen: set[Path] = set()
    for prefix, root in zip(_root_names(roots), roots, strict=True):
        if not root.is_dir():
            raise RunFolderError("there is no such folder.", file=root, key="--runs")
        home = root.resolve()
        for folder in _run_folders(root):
            inside = folder.relative_to(root)
            if home / inside not in seen:
                seen.add(home / inside)
                name = (prefix / inside).as_posix() if prefix / inside != Path() else home.name
                found[unique_name(name, found)] = folder
    if not found:
        raise RunFolderError(
            "there is no run folder in it or below it.",
            file=", ".join(map(str, roots)),
            key="--runs",
            fix="`vlmbench run` writes runs/MODEL/BENCH: try `--runs runs`.",
        )
    return found


def _root_names(roots: Sequence[Path]) -> list[Path]:
    """A name for each of several roots, numbered where two are the same; none for a single root."""
    if len(roots) == 1:
        return [Path()]
    taken: list[str] = []
    for root in roots:
        taken.append(unique_name(root.resolve().name, taken))
    return [Path(name) for name in taken]


def unique_name(name: str, taken: Container[str]) -> str:
    """The name, numbered where it is taken."""
    again = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in again if other not in taken)


def drawn_names(names: Iterable[str]) -> dict[str, str]:
    """Each folder's name as it is shown: without control characters, and unique."""
    drawn: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: (visible(name) != name, name)):
        drawn[name] = unique_name(visible(name) or "�", taken)
        taken.add(drawn[name])
    return drawn


def _run_folders(root: Path) -> Iterable[Path]:
    """Sorted, top down; links are not followed, and nothing below a run folder is searched."""
    for folder, inside, files in os.walk(root):
        inside.sort()
        if _MARKS & set(files):
            inside.clear()
            yield Path(folder)


def _open(folders: Mapping[str, Path], request: BoardRequest) -> tuple[dict[str, FinishedRun], list[Refused]]:
    from vlmbench.leaderboards.board.names import with_public_names, without_folders
    from vlmbench.leaderboards.board.nouns import Refused
    from vlmbench.report.runs import open_run

    runs: dict[str, FinishedRun] = {}
    refused: list[Refused] = []
    drawn = drawn_names(folders)
    for name, folder in sorted(folders.items()):
        try:
            _refuse_pipes(folder)
            runs[drawn[name]] = open_run(folder, data_dir=request.data_dir, plugins=request.plugins)
        except UserError as error:
            # A published page must not contain paths of this machine.
            reason = f"{Path(error.file).name}: {error.what}" if error.file else error.what
            shown = visible(without_folders(reason), 500)
            refused.append(Refused(folder=drawn[name], reason=shown))
    return with_public_names(runs), refused


def _refuse_pipes(folder: Path) -> None:
    """Raise RunFolderError for a pipe or a device: reading it might never end."""
    for name in _READ:
        with contextlib.suppress(OSError):
            if not stat.S_ISREG((folder / name).stat().st_mode):
                raise RunFolderError("this is not a regular file.", file=folder / name)


def _cards(
    benchmarks: Iterable[str], plugins: Sequence[Path], complain: Callable[[str], None]
) -> dict[str, Card]:
    from vlmbench.registry import Registry

    registry = Registry(plugins)
    cards = {}
    for name in sorted(benchmarks):
        try:
            cards[name] = registry.benchmark(name).card
        except UserError as error:
            if not isinstance(error, UnknownName):
                complain(str(error))
    return cards


def write_board(board: Board, out: Path) -> dict[str, int]:
    """Write every file; returns their sizes. Equal boards give equal bytes."""
    from vlmbench.leaderboards.board.exports import board_csv, board_json, board_markdown
    from vlmbench.leaderboards.board.page import badge_svg, board_page, shields_json

    texts = {
        "index.html": board_page(board),
        "leaderboard.md": board_markdown(board),
        "leaderboard.csv": board_csv(board),
        "leaderboard.json": board_json(board),
        "badge.svg": badge_svg(board),
        "badge.json": shields_json(board),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror}).", file=out, key="--out") from None
    return {name: (out / name).stat().st_size for name in texts}
