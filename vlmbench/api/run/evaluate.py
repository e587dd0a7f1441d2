"""`vlmbench.evaluate`: ask a model a benchmark, in the run folder that `vlmbench run` would use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

from vlmbench.answers.usage import Price
from vlmbench.api.run.benchmark_data import (
    AnyBenchmark,
    AnyMap,
    DataOptions,
    as_list,
    benchmarks_of,
    is_list,
    optional_path,
    require_data,
)
from vlmbench.api.run.decoding import AnyDecoding, decoding_choice
from vlmbench.api.run.finished_before import finished_before
from vlmbench.api.run.judge import JudgeOptions
from vlmbench.api.run.model_opening import ModelOptions, close_models
from vlmbench.api.run.names import checked_name
from vlmbench.api.run.runs import AnswerProgress, RunRequest, run_benchmark, run_folder, with_jobs_sent
from vlmbench.api.run.runs import opened as model_of_run
from vlmbench.api.run_result import RunResult, kept_result, result_of
from vlmbench.domain import Benchmark, Model, RuleSet
from vlmbench.errors import UnknownName, UsageError
from vlmbench.model_files.picture_options import PictureOptions
from vlmbench.models.thinking_switch import no_thinking, read_switch
from vlmbench.terminal.screen import silence

AnyModel: TypeAlias = str | Path | Model | tuple[Any, Any] | Callable[[list[dict[str, Any]], list[Any]], str]
"""A name or path as on the command line; an object of the Model protocol; a loaded transformers model with
its processor; a function `(messages, images) -> str`."""


class EvaluateOptions(TypedDict, total=False):
    """The keywords of `evaluate`, for type checkers; `evaluate` itself has their defaults."""

    limit: int | None
    seed: int
    blind: bool
    prompt: str | None
    decoding: AnyDecoding | None
    max_new_tokens: int | None
    samples: int
    rules: RuleSet
    circular: bool
    out: str | Path | None
    fresh: bool
    name: str | None
    device: str
    dtype: str
    batch_size: int | Literal["auto"]
    devices: str | None
    llm: str | None
    vision: str | None
    template: str | None
    trust_remote_code: bool
    thinking: str | None
    pictures: Mapping[str, Any] | None
    rpm: int | None
    batch: bool
    concurrency: int | None
    engine_args: Mapping[str, Any] | None
    price: tuple[float, float] | None
    judge: str | None
    judge_rpm: int | None
    judge_limit: int | None
    judge_price: tuple[float, float] | None
    data_dir: str | Path | None
    accept_local_data: bool
    answers: str | Path | None
    download: bool
    plugins: Sequence[str | Path]
    mapping: AnyMap | None
    progress: bool


@overload
# A str is also a sequence of str, which the first signature takes.
def evaluate(  # type: ignore[overload-overlap]
    model: AnyModel, benchmark: AnyBenchmark, **options: Unpack[EvaluateOptions]
) -> RunResult: ...
@overload
def evaluate(
    model: AnyModel, benchmark: Sequence[AnyBenchmark], **options: Unpack[EvaluateOptions]
) -> list[RunResult]: ...
def evaluate(
    model: AnyModel,
    benchmark: AnyBenchmark | Sequence[AnyBenchmark],
    *,
    limit: int | None = None,
    seed: int = 0,
    blind: bool = False,
    prompt: str | None = None,
    decoding: AnyDecoding | None = None,
    max_new_tokens: int | None = None,
    samples: int = 1,
    rules: RuleSet = "strict",
    circular: bool = False,
    out: str | Path | None = None,
    fresh: bool = False,
    name: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    devices: str | None = None,
    llm: str | None = None,
    vision: str | None = None,
    template: str | None = None,
    trust_remote_code: bool = False,
    thinking: str | None = None,
    pictures: Mapping[str, Any] | None = None,
    rpm: int | None = None,
    batch: bool = False,
    concurrency: int | None = None,
    engine_args: Mapping[str, Any] | None = None,
    price: tuple[float, float] | None = None,
    judge: str | None = None,
    judge_rpm: int | None = None,
    judge_limit: int | None = None,
    judge_price: tuple[float, float] | None = None,
    data_dir: str | Path | None = None,
    accept_local_data: bool = False,
    answers: str | Path | None = None,
    download: bool = False,
    plugins: Sequence[str | Path] = (),
    mapping: AnyMap | None = None,
    progress: bool = True,
) -> RunResult | list[RunResult]:
    """Ask a model a benchmark and score its answers under every rule set.

    Answers are written to runs/NAME/BENCH (or `out`) as they come. The same call continues where an earlier
    one stopped, whether that was made here or by `vlmbench run`; `fresh` moves earlier answers aside. A list
    of benchmarks or suites gives a list of results. A benchmark may be a `datasets.Dataset` or a DataFrame
    with pictures; `mapping` says what its columns are, where they are not recognised. `limit` asks that many
    groups of rows, spread over the categories. `decoding` is "greedy", "published" (as the prompt style's
    tool decodes), "model" (the checkpoint's generation_config.json), a mapping of settings, or a Decoding.
    `samples` draws so many answers to each question, which needs a decoding that samples. `batch` sends a
    server all questions as batch jobs, which the same call takes up again. `thinking` is "on", "off" or
    "budget=N"; `pictures` sets min_pixels, max_pixels, tiles or resample; `engine_args` are settings by the
    names of vLLM's EngineArgs or transformers' from_pretrained. `download` gets benchmark files that are
    not here, which nothing else does. `name` is what folders, tables and boards call the model; None: the end
    of its path that identifies it. Raises a UserError where the model, the data or the folder do not fit; a
    row that fails is that row's error.
    """
    opened: dict[str, Model] = {}
    called = _called(model, name, batch_size, opened)
    if opened:
        no_thinking(called, read_switch(thinking))
    request = RunRequest(
        model=ModelOptions(
            name=called,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            devices=devices,
            llm=llm,
            vision=vision,
            template=template,
            trust_remote_code=trust_remote_code,
            thinking=thinking,
            pictures=_pictures(pictures, opened),
            rpm=rpm,
            batch=batch,
            concurrency=concurrency,
            engine_args=_engine_args(engine_args, opened),
        ),
        data=DataOptions(
            data_dir=optional_path(data_dir),
            accept_local_data=accept_local_data,
            answers=optional_path(answers),
        ),
        judge=JudgeOptions(
            model=judge,
            rpm=judge_rpm,
            limit=judge_limit,
            price=None if judge_price is None else Price(*judge_price),
            device=device,
        ),
        name=name,
        rules=rules,
        limit=limit,
        seed=seed,
        blind=blind,
        prompt=prompt,
        decoding=decoding_choice(decoding),
        max_new_tokens=max_new_tokens,
        samples=samples,
        out=optional_path(out),
        fresh=fresh,
        price=None if price is None else Price(*price),
    )
    _check(request)
    with silence(not progress):
        found = benchmarks_of(
            benchmark,
            [Path(plugin) for plugin in plugins],
            in_rotations=circular,
            mapping=mapping,
            limited=limit is not None,
        )
        require_data(found, request.data, download=download, limited=limit is not None)
        return _run_all(request, benchmark, found, opened, AnswerProgress())


def _run_all(
    request: RunRequest,
    named: AnyBenchmark | Sequence[AnyBenchmark],
    benchmarks: Sequence[Benchmark],
    opened: dict[str, Model],
    progress: AnswerProgress,
) -> RunResult | list[RunResult]:
    ours = not opened
    given = zip(as_list(named), benchmarks, strict=False)
    names = [str(one) if isinstance(one, (str, Path)) else benchmark.card.name for one, benchmark in given]
    request = replace(
        request, several=len(benchmarks) > 1, command=("vlmbench.evaluate", request.model.name, *names)
    )
    results = []
    try:
        request = with_jobs_sent(request, benchmarks, opened, progress)
        for place, benchmark in enumerate(benchmarks, 1):
            progress.turn(benchmark.card.name, place, len(benchmarks))
            folder = run_folder(request, benchmark.card.name)
            model = partial(model_of_run, request, opened, progress)
            if finished_before(request, benchmark, folder, model) is not None:
                progress.say(f"{benchmark.card.name}: already finished")
                results.append(kept_result(request, benchmark, folder))
                continue
            done = run_benchmark(request, benchmark, opened, progress)
            results.append(result_of(done.run, benchmark, done.table.images, done.folder))
    finally:
        if ours:
            close_models(opened.values())
    return results if is_list(named) else results[0]


def _called(
    model: AnyModel, name: str | None, batch_size: int | Literal["auto"], opened: dict[str, Model]
) -> str:
    """What the run calls the model; one that is loaded already is put into `opened` under it."""
    if isinstance(model, (str, Path)):
        return str(model)
    from vlmbench.models.given import model_of

    given = model_of(model, name=name, batch_size=batch_size)
    called = name or given.name
    opened[called] = given
    return called


def _pictures(given: Mapping[str, Any] | None, opened: Mapping[str, Model]) -> PictureOptions:
    if given and opened:
        raise UsageError(
            "a model that is loaded already has its own processor.", key="pictures", fix="Set it there."
        )
    if unknown := sorted(set(given or ()) - set(PictureOptions.__slots__)):
        raise UnknownName("setting of pictures", unknown[0], PictureOptions.__slots__)
    return PictureOptions(**(given or {})).checked()


def _engine_args(given: Mapping[str, Any] | None, opened: Mapping[str, Model]) -> Mapping[str, Any]:
    if given and opened:
        raise UsageError(
            "this model is loaded already.", key="engine_args", fix="Set them where it is loaded."
        )
    return dict(given or {})


def _check(request: RunRequest) -> None:
    """Refuse values that the command line would refuse."""
    from vlmbench.prompts import prompt_style
    from vlmbench.registry import rule_set

    rule_set(request.rules)
    if request.name is not None:
        checked_name(request.name)
    request.decoding.checked(request.max_new_tokens)
    if request.prompt is not None:
        prompt_style(request.prompt)
    if not 0 <= request.seed < 2**32:
        raise UsageError(f"`{request.seed}` is not a whole number from 0 below {2**32:,}.", key="seed")
    for key in ("limit", "max_new_tokens", "samples"):
        value = getattr(request, key)
        if value is not None and value < 1:
            raise UsageError(f"`{value}` is not a whole number from 1.", key=key)
