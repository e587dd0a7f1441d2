"""`vlmbench.score`: predictions from anywhere, a file, a folder or a DataFrame; no model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.api.benchmark_data import DataOptions
from vlmbench.api.evaluate import AnyBenchmark, AnyMap, benchmarks_of
from vlmbench.api.judge import JudgeOptions
from vlmbench.api.progress import AnswerProgress
from vlmbench.api.run_result import RunResult, result_of
from vlmbench.api.scoring import ScoreRequest, name_of, score_predictions
from vlmbench.domain import RULE_SETS, RuleSet
from vlmbench.errors import UnknownName
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    import pandas as pd


def score(
    predictions: pd.DataFrame | str | Path,
    bench: AnyBenchmark,
    *,
    name: str | None = None,
    rules: RuleSet = "strict",
    circular: bool = False,
    allow_missing: bool = False,
    judge: str | None = None,
    judgments: str | Path | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    accept_local_data: bool = False,
    answers: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    mapping: AnyMap | None = None,
    progress: bool = True,
) -> RunResult:
    """Score predictions under every rule set.

    A DataFrame has a column `index` (or it is the frame's index) and a column `prediction`; the names that
    files may use are accepted too. `name` is what the results call the model. Raises a PredictionsError where
    a question has no prediction, two, or one that belongs to another benchmark.
    """
    from vlmbench.predictions.frames import answers_of_frame

    if rules not in RULE_SETS:
        raise UnknownName("rule set", str(rules), RULE_SETS)
    extra = [Path(plugin) for plugin in plugins]
    (benchmark,) = benchmarks_of(bench, extra, in_rotations=circular, mapping=mapping)
    given = Path(predictions) if isinstance(predictions, (str, Path)) else answers_of_frame(predictions)
    path = given if isinstance(given, Path) else given.path
    watch = AnswerProgress(quiet=not progress)
    scored = score_predictions(
        ScoreRequest(
            predictions=given,
            name=name or name_of(path),
            data=DataOptions(
                data_dir=_path(data_dir),
                accept_local_data=accept_local_data,
                file=_path(data),
                answers=_path(answers),
            ),
            judge=JudgeOptions(model=judge),
            judgments=_path(judgments),
            rules=rules,
            allow_missing=allow_missing,
            plugins=tuple(Path(plugin) for plugin in plugins),
        ),
        benchmark,
        watch,
        lambda line: watch.say(visible(line, 2000)),
    )
    return result_of(scored.run, benchmark, scored.table.images, None)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given).expanduser()
