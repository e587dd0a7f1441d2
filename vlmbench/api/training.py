"""`vlmbench.train`: train a recipe, evaluate the model and its checkpoints."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.errors import UsageError, UserError
from vlmbench.terminal.screen import note, silence

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.stats import Difference
    from vlmbench.trainers.pipeline import Harness, PipelineResult, TrainingRequest
    from vlmbench.trainers.recipe.how_asked import HowAsked
    from vlmbench.trainers.recipe.model import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """A finished training."""

    name: str
    models: Mapping[str, Path]
    """The model folder of each stage, in order."""

    @property
    def model(self) -> Path:
        """The folder of the last stage's model, for `evaluate`, `convert` and chat."""
        return list(self.models.values())[-1]

    @property
    def folder(self) -> Path:
        """The work folder of the last stage: checkpoints, metrics.jsonl, evaluations in runs/."""
        return self.model.parent


def train(
    recipe: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    seed: int | None = None,
    resume: bool | str | Path = False,
    evaluate: Sequence[str] = (),
    evaluate_every: int | None = None,
    evaluate_limit: int | None = None,
    evaluate_device: str = "auto",
    evaluate_how: Mapping[str, Any] | None = None,
    deepspeed: str | None = None,
    nproc: int | None = None,
    log: Literal["mlflow", "wandb"] | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a shipped recipe or a YAML file; `settings` change its values: `{"schedule.lr": 1e-4}`.

    `resume=True` continues from the latest checkpoint in the work folder, if there is one; a path, from that
    checkpoint. `evaluate` names benchmarks for the trained model, and with `evaluate_every` for checkpoints
    on the way; `evaluate_how` has flags of `vlmbench run` by name: `{"decoding": "model", "tiles": 4}`.
    `progress=False` writes nothing: what other processes write is in the work folder. Raises a
    UserError where something is missing or a process of the training failed.
    """
    from vlmbench.trainers.pipeline import EvaluationRequest, TrainingRequest, read_chain

    request = TrainingRequest(
        recipe=str(recipe),
        settings=tuple(f"{key}={_typed(value)}" for key, value in (settings or {}).items()),
        work_dir=None if work_dir is None else Path(work_dir).expanduser(),
        seed=seed,
        resume=_resume(resume),
        deepspeed=deepspeed,
        tracker=log,
        nproc=nproc,
        evaluation=EvaluationRequest(
            benchmarks=tuple(evaluate),
            every=evaluate_every,
            limit=evaluate_limit,
            device=evaluate_device,
            how=_how(evaluate_how or {}),
        ),
        quiet=not progress,
    )
    check_resume(request.resume)
    chain = read_chain(request)
    # Packages under the training warn on stderr.
    other = contextlib.nullcontext() if progress else contextlib.redirect_stderr(io.StringIO())
    with silence(not progress), other:
        result = train_chain(request, chain, note)
    if result.code:
        place = "stderr" if progress else "evaluation.log or ranks/ of the work folder"
        raise UserError(
            f"the training of {chain.name} failed with exit code {result.code}; why stands in {place}.",
            fix="Mend that; `resume=True` continues from the latest checkpoint.",
        )
    return TrainingResult(name=chain.name, models=result.models)


def train_chain(request: TrainingRequest, chain: Chain, say: Callable[[str], None]) -> PipelineResult:
    """Train and evaluate what the request asks for; `say` receives lines for the user."""
    from vlmbench.trainers.pipeline import Pipeline

    if request.tracker is not None:
        from vlmbench.report.exports.trackers import check_tracker

        check_tracker(request.tracker, say)
    return Pipeline(request=request, harness=_harness(), say=say).run(chain)


def check_resume(resume: str | None) -> None:
    """Refuse a checkpoint that is not there."""
    if resume not in (None, "latest") and not Path(resume).expanduser().exists():
        raise UsageError(
            "there is no such checkpoint.", file=resume, fix="`--resume` alone takes the latest one."
        )


def _harness() -> Harness:
    from vlmbench.api.run.names import folder_below_runs
    from vlmbench.trainers.pipeline import Harness

    return Harness(
        benchmarks=_benchmarks,
        check_how=_check_how,
        open_run=_open_run,
        run_folder=lambda model, benchmark: folder_below_runs(model, None, benchmark),
        difference=_difference,
    )


def _how(given: Mapping[str, Any]) -> HowAsked:
    """What Python names, which is written as the `evaluate:` of a chain is."""
    from vlmbench.trainers.recipe.how_asked import HowAsked
    from vlmbench.trainers.recipe.typed import checked, made

    return made(HowAsked, checked(HowAsked, given, "evaluate_how"), "evaluate_how")


def _check_how(how: HowAsked) -> None:
    """Refuse what `vlmbench run` would refuse of these flags, before it is started."""
    from vlmbench.api.run.decoding import DecodingChoice, typed_settings
    from vlmbench.model_files.picture_options import PictureOptions
    from vlmbench.models.thinking_switch import read_switch

    base: Any = how.decoding
    settings = typed_settings(how.set_decoding)
    DecodingChoice(base=base, settings=settings).checked(how.max_new_tokens)
    read_switch(how.thinking)
    limits = how.how.keys() & set(PictureOptions.__slots__)
    PictureOptions(**{name: how.how[name] for name in limits}).checked()


def _benchmarks(names: Sequence[str]) -> list[str]:
    """Suites as their benchmarks; raises UnknownName for a name that is neither.

    A DataError where a file is not here: the training would come to its end and have no figure.
    """
    from vlmbench.api.run.benchmark_data import check_data_is_here
    from vlmbench.registry import Registry
    from vlmbench.suites import expand

    registry, found = Registry(), expand(names)
    check_data_is_here([registry.benchmark(name) for name in found])
    return found


def _open_run(folder: Path) -> FinishedRun:
    from vlmbench.report.runs import open_run

    return open_run(folder)


def _difference(first: FinishedRun, second: FinishedRun) -> Difference:
    from vlmbench.leaderboards.compare.compare import compare

    return compare(first, second).difference


def _typed(value: Any) -> str:
    """A value as it is typed behind `--set`, which takes YAML, and so JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _resume(given: bool | str | Path) -> str | None:
    if isinstance(given, bool):
        return "latest" if given else None
    return str(given)
