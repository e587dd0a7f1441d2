"""Every benchmark as a task of inspect_ai: our prompt, our extraction, our figures; its models and logs.

    inspect eval vlmbench/MMBench_DEV_EN --model openai/gpt-4o -T rules=strict -T limit=100
    inspect eval vlmbench/benchmark -T bench=own.tsv --model …

inspect_ai finds this module by the entry point `vlmbench` of its group `inspect_ai`. Every benchmark is
registered by name and opened when it is asked for. A picture is read when its question is asked, so that no
process holds all of them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError
from inspect_ai._util.package import get_installed_package_name
from inspect_ai.dataset import MemoryDataset
from inspect_ai.dataset import Sample as InspectSample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, ContentText, GenerateConfig
from inspect_ai.scorer import SampleScore, Target, metric, scorer
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.solver import Generate, TaskState, generate, solver

from vlmbench.api.harness_questions import STYLE, HarnessQuestions
from vlmbench.domain import Finish, ImageRef, ImageSource, Response
from vlmbench.errors import UserError
from vlmbench.registry import Registry


@lru_cache(maxsize=4)
def _questions(
    bench: str, rules: str, prompt: str, limit: int | None, data_dir: str | None
) -> HarnessQuestions:
    try:
        return HarnessQuestions(bench, rules, prompt, limit, data_dir)
    except UserError as error:
        raise PrerequisiteError(str(error)) from error


def benchmark_task(
    bench: str,
    rules: str = "strict",
    prompt: str = STYLE,
    limit: int | None = None,
    data_dir: str | None = None,
) -> Task:
    """A benchmark by name, or a TSV by path. `limit` counts groups, so that rotations stay together."""
    asked = _questions(bench, rules, prompt, limit, data_dir)
    decoding = asked.decoding
    config = GenerateConfig(max_tokens=decoding.max_new_tokens, temperature=0.0)
    if decoding.do_sample:
        config = GenerateConfig(
            max_tokens=decoding.max_new_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=decoding.seed,
        )
    arguments = (bench, rules, prompt, limit, data_dir)
    return Task(
        dataset=MemoryDataset([_inspect_sample(asked, i) for i in asked.requests], name=bench),
        solver=[show_pictures(*arguments), generate()],
        scorer=extraction(*arguments),
        metrics=[figures(*arguments)],
        config=config,
        metadata={"prompts": asked.plan.prompts, "partial": asked.plan.partial},
    )


def _inspect_sample(asked: HarnessQuestions, sample_id: str) -> InspectSample:
    sample = asked.samples[sample_id]
    words = "".join(part for part in asked.requests[sample_id].parts if isinstance(part, str))
    return InspectSample(
        id=sample_id,
        input=words,
        target=list(sample.references),
        metadata={"group": sample.group, "pictures": list(sample.images), **sample.categories},
    )


def _show_pictures(
    bench: str, rules: str, prompt: str, limit: int | None = None, data_dir: str | None = None
) -> Any:
    """Ask the question with its pictures, in the order of the prompt."""

    async def solve(state: TaskState, _generate: Generate) -> TaskState:
        asked = _questions(bench, rules, prompt, limit, data_dir)
        request = asked.requests[str(state.sample_id)]
        system = [] if request.system is None else [ChatMessageSystem(content=request.system)]
        question = [_content(part, asked.images) for part in request.parts]
        state.messages = [*system, ChatMessageUser(content=question)]
        return state

    return solve


def _content(part: str | ImageRef, images: ImageSource) -> ContentText | ContentImage:
    from vlmbench.models.servers.wire import data_url

    if isinstance(part, str):
        return ContentText(text=part)
    return ContentImage(image=data_url(images[part.digest]))


def _extraction(
    bench: str, rules: str, prompt: str, limit: int | None = None, data_dir: str | None = None
) -> Any:
    """The answer that the rule set finds in one text, and its worth; `figures` reads all texts at once."""

    async def score(state: TaskState, _target: Target) -> InspectScore:
        asked = _questions(bench, rules, prompt, limit, data_dir)
        sample_id = str(state.sample_id)
        stop: Finish = "length" if state.output.stop_reason == "max_tokens" else "stop"
        response = Response(id=sample_id, text=state.output.completion, finish=stop)
        found = asked.score([asked.samples[sample_id]], {sample_id: response})[1][0]
        about = {"completion": response.text, "finish": stop}
        if found.value is None:
            return InspectScore.unscored(answer=found.extracted, explanation=found.reason, metadata=about)
        return InspectScore(
            value=found.value, answer=found.extracted, explanation=found.reason, metadata=about
        )

    return score


def _figures(
    bench: str, rules: str, prompt: str, limit: int | None = None, data_dir: str | None = None
) -> Any:
    """The benchmark's own figures, the headline first: groups of rotations count once."""

    def compute(scores: list[SampleScore]) -> dict[str, float]:
        from vlmbench.report.exports.inspect_ai import figure_names

        asked = _questions(bench, rules, prompt, limit, data_dir)
        answers = dict(filter(None, map(_response, scores)))
        found = asked.figures(answers)
        names = figure_names((figure.name, figure.level) for figure in found)
        shown = {n: f.value for n, f in zip(names, found, strict=True) if f.value is not None}
        return shown or {asked.benchmark.card.name: math.nan}

    return compute


def _response(found: SampleScore) -> tuple[str, Response] | None:
    about = found.score.metadata or {}
    if "completion" not in about:
        return None
    sample_id, finish = str(found.sample_id), about["finish"]
    return sample_id, Response(id=sample_id, text=str(about["completion"]), finish=finish)


# inspect_ai puts the package before each name; of a checkout that pip calls otherwise it finds none.
_PACKAGE = "" if get_installed_package_name(_response) else "vlmbench/"
show_pictures = solver(name=f"{_PACKAGE}show_pictures")(_show_pictures)
extraction = scorer(metrics=[], name=f"{_PACKAGE}extraction")(_extraction)
figures = metric(name=f"{_PACKAGE}figures")(_figures)


def _register(name: str) -> None:
    def one_benchmark(
        rules: str = "strict", prompt: str = STYLE, limit: int | None = None, data_dir: str | None = None
    ) -> Task:
        return benchmark_task(name, rules, prompt, limit, data_dir)

    task(name=_PACKAGE + name)(one_benchmark)


task(name=f"{_PACKAGE}benchmark")(benchmark_task)
for _name in Registry().benchmarks:
    _register(_name)
