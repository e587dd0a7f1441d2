"""Benchmarks of yes/no and short answers: what they have in common, and short answers' figures."""

from __future__ import annotations

import pytest
from open_rows import figures, only_sample, row

from vlmbench.domain import RULE_SETS, ImageRef, Row
from vlmbench.engine.scoring import score_under_all
from vlmbench.errors import DataError
from vlmbench.evaluation import read_samples
from vlmbench.registry import load_benchmark

OPEN = (
    "POPE", "MME", "HallusionBench", "GQA_TestDev_Balanced", "TextVQA_VAL", "ChartQA_TEST", "DocVQA_VAL",
    "InfoVQA_VAL", "OCRBench",
)  # fmt: skip


class TestEveryOpenBenchmark:
    @pytest.mark.parametrize("name", OPEN)
    def test_a_row_without_an_answer_is_a_problem_of_that_row(self, name: str) -> None:
        index = "VD_illusion_1_0_0_0" if name == "HallusionBench" else "0"
        category = "OCR" if name == "MME" else "Doc-oriented VQA"
        sample = only_sample(name, index=index, category=category)
        assert sample.problem == "no answer to compare with: `answer` is empty"

    def test_a_file_without_the_answer_column_is_a_clear_error(self) -> None:
        class Table:
            path = "GQA.tsv"

            def rows(self, to_ask: bool) -> list[Row]:
                return [row(1), row(2)]

        with pytest.raises(
            DataError, match=r"no row can be asked; the reason here: no answer .* `answer` is empty"
        ):
            read_samples(load_benchmark("GQA_TestDev_Balanced"), Table())  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", OPEN)
    def test_a_row_without_a_question_is_a_problem(self, name: str) -> None:
        sample = only_sample(
            name, index="VD_illusion_1_0_0_0", question="", answer="Yes", category="Doc-oriented VQA"
        )
        assert sample.problem == "the question is empty"

    @pytest.mark.parametrize("name", OPEN)
    def test_with_nothing_scored_the_headline_is_empty(self, name: str) -> None:
        benchmark = load_benchmark(name)
        sample = only_sample(name, index="VD_illusion_1_0_0_0", answer="Yes", category="OCR")
        _, metrics = score_under_all(benchmark, (sample,), {})
        assert [m.value for rules in RULE_SETS for m in metrics[rules]] == [None] * len(RULE_SETS)

    @pytest.mark.parametrize("name", ["POPE", "TextVQA_VAL"])
    def test_xtuner_has_no_rule_and_so_no_figure(self, name: str) -> None:
        found = figures(name, [row(answer="Yes")], ["Yes"], "xtuner")
        assert [m.value for m in found.values()] == [None]

    @pytest.mark.parametrize("name", OPEN)
    def test_headline_says_what_the_card_quotes(self, name: str) -> None:
        benchmark = load_benchmark(name)
        assert benchmark.headline.split(" ")[0] in benchmark.card.quoted  # type: ignore[attr-defined]


class TestPrompts:
    def parts(self, name: str, style: str, **cells: str) -> tuple[object, ...]:
        benchmark = load_benchmark(name)
        return benchmark.request(next(iter(benchmark.samples([row(answer="Yes", **cells)]))), style).parts

    @pytest.mark.parametrize("style", ["vlmevalkit", "llava", "llava-xtuner", "xtuner"])
    def test_yes_no_is_the_bare_question_in_every_style(self, style: str) -> None:
        assert self.parts("POPE", style) == (ImageRef("p"), "Is it?")

    def test_short_answers_ask_for_a_word(self) -> None:
        text = "Is it?\nAnswer the question using a single word or phrase."
        assert self.parts("GQA_TestDev_Balanced", "llava") == (ImageRef("p"), text)

    def test_ocrbench_asks_the_bare_question(self) -> None:
        assert self.parts("OCRBench", "vlmevalkit", category="Doc-oriented VQA")[1] == "Is it?"

    def test_llava_xtuner_answers_yes_no_in_five_tokens(self) -> None:
        asked = [
            load_benchmark(name).request(only_sample(name, answer="Yes"), "llava-xtuner")
            for name in ("POPE", "ChartQA_TEST")
        ]
        assert [request.decoding.max_new_tokens for request in asked] == [5, 512]

    @pytest.mark.parametrize("tokens", ["['DAKOTA', 'DIGITAL']", "DAKOTA, DIGITAL"])
    def test_ocr_tokens_are_shown_as_llava_shows_them(self, tokens: str) -> None:
        text = (
            "Is it?\nReference OCR token: DAKOTA, DIGITAL\nAnswer the question using a single word or phrase."
        )
        assert self.parts("TextVQA_VAL_OCR", "llava", ocr_tokens=tokens)[1] == text
        assert "OCR" not in str(self.parts("TextVQA_VAL", "llava", ocr_tokens=tokens)[1])

    def test_without_any_tokens_the_other_benchmark_is_named(self) -> None:
        with pytest.raises(DataError, match="TextVQA_VAL, which asks without"):
            list(load_benchmark("TextVQA_VAL_OCR").samples([row(answer="x")]))


class TestShortAnswers:
    def test_references_that_are_no_list_are_one_reference(self) -> None:
        assert figures("TextVQA_VAL", [row(answer="nokia")], ["nokia"])["accuracy"].value == 1
        assert only_sample("OCRBench", answer="[broken", category="Doc-oriented VQA").references == (
            "[broken",
        )

    def test_a_list_of_numbers_is_not_read_as_pandas_reads_numbers(self) -> None:
        found = figures("DocVQA_VAL", [row(answer="['007']")], ["007 x"], "vlmevalkit")
        assert found["ANLS"].value == pytest.approx(1 - 2 / 5)

    def test_every_split_has_a_figure_known_or_not(self) -> None:
        rows = [
            row(i, f"p{i}", answer="5", split=s)
            for i, s in enumerate(("test_human", "test_augmented", "weird"))
        ]
        found = figures("ChartQA_TEST", rows, ["5", "9", "5"])
        assert {n: m.value for n, m in found.items()} == {
            "relaxed accuracy": 2 / 3, "test_human": 1, "test_augmented": 0, "weird": 1,
        }  # fmt: skip

    def test_rows_of_one_picture_are_one_draw(self) -> None:
        apart = figures(
            "GQA_TestDev_Balanced", [row(i, f"p{i}", answer="x") for i in range(8)], list("xxxxyyyy")
        )
        shared = figures(
            "GQA_TestDev_Balanced", [row(i, f"p{i // 4}", answer="x") for i in range(8)], list("xxxxyyyy")
        )
        assert (apart["accuracy"].n, shared["accuracy"].n) == (8, 2)
        assert (shared["accuracy"].stderr or 0) > 2 * (apart["accuracy"].stderr or 0)

    def test_ocrbench_counts(self) -> None:
        rows = [
            row(1, "a", answer="['x']", category="Handwriting Recognition"),
            row(2, "b", answer="['x']", category="Regular Text Recognition"),
            row(3, "c", answer="['x ^ 2']", category="Handwritten Mathematical Expression Recognition"),
        ]
        found = figures("OCRBench", rows, ["x", "y", "x^2"])
        assert (found["Final Score"].value, found["Final Score Norm"].value) == (2, 0.2)
        assert found["Text Recognition"].value == 1

    @pytest.mark.parametrize("category", ["", "Poetry"])
    def test_a_category_that_ocrbench_does_not_have_is_a_problem(self, category: str) -> None:
        assert "category" in (only_sample("OCRBench", answer="['x']", category=category).problem or "")
