"""Comparing runs: pairs are found, the fitting test is used, and what cannot be compared is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from finished_runs import circular_run, finished, row_run
from samples import metric, rotated
from samples import run as made_run

from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun, Questions
from vlmbench.leaderboards.compare.compare import compare, regressions, with_holm
from vlmbench.leaderboards.compare.document import junit_xml
from vlmbench.leaderboards.compare.markdown import comparison_markdown
from vlmbench.leaderboards.compare.text import by_row, evidence, reach, size, verdict
from vlmbench.stats import clustered_difference, mcnemar

HALF = [i % 2 == 0 for i in range(60)]
WORSE = [hit and i % 4 == 0 for i, hit in enumerate(HALF)]
ONE_LESS = [False, *HALF[1:]]


def test_questions_are_paired_and_tested_by_mcnemar() -> None:
    found = compare(circular_run(HALF), circular_run(WORSE))
    assert (found.unit, found.difference.test, found.difference.n) == ("question", "McNemar exact", 60)
    assert found.difference.p == mcnemar(0, 15)
    assert found.difference.value == -0.25
    assert found.verdict == "worse"
    assert (len(found.worse), len(found.better), found.alike) == (15, 0, 45)


def test_one_question_in_sixty_cannot_be_told_apart() -> None:
    found = compare(circular_run(HALF), circular_run(ONE_LESS))
    assert found.verdict == "cannot be told apart"
    assert verdict(found, "A", "B") == "A and B cannot be told apart on these 60 questions."
    assert found.difference.ci95 is not None
    assert found.difference.ci95[0] < -0.016 < 0 < found.difference.ci95[1]
    assert "smallest difference this set detects with 80 % power" in reach(found)


def test_the_other_way_round_is_the_same_with_other_signs() -> None:
    there, back = (
        compare(circular_run(HALF), circular_run(WORSE)),
        compare(circular_run(WORSE), circular_run(HALF)),
    )
    assert there.difference.value == -back.difference.value
    assert there.difference.p == back.difference.p
    assert [f.key for f in there.worse] == [f.key for f in back.better]
    assert back.verdict == "better"


def test_rows_of_circular_questions_are_compared_too_clustered_by_question() -> None:
    # Each wrong question has one row of two wrong: half the difference, by the same fifteen questions.
    found = compare(circular_run(HALF), circular_run(WORSE))
    rows = found.by_row
    assert rows is not None
    assert (rows.rows, rows.first, rows.second) == (120, 0.75, 0.625)
    assert (rows.difference.test, rows.difference.n) == ("clustered t", 60)
    values = [1.0] * 120, [0.0 if i < 15 else 1.0 for i in range(60)] + [1.0] * 60
    assert rows.difference == clustered_difference(*values, [i % 60 for i in range(120)])
    assert "Row by row: 75.0 % and 62.5 %, -12.5 points (95 %: " in by_row(found)
    assert "120 rows in 60 questions" in by_row(found)
    for text in (comparison_markdown([found], []), junit_xml([found], [], [])):
        assert "Row by row: 75.0 % and 62.5 %" in text


def test_where_rows_are_compared_anyway_nothing_is_said_twice() -> None:
    found = compare(row_run([1, 0], [0, 1]), row_run([0, 0], [0, 1]))
    assert (found.by_row, by_row(found)) == (None, "")


def test_rows_about_one_picture_are_one_draw() -> None:
    # Forty rows flip, but they are about ten pictures of twenty.
    first, second = [0.0] * 80, [1.0] * 40 + [0.0] * 40
    alone = compare(row_run(first, range(80)), row_run(second, range(80)))
    shared = compare(
        row_run(first, [i // 4 for i in range(80)]), row_run(second, [i // 4 for i in range(80)])
    )
    assert (alone.difference.test, alone.difference.n) == ("McNemar exact", 80)
    assert (shared.difference.test, shared.difference.n) == ("clustered t", 20)
    assert alone.difference.p is not None
    assert shared.difference.p is not None
    assert alone.difference.p < shared.difference.p
    assert size(shared) == "80 rows in 20 clusters"


def test_partial_credit_counts_as_it_is() -> None:
    found = compare(row_run([0.25, 0.5, 1.0], range(3)), row_run([0.5, 0.5, 0.75], range(3)))
    assert found.difference.value == pytest.approx(0)
    assert [(f.row, f.change) for f in (*found.better, *found.worse)] == [("r0", 0.25), ("r2", -0.25)]


def test_points_are_shown_as_points() -> None:
    found = compare(row_run([10.0, 60.0], range(2)), row_run([20.0, 60.0], range(2)))
    assert found.fraction is False
    assert evidence(found).startswith("+5.00 points")


def test_a_flip_tells_the_row_that_made_the_difference() -> None:
    flip = compare(circular_run(HALF), circular_run(ONE_LESS)).worse[0]
    assert (flip.key, flip.row, flip.question) == ("0", "1000000", "What is it?")
    assert (flip.first.text, flip.second.text, flip.second.extracted) == ("A", "B", "B")
    assert flip.references == ("A",)


def test_categories_are_adjusted_for_being_several() -> None:
    found = compare(circular_run(HALF), circular_run(WORSE))
    assert [part.name for part in found.categories] == ["kind 0", "kind 1", "kind 2"]
    assert sum(part.difference.n for part in found.categories) == 60
    for part in found.categories:
        assert part.difference.p is not None
        assert part.adjusted_p is not None
        assert part.adjusted_p >= part.difference.p


def test_several_comparisons_share_their_false_alarms() -> None:
    slightly = [hit and i not in (0, 2, 4, 6, 8, 10) for i, hit in enumerate(HALF)]
    alone = compare(circular_run(HALF), circular_run(slightly))
    assert alone.verdict == "worse"
    several = with_holm([alone, compare(circular_run(HALF), circular_run(ONE_LESS))])
    assert several[0].adjusted_p == pytest.approx(2 * mcnemar(0, 6))
    assert several[0].verdict == "cannot be told apart"


def test_pairs_among_the_candidates_take_nothing_from_the_comparisons_with_the_first_run() -> None:
    bad = [hit and i not in range(0, 16, 2) for i, hit in enumerate(HALF)]  # eight questions lost
    rights = {"base": HALF, "bad": bad, "c1": HALF, "c2": HALF, "c3": HALF}
    pairs = with_holm(
        (
            compare(circular_run(rights[one]), circular_run(rights[two]), names=(one, two))
            for one, two in combinations(rights, 2)
        ),
        base="base",
    )
    against_base = [pair for pair in pairs if pair.first.name == "base"]
    (lost,) = regressions(against_base)
    assert (lost.second.name, lost.adjusted_p) == ("bad", pytest.approx(4 * mcnemar(0, 8)))
    assert 10 * mcnemar(0, 8) > 0.05
    among = [pair.adjusted_p for pair in pairs if pair.first.name == "bad"]
    assert among == [pytest.approx(6 * mcnemar(0, 8))] * 3


@pytest.mark.parametrize(
    ("second", "gate", "fails"),
    [
        (WORSE, None, True),
        (ONE_LESS, None, False),
        (ONE_LESS, 1.0, True),
        (ONE_LESS, 2.0, False),
        (HALF, 0.0, False),
    ],
)
def test_a_regression_is_significant_or_beyond_the_gate(
    second: list[bool], gate: float | None, fails: bool
) -> None:
    found = compare(circular_run(HALF), circular_run(second))
    assert bool(regressions([found], gate)) is fails


def test_a_drop_of_exactly_the_gate_passes() -> None:
    found = compare(circular_run([True] * 10), circular_run([False] + [True] * 9))
    assert regressions([found], 10.0) == ()
    assert regressions([found], 9.99) == (found,)


def refused(first: FinishedRun, second: FinishedRun, **options: Any) -> str:
    with pytest.raises(RunFolderError) as error:
        compare(first, second, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"dataset": {"md5": "d2", "with pictures": "d2"}}, "the datasets differ"),
        ({"dataset": {"md5": "d1", "with pictures": "d2"}}, "the datasets differ"),
        ({"prompts": "p2"}, "the prompts differ: style llava (p1) and llava (p2)"),
    ],
)
def test_other_questions_are_refused_with_what_differs(facts: dict[str, Any], reason: str) -> None:
    assert reason in refused(circular_run(HALF), circular_run(HALF, **facts))


def test_datasets_that_differ_are_named_by_file_and_digest() -> None:
    dataset = {"file": "odd.tsv", "md5": "0123456789abcdef" * 2, "with pictures": "fedcba98" * 4}
    said = refused(circular_run(HALF), circular_run(HALF, dataset=dataset))
    other = "odd.tsv (MD5 0123456789ab…, with its pictures fedcba98fedc…)"
    assert f"the datasets differ: a file (MD5 d1) and {other}." in said


def test_a_run_that_does_not_say_what_was_asked_is_refused() -> None:
    one, two = circular_run(HALF, dataset=None), circular_run(HALF, dataset=None)
    assert "does not name its dataset" in refused(one, two)


def with_results(run: FinishedRun, **changes: Any) -> FinishedRun:
    return replace(run, results={**run.results, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"benchmark": "CCBench"}, "the benchmarks differ"),
        ({"rules": "xtuner"}, "the rule sets differ: strict and xtuner; name one with --rules"),
        ({"blind": True}, "one run is blind"),
        ({"withheld": True}, "answers are withheld"),
        ({"needs_judge": True}, "needs a judge"),
        ({"judged": {"count": 3, "model": "openai:x"}}, "the judges differ: none and openai:x"),
        ({"complete": False}, "is incomplete"),
    ],
)
def test_other_conditions_are_refused_with_what_differs(changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(circular_run(HALF), with_results(circular_run(HALF), **changes))


def test_a_named_rule_set_settles_which_is_meant() -> None:
    other = with_results(circular_run(HALF), rules="xtuner")
    assert compare(circular_run(HALF), other, rules="xtuner").rules == "xtuner"


def test_other_decoding_is_told_and_not_refused() -> None:
    greedy, short = ([{"max_new_tokens": n, "do_sample": False}] for n in (512, 10))
    found = compare(circular_run(HALF, decoding=greedy), circular_run(HALF, decoding=short))
    assert "the decoding differs: max_new_tokens 512 and 10" in found.notes


def test_runs_of_different_size_need_common() -> None:
    small = circular_run(HALF[:20])
    said = refused(circular_run(HALF), small)
    assert "not asked the same rows (120 rows and 40 rows; 40 in both)" in said
    found = compare(circular_run(HALF), small, common=True)
    assert (found.difference.n, found.left_out) == (20, 80)
    assert "80 rows are left out: only rows with a score in both runs are compared" in found.notes


def test_a_question_with_an_error_is_left_out_whole() -> None:
    samples = rotated(4, answer="A")
    texts: dict[str, str | None] = {s.id: "A" for s in samples} | {"1000002": None}
    broken = finished(made_run(samples, [metric("circular accuracy", 0.75, n=4)], texts))
    assert "7 of 8 rows answered, 1 errors" in refused(circular_run([True] * 4), broken)
    found = compare(circular_run([True] * 4), broken, common=True)
    assert (found.difference.n, found.left_out) == (3, 2)


def test_nothing_in_common_is_refused() -> None:
    one, two = row_run([1.0], [0]), row_run([1.0], [0])
    other = tuple(replace(s, id="z") for s in two.scores["strict"])
    moved = replace(two, read_scores=lambda: dict.fromkeys(two.scores, other))
    assert "no question has a score in both" in refused(one, moved, common=True)


def test_scores_that_do_not_give_the_headline_are_refused() -> None:
    forged = circular_run(HALF)
    forged = with_results(
        forged, by_rules={r: {"headline": {**forged.results["headline"], "value": 0.9}} for r in ("strict",)}
    )
    assert "scores.jsonl and results.json disagree" in refused(circular_run(HALF), forged)


def test_without_the_questions_the_score_is_compared_and_the_rest_is_said_to_be_missing() -> None:
    def absent() -> Questions:
        raise RunFolderError("the questions are not at hand.")

    bare = [replace(circular_run(right), read_questions=absent) for right in (HALF, WORSE)]
    found = compare(*bare)
    assert found.difference == compare(circular_run(HALF), circular_run(WORSE)).difference
    assert found.categories == ()
    assert any("without categories and questions" in note for note in found.notes)


def test_a_run_against_itself_is_alike() -> None:
    run = circular_run(HALF)
    found = compare(run, replace(run, folder=Path("runs/b")))
    assert (found.difference.value, found.difference.p, found.better, found.worse) == (0.0, 1.0, (), ())
