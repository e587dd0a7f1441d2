"""A circular question counts only if every rotation is right; the rule sets differ on missing rows."""

from __future__ import annotations

import pytest

from vlmbench.answers.choice import score_choice
from vlmbench.answers.circular import GroupScore, group_key, is_base, score_groups, unscored_groups
from vlmbench.answers.toolkits import vlmevalkit_records
from vlmbench.domain import RULE_SETS, Response, RuleSet, Sample, Score

COMPATIBLE = RULE_SETS[2:]
KITS = RULE_SETS[2:5]


def row(index: str, options: str = "ABC", group: str | None = None, **parts: object) -> Sample:
    choices = {letter: f"text {letter}" for letter in options}
    key = group if group is not None else group_key(index)
    return Sample(id=index, question="Which?", group=key, choices=choices, references=("A",), **parts)  # type: ignore[arg-type]


def scored(
    sample: Sample, value: float | None, letter: str | None = "A", reason: str = "letter alone"
) -> Score:
    return Score(
        id=sample.id, group=sample.group, rules="strict", extracted=letter, value=value, reason=reason
    )


def groups(values: dict[str, float | None], rules: RuleSet) -> list[GroupScore]:
    """Score rows of three-option questions, index to value; 0 stands for an unparsed row."""
    samples = [row(index) for index in values]
    scores = [
        scored(
            s,
            values[s.id],
            None if values[s.id] == 0 else "A",
            "timed out" if values[s.id] is None else "empty",
        )
        for s in samples
    ]
    return score_groups(samples, scores, rules)


def outcome(values: dict[str, float | None], rules: RuleSet) -> list[tuple[str, float | None]]:
    return [(g.group, g.value) for g in groups(values, rules)]


@pytest.mark.parametrize("rules", RULE_SETS)
def test_all_rotations_right(rules: RuleSet) -> None:
    (group,) = groups({"7": 1, "1000007": 1, "2000007": 1}, rules)
    assert (group.value, group.base.id, group.rows) == (1.0, "7", ("7", "1000007", "2000007"))
    assert group.reason == "all 3 rows right"


@pytest.mark.parametrize("rules", RULE_SETS)
def test_one_rotation_wrong(rules: RuleSet) -> None:
    assert outcome({"7": 1, "1000007": 0, "2000007": 1}, rules) == [("7", 0.0)]


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_compatible_rules_forgive_a_missing_rotation(rules: RuleSet) -> None:
    assert outcome({"7": 1, "1000007": 1}, rules) == [("7", 1.0)]


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_compatible_rules_drop_a_group_without_its_base_row(rules: RuleSet) -> None:
    assert outcome({"1000007": 1, "2000007": 0, "8": 1}, rules) == [("8", 1.0)]


@pytest.mark.parametrize("rules", RULE_SETS)
def test_a_question_has_the_rotations_that_its_file_holds(rules: RuleSet) -> None:
    assert outcome({"7": 1, "1000007": 1}, rules) == [("7", 1.0)]  # of three options, one stays in its place


@pytest.mark.parametrize("rules", ["strict", "original"])
def test_a_group_whose_file_lacks_the_base_row_goes_by_its_first(rules: RuleSet) -> None:
    (group,) = groups({"1000007": 1, "2000007": 1}, rules)
    assert (group.value, group.base.id) == (1.0, "1000007")


def test_questions_without_a_value_are_named_with_the_reason() -> None:
    samples = [row("7"), row("1000007"), row("8"), row("9")]
    scores = [scored(samples[1], 1), scored(samples[2], None, None, "timed out"), scored(samples[3], 1)]
    failed = "row 8 not scored: timed out"
    assert unscored_groups(samples, scores, "strict") == {"7": "row 7 is missing", "8": failed}
    assert unscored_groups(samples, scores, "vlmevalkit") == {"7": "base row 7 is missing", "8": failed}


def test_strict_does_not_score_a_group_with_an_unanswered_row() -> None:
    samples = [row("7"), row("1000007"), row("2000007")]
    (group,) = score_groups(samples, [scored(samples[0], 1), scored(samples[2], 1)], "strict")
    assert (group.value, group.reason, group.rows) == (None, "row 1000007 is missing", ("7", "2000007"))


def test_strict_does_not_score_a_group_with_a_failed_row_even_if_another_is_wrong() -> None:
    (group,) = groups({"7": 0, "1000007": None, "2000007": 1}, "strict")
    assert (group.value, group.reason) == (None, "row 1000007 not scored: timed out")


@pytest.mark.parametrize("rules", COMPATIBLE)
def test_a_failed_row_is_not_right_under_any_rules(rules: RuleSet) -> None:
    assert outcome({"7": 1, "1000007": None, "2000007": 1}, rules) == [("7", None)]
    assert outcome({"7": 0, "1000007": None, "2000007": 1}, rules) == [("7", 0.0)]


def test_an_unparsed_row_is_wrong_and_says_so() -> None:
    (group,) = groups({"7": 1, "1000007": 0, "2000007": 1}, "strict")
    assert group.reason == "row 1000007 unparsed: empty"


def test_groups_come_in_order_of_index_whatever_the_file_order() -> None:
    values: dict[str, float | None] = {
        "2000010": 1,
        "10": 1,
        "9": 1,
        "1000009": 1,
        "2000009": 1,
        "1000010": 1,
    }
    assert [g.rows for g in groups(values, "strict")] == [
        ("9", "1000009", "2000009"),
        ("10", "1000010", "2000010"),
    ]


def test_an_explicit_group_is_kept_except_by_xtuner() -> None:
    samples = [row("5", "AB", group="5"), row("6", "AB", group="5")]
    scores = [scored(s, 1) for s in samples]
    for rules in ("strict", *KITS):
        assert [(g.group, g.rows) for g in score_groups(samples, scores, rules)] == [("5", ("5", "6"))]
    assert [g.group for g in score_groups(samples, scores, "xtuner")] == ["5", "6"]


def test_the_key_of_a_group() -> None:
    assert [group_key(i) for i in ("7", "3000007", "007", "VD_1", "")] == ["7", "7", "7", "VD_1", ""]
    assert [is_base(row(i)) for i in ("7", "1000007", "007", "VD_1")] == [True, False, True, True]


def test_errors_and_withheld_answers_are_not_scored() -> None:
    sample = row("7")
    failed = score_choice(sample, Response(id="7", text="", finish="error", error="out of memory"), "strict")
    assert (failed.value, failed.extracted, failed.reason) == (None, None, "out of memory")
    withheld = Sample(id="7", question="Which?", group="7", choices=sample.choices)
    score = score_choice(withheld, Response(id="7", text="B", finish="stop"), "strict")
    assert (score.value, score.extracted) == (None, "B")


def test_an_answer_without_an_option_is_wrong_and_flagged() -> None:
    score = score_choice(row("7"), Response(id="7", text="A or B", finish="stop"), "strict")
    assert (score.value, score.extracted, score.reason) == (0.0, None, "two letters named")


def test_the_table_has_a_line_a_split_and_blanks() -> None:
    units = [
        (row("1", split="dev", categories={"category": "x", "l2-category": "logic_reasoning"}), 1.0),
        (row("2", split="test", categories={"category": "y"}), 0.0),
        (row("3"), 1.0),
    ]
    assert vlmevalkit_records(units) == [
        {"split": "dev", "Overall": 1.0, "LR": 1.0, "x": 1.0, "y": None},
        {"split": "test", "Overall": 0.0, "LR": None, "x": None, "y": 0.0},
        {"split": None, "Overall": None, "LR": None, "x": None, "y": None},
    ]


def test_a_name_in_both_levels_is_overwritten_by_the_second() -> None:
    units = [
        (row("1", categories={"category": "x", "l2-category": "y"}), 1.0),
        (row("2", categories={"category": "y", "l2-category": "y"}), 0.0),
    ]
    assert vlmevalkit_records(units) == [{"split": "none", "Overall": 0.5, "y": 0.0, "x": 1.0}]
