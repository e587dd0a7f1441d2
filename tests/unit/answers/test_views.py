"""What the original toolkits would have read from the same files."""

from __future__ import annotations

import csv
import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.answers.mmmu import as_choice_question
from vlmbench.answers.toolkits import MISSING, answers_as_read, column_as_read, samples_as_read
from vlmbench.domain import RULE_SETS, RuleSet, Sample

COMPATIBLE = RULE_SETS[2:]


def question(number: int, **parts: Any) -> Sample:
    return Sample(**{"id": str(number), "question": "Which?", "group": str(number)} | parts)


def test_strict_reads_the_file_as_it_is() -> None:
    samples = [question(0, choices={"A": "None", "B": "007"}, references=("A",))]
    assert samples_as_read(samples, "strict")[0] is samples[0]
    assert answers_as_read([None, "None", "007"], "strict") == ["", "None", "007"]


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_missing_words_vanish_from_options_and_hints(rules: RuleSet) -> None:
    sample = question(0, choices={"A": "None", "B": "gas", "C": "n/a"}, hint="null", references=("A",))
    (seen,) = samples_as_read([sample], rules)
    assert (seen.choices, seen.hint, seen.references) == ({"B": "gas"}, None, ("A",))
    assert seen.cells is sample.cells


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_samples_that_do_not_change_are_passed_on(rules: RuleSet) -> None:
    samples = [question(0, choices={"A": "NA", "B": "gas"}), question(1, choices={"A": "oak", "B": "none"})]
    seen = samples_as_read(samples, rules)
    assert seen[0] is not samples[0]
    assert seen[1] is samples[1]


def test_a_numeric_option_column_prints_as_numbers_do() -> None:
    whole = [question(0, choices={"A": "007"}), question(1, choices={"A": "12"})]
    assert [s.choices["A"] for s in samples_as_read(whole, "vlmevalkit")] == ["7", "12"]
    gap = [question(0, choices={"A": "1", "B": "x"}), question(1, choices={"B": "y"})]
    assert [dict(s.choices) for s in samples_as_read(gap, "xtuner")] == [{"A": "1.0", "B": "x"}, {"B": "y"}]
    mixed = [question(0, choices={"A": "007"}), question(1, choices={"A": "twelve"})]
    assert samples_as_read(mixed, "vlmevalkit") == mixed


def test_integers_beyond_64_bits_stay_as_written() -> None:
    assert column_as_read(["9" * 50, "007"]) == ["9" * 50, "007"]
    assert column_as_read([str(2**64 - 1), "007"]) == [str(2**64 - 1), "7"]


def test_a_question_or_open_answer_that_is_a_missing_word_prints_as_nan() -> None:
    samples = [question(0, question="None", references=("None",)), question(1, references=("cat",))]
    assert samples_as_read(samples, "vlmevalkit")[0] == question(0, question="nan", references=("nan",))


def test_categories_and_splits_may_vanish() -> None:
    sample = question(0, split="NA", categories={"category": "null", "l2-category": "x"})
    (seen,) = samples_as_read([sample], "vlmevalkit")
    assert (seen.split, seen.categories) == (None, {"l2-category": "x"})


def test_lists_of_answers_are_left_alone() -> None:
    samples = [question(0, references=("8", "eight")), question(1, references=("NA",))]
    assert samples_as_read(samples, "vlmevalkit") == samples


@pytest.mark.parametrize("rules", ["vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024"])
def test_predictions_pass_through_a_workbook(rules: RuleSet) -> None:
    assert answers_as_read(["A", None, "", "None", "NULL", " "], rules) == [
        "A",
        "nan",
        "nan",
        "nan",
        "nan",
        " ",
    ]
    assert answers_as_read(["007", "5"], rules) == ["7", "5"]
    assert answers_as_read(["5", None], rules) == ["5.0", "nan"]


def test_xtuner_scores_what_the_model_said() -> None:
    assert answers_as_read(["None", None, "007"], "xtuner") == ["None", "", "007"]


CELLS = st.one_of(
    st.sampled_from(
        ["1", "007", "-3", "+5", " 8", "2.5", "5.", ".5", "1e5", "1E-7", "inf", "-Infinity", "1e400"]
    ),
    st.sampled_from(["True", "false", "TRUE", "cat", "1,000", "1_000", "0x1F", "１", "--1", "e5"]),
    st.sampled_from(sorted(MISSING)),
    st.integers(-(2**63), 2**63 - 1).map(str),
)


@settings(max_examples=300)
@given(st.lists(CELLS, min_size=1, max_size=4))
def test_a_column_reads_as_pandas_reads_it(cells: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter="\t").writerows([("n", "column"), *enumerate(cells)])
    read = pd.read_csv(io.StringIO(file.getvalue()), sep="\t")["column"]
    expected = [None if pd.isna(cell) else str(cell) for cell in read]
    assert [None if cell == "" else cell for cell in column_as_read(cells)] == expected


def test_open_questions_become_questions_with_two_options() -> None:
    open_question = question(0, references=("24.3",), cells={"answer": "24.3"})
    seen = as_choice_question(open_question)
    assert (dict(seen.choices), seen.references) == ({"A": "24.3", "B": "Other Answers"}, ("A",))
    letter = as_choice_question(question(0, references=("B",), cells={"answer": "B"}))
    assert (dict(letter.choices), letter.references) == ({"A": "B", "B": "Other Answers"}, ("B",))
    several = as_choice_question(question(0, references=("8", "eight"), cells={"answer": "['8', 'eight']"}))
    assert several.choices["A"] == "['8', 'eight']"


def test_questions_with_options_or_without_an_answer_stay_as_they_are() -> None:
    closed = question(0, choices={"A": "oak", "B": "elm"}, references=("B",), cells={"answer": "B"})
    withheld = question(1)
    assert as_choice_question(closed) is closed
    assert as_choice_question(withheld) is withheld
