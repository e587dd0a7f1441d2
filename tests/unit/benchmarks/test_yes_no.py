"""POPE, MME and HallusionBench: their figures, and rows that are not what they should be."""

from __future__ import annotations

import math
import random

import pytest
from open_rows import figures, only_sample, row

from vlmbench.domain import Response, Row
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark


class TestPope:
    ROWS = (
        row(1, "a", answer="Yes", category="adversarial,popular,random"),
        row(2, "a", answer="No", category="adversarial"),
        row(3, "b", answer="No", category="popular"),
        row(4, "b", answer="Yes", category="random"),
    )

    def test_strict_counts_a_question_once_over_all(self) -> None:
        said = ["Yes", "Yes", "No", "No"]
        assert figures("POPE", list(self.ROWS), said)["accuracy"].value == 2 / 4
        assert figures("POPE", list(self.ROWS), said, "vlmevalkit")["accuracy"].value == 4 / 6

    def test_llavas_figure_is_the_mean_of_the_three_splits(self) -> None:
        found = figures("POPE", list(self.ROWS), ["Yes", "Yes", "No", "No"])
        each = [found[f"{split} F1"].value for split in ("adversarial", "popular", "random")]
        assert each == pytest.approx([2 / 3, 1, 2 / 3])
        assert found["mean F1 of the splits"].value == pytest.approx(7 / 9)

    def test_undecided_counts_as_not_yes(self) -> None:
        found = figures("POPE", list(self.ROWS), ["Yes", "hmm", "No", "hmm"])
        assert (found["precision"].value, found["recall"].value) == (1, 0.5)
        assert found["accuracy"].value == 0.5

    def test_a_split_of_another_name_is_shown_and_nothing_is_lost(self) -> None:
        rows = [*self.ROWS, row(5, "c", answer="No", category="weird"), row(6, "c", answer="No")]
        found = figures("POPE", rows, ["Yes", "No", "No", "Yes", "No", "No"], "vlmevalkit")
        assert found["weird accuracy"].value == 1
        assert found["F1"].rows == 8

    def test_without_all_three_splits_there_is_no_mean_of_them(self) -> None:
        assert figures("POPE", [self.ROWS[1]], ["No"])["mean F1 of the splits"].value is None

    def test_an_answer_that_is_neither_is_a_problem(self) -> None:
        assert only_sample("POPE", answer="maybe").problem == "the answer `maybe` is neither Yes nor No"

    def test_errors_by_picture_are_those_of_a_bootstrap_over_pictures(self) -> None:
        chance = random.Random(5)
        pictures = [[(chance.random() < 0.5, chance.random() < 0.8) for _ in range(6)] for _ in range(200)]
        rows, said = [], []
        for p, questions in enumerate(pictures):
            for q, (yes, right) in enumerate(questions):
                rows.append(row(p * 6 + q, f"p{p}", answer="Yes" if yes else "No", category="random"))
                said.append("Yes" if yes == right else "No")

        def f1(drawn: list[list[tuple[bool, bool]]]) -> float:
            flat = [q for questions in drawn for q in questions]
            true = sum(yes and right for yes, right in flat)
            return 2 * true / (sum(yes == right for yes, right in flat) + sum(yes for yes, _ in flat))

        draws = [f1(chance.choices(pictures, k=200)) for _ in range(400)]
        mean = sum(draws) / 400
        spread = math.sqrt(sum((d - mean) ** 2 for d in draws) / 399)
        found = figures("POPE", rows, said)["F1"]
        assert found.value == pytest.approx(f1(pictures))
        assert found.stderr == pytest.approx(spread, rel=0.15)


class TestMme:
    def rows(self, *questions: tuple[str, str]) -> list[Row]:
        return [
            row(i, path, answer="Yes", category=category, image_path=path)
            for i, (category, path) in enumerate(questions)
        ]

    def test_a_category_is_worth_accuracy_and_accuracy_plus(self) -> None:
        rows = self.rows(("OCR", "a"), ("OCR", "a"), ("OCR", "b"), ("OCR", "b"))
        assert figures("MME", rows, ["Yes", "Yes", "Yes", "No"])["OCR"].value == 75 + 50

    def test_only_the_first_two_questions_count_under_the_compatible_rules(self) -> None:
        rows = self.rows(("OCR", "a"), ("OCR", "a"), ("OCR", "a"), ("OCR", "a"))
        said = ["Yes", "Yes", "No", "Yes"]
        assert figures("MME", rows, said, "vlmevalkit")["OCR"].value == 75 + 100
        assert figures("MME", rows, said)["OCR"].value == 75 + 0

    def test_a_picture_with_one_question_voids_its_category_or_is_reported(self) -> None:
        rows = self.rows(("OCR", "a"), ("OCR", "a"), ("OCR", "b"), ("scene", "c"), ("scene", "c"))
        theirs = figures("MME", rows, ["Yes"] * 5, "vlmevalkit")
        assert (theirs["OCR"].value, theirs["scene"].value) == (None, 200)
        ours = figures("MME", rows, ["Yes"] * 5)
        assert (ours["OCR"].value, ours["accuracy"].value) == (200, 1)
        assert (ours["pictures with one question"].value, ours["pictures with one question"].n) == (1, 3)

    def test_a_missing_category_leaves_the_sum_empty(self) -> None:
        found = figures("MME", self.rows(("OCR", "a"), ("OCR", "a")), ["Yes", "Yes"])
        assert (found["perception"].value, found["total"].value, found["OCR"].value) == (None, None, 200)

    def test_a_row_without_a_category_is_a_problem(self) -> None:
        assert only_sample("MME", answer="Yes").problem == "no category"

    def test_the_questions_of_a_picture_are_one_group(self) -> None:
        samples = load_benchmark("MME").samples(self.rows(("OCR", "a"), ("OCR", "a"), ("scene", "a")))
        assert len({s.group for s in samples}) == 2

    def test_sums_over_all_fourteen_categories(self) -> None:
        from vlmbench.benchmarks.mme import COGNITION, PERCEPTION

        rows = self.rows(*((c, f"{c} {i // 2}") for c in PERCEPTION + COGNITION for i in range(4)))
        found = figures("MME", rows, ["Yes"] * len(rows))
        assert [found[name].value for name in ("perception", "cognition", "total")] == [2000, 800, 2800]

    def test_a_failed_question_is_no_lone_question(self) -> None:
        benchmark = load_benchmark("MME")
        samples = tuple(benchmark.samples(self.rows(("OCR", "a"), ("OCR", "a"), ("OCR", "b"), ("OCR", "b"))))
        said = {s.id: Response(id=s.id, text="Yes", finish="stop") for s in samples[:3]}
        said[samples[3].id] = Response(id=samples[3].id, text="", finish="error", error="the server is down")
        _, metrics = score_under_all(benchmark, samples, said)
        assert [m.value for m in metrics["vlmevalkit"] if m.name == "OCR"] == [200]


class TestHallusionBench:
    def rows(self, *indexes: str) -> list[Row]:
        return [
            row(i, i, answer="Yes", category=i[:2], l2__category="_".join(i.split("_")[:2])) for i in indexes
        ]

    def test_figures_and_questions_count_when_all_their_answers_are_right(self) -> None:
        rows = self.rows("VD_map_1_0_1_0", "VD_map_1_0_1_1", "VD_map_1_0_2_0", "VD_map_1_0_2_1")
        found = figures("HallusionBench", rows, ["Yes", "No", "Yes", "Yes"])
        assert [found[n].value for n in ("aAcc", "fAcc", "qAcc")] == [0.75, 0.5, 0.5]
        assert found["mean of aAcc, fAcc, qAcc"].value == pytest.approx(1.75 / 3)
        assert found["VD_map fAcc"].value == 0.5

    @pytest.mark.parametrize("index", ["7", "VD_illusion_1_0_0", ""])
    def test_an_index_of_another_shape_is_a_problem_of_its_row(self, index: str) -> None:
        problem = only_sample("HallusionBench", index=index, answer="Yes").problem
        assert problem is not None
        assert "is not six parts joined by `_`" in problem

    def test_such_a_row_is_not_scored(self) -> None:
        found = figures("HallusionBench", self.rows("VD_map_1_0_1_0", "odd"), ["Yes", "No"])
        assert [found[n].value for n in ("aAcc", "fAcc", "qAcc")] == [1, 1, 1]

    def test_strict_reads_the_last_parts_of_a_longer_index(self) -> None:
        rows = self.rows("VD_film_strip_1_0_1_0", "VD_film_strip_1_0_2_0")
        assert figures("HallusionBench", rows, ["Yes", "No"])["fAcc"].value == 0.5
        # Counted from the front both rows are figure 0 of set 1.
        assert figures("HallusionBench", rows, ["Yes", "No"], "vlmevalkit")["fAcc"].value == 0

    def test_rows_without_a_picture_are_left_out(self) -> None:
        rows = [row("VS_map_0_0_0_0", None, answer="Yes"), row("VS_map_1_0_1_0", answer="Yes")]
        assert [s.id for s in load_benchmark("HallusionBench").samples(rows)] == ["VS_map_1_0_1_0"]

    def test_without_categories_the_index_tells_them_apart(self) -> None:
        rows = [row(i, i, answer="Yes") for i in ("VD_map_1_0_1_0", "VS_map_1_0_1_0")]
        assert figures("HallusionBench", rows, ["Yes", "No"])["fAcc"].value == 0.5
