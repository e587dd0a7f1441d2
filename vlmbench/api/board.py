"""A leaderboard from folders of runs: find and open them, rank them by paired tests, write the files.

`vlmbench.leaderboard` gives it to Python, `vlmbench leaderboard build` to the command line.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.api import html
from vlmbench.api.run_result import RunResult
from vlmbench.domain import Card, RuleSet
from vlmbench.errors import NoSuchRun, RunFolderError, UnknownName, UsageError, UserError
from vlmbench.files.regular import is_there
from vlmbench.files.set_aside import is_set_aside
from vlmbench.plain_text import visible
from vlmbench.registry import rule_set

if TYPE_CHECKING:
    import pandas as pd

    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.board.nouns import Board, Refused

_SHOWN = ("model", "benchmark", "measure", "value", "low", "high", "n", "band")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class BoardResult:
    """A leaderboard. Models of one band cannot be told apart at the 5 % level."""

    board: Board
    page: Path | None
    """index.html; None where no folder was named."""
    warnings: tuple[str, ...] = ()
    """Folders that were refused, and benchmarks whose code is broken, with the reasons."""

    def figures(self) -> pd.DataFrame:
        """One row a figure; `status` is `measured`, or why it is not ranked, or `published`."""
        import pandas as pd

        from vlmbench.leaderboards.board.exports import board_lines

        return pd.DataFrame(list(board_lines(self.board)))

    def __repr__(self) -> str:
        models = ", ".join(visible(entry.name, 60) for entry in self.board.entries[:5])
        more = len(self.board.entries) - 5
        counts = f"{len(self.board.entries)} models, {len(self.board.columns)} columns"
        return f"<BoardResult {counts}: {models}{f' and {more} more' if more > 0 else ''}>"

    def _repr_html_(self) -> str:
        figures = self.figures()
        shown = figures[figures["status"] == "measured"] if len(figures) else figures
        rows = shown.reindex(columns=list(_SHOWN)).itertuples(index=False, name=None)
        return html.table(_SHOWN, rows) + "".join(map(html.paragraph, self.warnings))


def leaderboard(
    runs: Sequence[RunResult | str | Path] | str | Path,
    *,
    out: str | Path | None = None,
    rules: RuleSet = "strict",
    published: bool = False,
    data_dir: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
) -> BoardResult:
    """Rank runs: results of `evaluate`, run folders, or folders that are searched for them.

    With `out` the page and its files are written there. `published` adds the published tables.
    """
    rule_set(rules)
    several = [runs] if isinstance(runs, (str, Path)) else runs
    warnings: list[str] = []
    request = BoardRequest(
        roots=tuple(_folder(run) for run in several),
        rules=rules,
        published=published,
        data_dir=None if data_dir is None else Path(data_dir),
        plugins=tuple(Path(plugin) for plugin in plugins),
    )
    board, _ = build(request, warnings.append)
    warnings += [visible(f"{one.folder} is refused: {one.reason}", 1000) for one in board.refused]
    page = None
    if out is not None:
        write_board(board, Path(out))
        page = Path(out) / "index.html"
    return BoardResult(board=board, page=page, warnings=tuple(warnings))


def _folder(run: RunResult | str | Path) -> Path:
    if not isinstance(run, RunResult):
        return Path(run)
    if run.folder is None:
        raise RunFolderError(
            f"the predictions of {run.model} were scored without a run folder, so no board can show them.",
            fix="Rank results of `evaluate`, or run folders.",
        )
    return run.folder


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
            raise NoSuchRun("there is no such folder.", file=root, key="--runs")
        home = root.resolve()
        for folder in _run_folders(root):
            inside = folder.relative_to(root)
            if home / inside not in seen:
                seen.add(home / inside)
                name = (prefix / inside).as_posix() if prefix / inside != Path() else home.name
                found[unique_name(name, found)] = folder
    if not found:
        raise NoSuchRun(
            "there is no run folder in it or below it.",
            file=", ".join(map(str, roots)),
            key="--runs",
            fix="`vlmbench run` writes runs/NAME/BENCH: try `--runs runs`.",
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
    """Sorted, top down; links are not followed, and nothing below a run folder is searched.

    Answers that `--fresh` set aside are left out, unless the root is theirs.
    """
    for folder, inside, files in os.walk(root):
        inside.sort()
        if _MARKS & set(files):
            inside.clear()
            if folder == str(root) or not is_set_aside(Path(folder)):
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
            for file in _READ:  # a pipe, for one, is refused before anything else is read
                is_there(folder / file)
            runs[drawn[name]] = open_run(folder, data_dir=request.data_dir, plugins=request.plugins)
        except UserError as error:
            # A published page must not contain paths of this machine.
            reason = f"{Path(error.file).name}: {error.what}" if error.file else error.what
            shown = visible(without_folders(reason), 500)
            refused.append(Refused(folder=drawn[name], reason=shown))
    return with_public_names(runs), refused


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
