"""A benchmark for another harness, which asks its own model: questions as we word them, answers scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.domain import (
    Benchmark,
    Decoding,
    ImageSource,
    Metric,
    Request,
    Response,
    RuleSet,
    RunSpec,
    Sample,
    Score,
)
from vlmbench.errors import UsageError
from vlmbench.registry import Registry, rule_set

if TYPE_CHECKING:
    from vlmbench.engine.asking import RunPlan

STYLE = "vlmevalkit"
"""The prompt style of a model that is reached through an interface, as in `vlmbench run --model openai:…`."""


class HarnessQuestions:
    """The questions of one benchmark as they are asked here."""

    def __init__(
        self,
        bench: str,
        rules: str = "strict",
        prompt: str = STYLE,
        limit: int | None = None,
        data_dir: str | None = None,
    ) -> None:
        from vlmbench.api.run.benchmark_data import DataOptions, open_data
        from vlmbench.engine.asking import make_plan
        from vlmbench.evaluation import read_samples

        self.rules: RuleSet = rule_set(rules)
        self.benchmark: Benchmark = Registry(limited=limit is not None).benchmark(bench)
        _refuse_judged(self.benchmark)
        opened = open_data(
            self.benchmark, DataOptions(data_dir=Path(data_dir) if data_dir else None), limit=limit
        )
        self.images: ImageSource = opened.table.images
        samples = read_samples(self.benchmark, opened.table, opened.rows)
        card = self.benchmark.card
        if not any(sample.references for sample in samples):
            raise UsageError(
                f"the answers of {card.name} are withheld, so it cannot be scored here.", key="bench"
            )
        spec = RunSpec(
            model="another harness", benchmark=card.name, style=prompt, rules=self.rules, limit=limit
        )
        self.plan: RunPlan = make_plan(spec, self.benchmark, samples, opened.table.lock)
        self.requests: Mapping[str, Request] = {request.id: request for request in self.plan.requests}
        self.samples: Mapping[str, Sample] = {sample.id: sample for sample in self.plan.samples}
        if any(request.opening for request in self.plan.requests):
            raise UsageError(
                f"the prompt style `{prompt}` writes the first words of an answer itself, which another "
                "harness cannot do.",
                key="prompt",
                fix=f"Use `{STYLE}`.",
            )

    def score(
        self, samples: Sequence[Sample], responses: Mapping[str, Response]
    ) -> tuple[list[Sample], list[Score]]:
        """The samples as the rule set reads them, and a score each."""
        from vlmbench.answers.original import scores_under
        from vlmbench.answers.responses import apart
        from vlmbench.engine.scoring import responses_as_read, seen_by, without_answers

        seen = seen_by(self.rules, samples, responses)
        divided = {i: apart(response) for i, response in responses.items()}
        read = responses_as_read(seen, divided, self.rules)
        return seen, without_answers(read, scores_under(self.benchmark, seen, read, self.rules))

    def figures(self, responses: Mapping[str, Response]) -> list[Metric]:
        """The benchmark's own figures of all answers, headline first."""
        from vlmbench.answers.original import figures_under

        seen, rows = self.score(self.plan.samples, responses)
        return figures_under(self.benchmark, seen, rows, self.rules)

    @property
    def decoding(self) -> Decoding:
        """How answers are generated; the first question's stands for all."""
        return self.plan.requests[0].decoding


def _refuse_judged(benchmark: Benchmark) -> None:
    if benchmark.card.judge:
        name = benchmark.card.name
        raise UsageError(
            f"{name} has no figure before a judge has read the answers.",
            key="bench",
            fix=f"Ask it with `vlmbench run --bench {name} --judge MODEL`.",
        )
