"""Whether a run's answers are at hand: without them a page would call every row an error."""

from __future__ import annotations

from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun
from vlmbench.store import RESPONSES


def answers_kept(run: FinishedRun) -> bool:
    """False of a run kept without its answers; a RunFolderError where some of those counted are missing."""
    asked = {score.id for score in run.scores["strict"]}
    here = sum(r.finish != "error" and i in asked for i, r in run.responses.items())
    answered = run.results["rows"]["answered"]
    if here >= answered and (run.responses or not run.results["errors"]):
        return True
    file = run.folder / RESPONSES
    if not (file.exists() or run.responses):
        return False
    raise RunFolderError(
        f"it holds {here} answers, and results.json counts {answered}; the file was edited or damaged.",
        file=file,
        fix="The same `vlmbench run` asks again what is missing.",
    )
