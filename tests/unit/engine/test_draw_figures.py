"""Figures over several draws: the mean of the passes' own, with the question as the unit of every error."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from open_rows import row

from vlmbench.domain import Benchmark, Metric, Response, Row, RunSpec, Sample
from vlmbench.draws import draw_ids
from vlmbench.engine.asking import RunPlan, make_plan
from vlmbench.engine.draw_figures import averaged
from vlmbench.engine.judge_log import JudgeLog
from vlmbench.engine.judging import Judge
from vlmbench.engine.run_scores import RunScores, scores_of_run
from vlmbench.errors import DataError
from vlmbench.evaluation import scored_run
from vlmbench.models.echo import load_echo
from vlmbench.registry import load_benchmark
from vlmbench.report.results import results_document
from vlmbench.stats import mean_over

SPLITS = ("adversarial", "popular", "random")
DIGITS = "Digit String Recognition"
DRAWS = 4


def yes_no(name: str, count: int = 36) -> list[Row]:
    """Three questions a picture in POPE, two in MME."""
    each, categories = (2, ("existence", "color")) if name == "MME" else (3, SPLITS)
    return [
        row(
            n,
            f"p{n // each}",
            answer=("Yes", "No")[n * 7 % 5 % 2],
            category=categories[n // each % len(categories)],
        )
        if name == "MME"
        else row(n, f"p{n // each}", answer=("Yes", "No")[n * 7 % 5 % 2], category=categories[n % 3])
        for n in range(count)
    ]


def circular(questions: int = 12) -> list[Row]:
    """Each question in its rotations, two options."""
    turns = (("cat", "dog", "A"), ("dog", "cat", "B"))
    return [
        row(
            n + turn * 1_000_000,
            f"p{n}",
            A=one,
            B=other,
            answer=right,
            category="x",
            question=f"What is {n}?",
        )
        for turn, (one, other, right) in enumerate(turns)
        for n in range(questions)
    ]


def scored(
    name: str, rows: Sequence[Row], texts: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> tuple[Benchmark, tuple[Sample, ...], RunScores]:
    benchmark = load_benchmark(name)
    samples = tuple(benchmark.samples(rows))
    chance = random.Random(seed)
    ids = [own for sample in samples for own in draw_ids(sample.id, draws)]
    responses = {i: Response(id=i, text=chance.choice(texts), finish="stop") for i in ids}
    plan = RunPlan(samples=samples, requests=(), partial=False, prompts="", draws=draws)
    return benchmark, samples, scores_of_run(benchmark, plan, responses, "strict")


@pytest.mark.parametrize(
    ("name", "rows", "texts"),
    [
        ("MMBench_DEV_EN", circular(), ["A", "B", "B", "?"]),
        ("POPE", yes_no("POPE"), ["Yes", "No", "hmm"]),
        ("MME", yes_no("MME"), ["Yes", "No"]),
        ("OCRBench", [row(n, f"{n // 2}", answer="cat", category=DIGITS) for n in range(9)], ["cat", "dog"]),
        ("COCO_VAL", [row(n, answer="['a cat sits', 'one cat']") for n in range(6)], ["a cat sits", "one"]),
    ],
)  # fmt: skip
def test_every_figure_is_the_mean_of_its_passes(name: str, rows: list[Row], texts: list[str]) -> None:
    benchmark, samples, found = scored(name, rows, texts)
    assert found.draws is not None
    for rules in ("strict", "vlmevalkit"):
        tables = [
            {(m.level, m.name): m for m in benchmark.metrics(samples, scores[rules], rules)}
            for scores in found.draws.scores
        ]
        kept = [m for m in found.metrics[rules] if m.level != "draws"]
        assert {(m.level, m.name) for m in kept} == set(tables[0])
        for metric in kept:
            same = [table[metric.level, metric.name] for table in tables]
            if all(one.value is not None for one in same):
                assert metric.value == pytest.approx(sum(one.value or 0 for one in same) / DRAWS)
                errors = [one.stderr for one in same]
                # Never wider than the passes on average; narrower as far as draws differ.
                if metric.stderr is not None and None not in errors:
                    assert metric.stderr <= sum(e or 0 for e in errors) / DRAWS + 1e-9


def test_of_right_and_wrong_questions_one_pass_is_the_mean() -> None:
    _, _, found = scored("MMBench_DEV_EN", circular(), ["A", "B"])
    figures = {m.name: m for m in found.metrics["strict"]}
    names = ["avg@4", "pass@1", "pass@2", "pass@4", "maj@4"]
    assert [m.name for m in found.metrics["strict"] if m.level == "draws"] == names
    assert len({m.split for m in found.metrics["strict"] if m.level == "draws"}) == 1
    for name in ("avg@4", "pass@1"):
        assert figures[name].value == pytest.approx(figures["circular accuracy"].value)
        assert figures[name].ci95 == pytest.approx(figures["circular accuracy"].ci95)
    assert figures["pass@2"].n == 12
    assert figures["pass@2"].rows == 24


def test_a_circular_question_is_right_in_a_draw_where_all_its_rotations_are() -> None:
    benchmark = load_benchmark("MMBench_DEV_EN")
    samples = tuple(benchmark.samples(circular(2)))
    # Question 0: both rotations right in draw 0, each in another draw else. Question 1: never both.
    right = {"0": [1, 1, 0], "1000000": [1, 0, 1], "1": [1, 0, 0], "1000001": [0, 1, 0]}
    responses = {
        own: Response(id=own, text="AB"[(sample.references[0] == "B") ^ (not is_right)], finish="stop")
        for sample in samples
        for own, is_right in zip(draw_ids(sample.id, 3), right[sample.id], strict=True)
    }
    plan = RunPlan(samples=samples, requests=(), partial=False, prompts="", draws=3)
    run = scored_run(
        RunSpec(model="m", benchmark="MMBench_DEV_EN", style="s", samples=3),
        benchmark,
        (),
        plan,
        responses,
        facts={},
    )
    figures = {m.name: m.value for m in run.metrics["strict"]}
    assert figures["circular accuracy"] == pytest.approx(1 / 6)
    assert (figures["pass@1"], figures["pass@3"]) == (pytest.approx(1 / 6), 0.5)
    # Rotation by rotation two of three draws of question 0 are right, of question 1 one of three.
    assert figures["maj@3"] == 0.5
    assert run.complete
    assert run.draws is not None
    assert run.draws.spread["strict"].within == pytest.approx((1 / 3 / 2) ** 0.5)
    scores = {s.id: (s.value, s.reason) for s in run.scores["strict"]}
    assert scores["0"] == (pytest.approx(2 / 3), "2 of 3 draws right")


def test_draws_that_agree_have_the_errors_of_one_pass() -> None:
    for name, rows in (("POPE", yes_no("POPE")), ("MME", yes_no("MME")), ("MMBench_DEV_EN", circular())):
        _benchmark, _samples, one = scored(name, rows, ["Yes", "No", "A"], draws=1)
        table = one.metrics["strict"]
        for same, alone in zip(averaged([table] * 3), table, strict=True):
            assert (same.value, same.stderr, same.ci95) == (
                pytest.approx(alone.value), pytest.approx(alone.stderr), pytest.approx(alone.ci95)
            )  # fmt: skip


def test_the_error_of_a_mean_rests_on_each_questions_mean_over_draws() -> None:
    _, samples, found = scored("POPE", yes_no("POPE"), ["Yes", "No"])
    assert found.draws is not None
    values = [[s.value or 0.0 for s in scores["strict"]] for scores in found.draws.scores]
    means = [sum(each) / DRAWS for each in zip(*values, strict=True)]
    expected = mean_over(means, [sample.draw for sample in samples])
    accuracy = next(m for m in found.metrics["strict"] if m.name == "accuracy")
    assert (accuracy.value, accuracy.stderr) == (
        pytest.approx(expected.value),
        pytest.approx(expected.stderr),
    )


def test_a_plugins_figure_without_its_values_has_an_interval_that_is_wide_enough() -> None:
    tables = [
        [Metric(name="mine", split=None, level="overall", value=v, n=9, stderr=e, ci95=(v - e, v + e))]
        for v, e in ((0.2, 0.1), (0.6, 0.3))
    ]
    (found,) = averaged(tables)
    assert (found.value, found.stderr) == (pytest.approx(0.4), pytest.approx(0.2))
    assert found.ci95 == pytest.approx((0.2, 0.6))
    (empty,) = averaged([tables[0], [replace(tables[1][0], value=None)]])
    assert (empty.value, empty.ci95) == (None, None)


def test_draws_that_failed_make_the_run_incomplete_and_name_the_question() -> None:
    benchmark = load_benchmark("POPE")
    samples = tuple(benchmark.samples(yes_no("POPE", 6)))
    ids = [own for sample in samples for own in draw_ids(sample.id, 2)]
    responses = {i: Response(id=i, text="Yes", finish="stop") for i in ids}
    responses["3#1"] = Response(id="3#1", text="", finish="error", error="the server is gone")
    plan = RunPlan(samples=samples, requests=(), partial=False, prompts="", draws=2)
    spec = RunSpec(model="m", benchmark="POPE", style="s", samples=2)
    run = scored_run(spec, benchmark, (), plan, responses, facts={})
    assert (run.complete, run.errors, len(run.answered)) == (False, 1, 5)
    assert run.unscored["strict"] == {"3": "the server is gone"}
    assert run.bounds is not None
    assert list(itertools.islice(responses, 2)) == ["0", "0#1"]


def test_a_judge_reads_every_draw_and_is_asked_once_about_equal_answers() -> None:
    benchmark = load_benchmark("MMBench_DEV_EN")
    samples = tuple(benchmark.samples(circular(2)))
    ids = [own for sample in samples for own in draw_ids(sample.id, 3)]
    responses = {i: Response(id=i, text="the furry one", finish="stop") for i in ids}
    echo = load_echo("echo:A")
    judge = Judge(echo, JudgeLog(None, "echo", echo.facts), name="echo")
    plan = RunPlan(samples=samples, requests=(), partial=False, prompts="", draws=3)
    spec = RunSpec(model="m", benchmark="MMBench_DEV_EN", style="s", samples=3)
    run = scored_run(spec, benchmark, (), plan, responses, facts={}, judge=judge)
    assert run.judging is not None
    assert (run.judging.asked, run.judging.rows["strict"]) == (len(samples), 3 * len(samples))
    assert results_document(run)["judged"]["count"] == 3 * len(samples)
    assert run.complete


def test_draws_are_asked_beside_each_other_and_a_clash_of_ids_is_refused() -> None:
    benchmark = load_benchmark("MMBench_DEV_EN")
    spec = RunSpec(model="m", benchmark="MMBench_DEV_EN", style="vlmevalkit", samples=2)
    plan = make_plan(spec, benchmark, tuple(benchmark.samples(circular(2))))
    assert [r.id for r in plan.requests] == plan.ids[:2] + plan.ids[4:6] + plan.ids[2:4] + plan.ids[6:]
    assert [r.group for r in plan.requests] == ["0"] * 4 + ["1"] * 4
    one = make_plan(replace(spec, samples=1), benchmark, plan.samples)
    assert one.prompts == plan.prompts
    odd = tuple(benchmark.samples([row("7#1", A="cat", B="dog", answer="A")]))
    assert make_plan(replace(spec, samples=1), benchmark, odd).ids == ["7#1"]
    with pytest.raises(DataError, match=r"row `?7#1"):
        make_plan(spec, benchmark, odd)
