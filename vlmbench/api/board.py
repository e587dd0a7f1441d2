"""`vlmbench.leaderboard`: many runs ranked by paired tests, as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.api import html
from vlmbench.api.board_building import BoardRequest, build, write_board
from vlmbench.api.run_result import RunResult
from vlmbench.domain import RULE_SETS, RuleSet
from vlmbench.errors import RunFolderError, UnknownName
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    import pandas as pd

    from vlmbench.leaderboards.board.nouns import Board

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
    if rules not in RULE_SETS:
        raise UnknownName("rule set", str(rules), RULE_SETS)
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
