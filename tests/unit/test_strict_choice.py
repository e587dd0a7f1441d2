"""How `strict` reads answers: examples by behaviour, then what holds for every text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.answers.choice import find_choice

ANIMALS = {"A": "dog", "B": "cat", "C": "horse", "D": "red apple"}
CHINESE = {"A": "狗", "B": "猫", "C": "红苹果", "D": "绿色的叶子"}
SWAPPED = {"A": "B", "B": "A", "C": "D", "D": "C"}
LABELS = {"A": "G", "B": "A", "C": "D"}
YES_NO = {"A": "Yes", "B": "No"}
REDS = {"A": "red", "B": "dark red", "C": "blue"}
NUMBERS = {"A": "1", "B": "2.5", "C": "3"}
MISSING = {"A": "None", "B": "liquid", "C": "NA", "D": "plasma"}
CATS = {"A": "cat", "B": "black cat", "C": "cats", "D": "concatenate"}
SMALL = {"A": "a", "B": "an old man", "C": "the sea", "D": "n"}
NINE = dict(zip("ABCDEFGHI", ["oak", "elm", "ash", "fir", "yew", "bay", "fig", "ivy", "box"], strict=True))
SIDES = {"A": "left", "B": "right"}
ALL = [ANIMALS, CHINESE, SWAPPED, LABELS, YES_NO, REDS, NUMBERS, MISSING, CATS, SMALL, NINE, SIDES]


def check(choices: dict[str, str], expected: dict[str, str | None]) -> None:
    found = {answer: find_choice("strict", answer, choices).letter for answer in expected}
    assert found == expected


def test_a_letter_in_any_dress() -> None:
    dresses = [
        "B",
        "b",
        "(B)",
        "(b)",
        "B.",
        "b.",
        "B)",
        "[B]",
        "{B}",
        "<B>",
        '"B"',
        "'B'",
        "`B`",
        "$B$",
        "#B",
        "=B",
    ]
    dresses += [
        "**B**",
        "__B__",
        "B:",
        "B!",
        "B?",
        "Ｂ",
        "（B）",
        "【B】",
        "B。",
        "B，",
        "Ⓑ",
        "\\text{B}",
        "B 🐱",
        "B B",
    ]
    dresses += [
        "Option B",
        "option b",
        "Option (B)",
        "Answer B",
        "answer: b",
        "选B",
        "选 B",
        "选项B",
        "答案B",
        "B选项",
    ]
    check(ANIMALS, dict.fromkeys(dresses, "B"))


def test_letter_and_text() -> None:
    same = [
        "B. cat",
        "B: cat",
        "B) cat",
        "(B) cat",
        "(b) cat",
        "b. cat",
        "B - cat",
        "B, cat",
        "B.cat",
        "B、cat",
    ]
    check(ANIMALS, dict.fromkeys([*same, "B cat", "B. a cat.", "B. CAT"], "B"))
    check(CHINESE, {"B、猫": "B", "（B）猫。": "B", "B.猫": "B"})


def test_a_letter_with_the_text_of_another_option_is_a_contradiction() -> None:
    check(ANIMALS, dict.fromkeys(["A. cat", "B. dog", "B dog", "The answer is A. cat", "(C) cat"], None))
    check(ANIMALS, {"The animal is a horse, which is option B.": None, "The picture shows a cat (A).": None})


def test_an_explanation_may_mention_other_options() -> None:
    check(
        ANIMALS,
        {"A\nExplanation: because of cat": "A", "B\n\nOption A is wrong because it is too small.": "B"},
    )
    check(
        ANIMALS,
        {"dog\n\nThe image shows a dog next to a cat.": "A", "The answer is B because it meows, not A": "B"},
    )
    check(ANIMALS, {"B. Option A is wrong because it is too small.": "B", "B. Maybe A.": None})


def test_option_text_in_any_case_width_and_with_an_article() -> None:
    check(
        ANIMALS,
        {
            "CAT": "B",
            "cat.": "B",
            '"cat"': "B",
            "ＣＡＴ": "B",
            "a cat": "B",
            "A cat": "B",
            "The red apple": "D",
        },
    )
    check(
        SMALL,
        {
            "the sea": "C",
            "sea": "C",
            "An old man": "B",
            "n": "D",
            "nan": None,
            "a": "A",
            "the answer is a": "A",
        },
    )


def test_an_article_is_not_option_a() -> None:
    check(
        ANIMALS, {"A bird": None, "a bird": None, "A man is walking.": None, "The answer is an animal": None}
    )
    check(ANIMALS, {"A dog": "A", "The answer is A cat": "B", "There is A cat sitting on the big sofa": "B"})
    check(NINE, {"I think it is a yew": "E", "I think so": None})


def test_option_text_in_a_sentence() -> None:
    check(ANIMALS, {"In the picture we can see dog": "A", "I think a dog": "A", "Maybe a horse": "C"})
    check(SIDES, {"I think it is left.": "A", "It is on the left side.": "A", "left-hand": None})
    check(
        NUMBERS,
        {"2.5 is what it shows": "B", "It is 3.": "C", "3.5": None, "It is 13.": None, "It is 2.5": "B"},
    )
    check(CHINESE, {"图中是红苹果": "C", "图中是一只猫": None})


def test_the_longest_option_text_counts() -> None:
    check(REDS, {"The car is dark red.": "B", "The car is red.": "A", "it is red or dark red": None})
    check(CATS, {"I see a cat": "A", "a black cat": "B", "I see cats": "C", "concatenate": "D"})


def test_words_that_occur_in_any_sentence_count_only_alone() -> None:
    check(YES_NO, {"No": "B", "no.": "B", "I think it is No.": "B", "No, there is no dog": "B"})
    check(YES_NO, {"Yes, there is no dog": "A", "There is no dog.": None, "Yes rather than No": None})


def test_options_that_look_like_empty_cells() -> None:
    check(MISSING, {"None": "A", "none": "A", "NA": "C", "None of the above": None})
    check(ANIMALS, {"None": None, "None of the above": None})


def test_option_texts_that_are_letters() -> None:
    check(
        SWAPPED,
        {"A": "A", "B.": "B", "[B]": "B", "B. A": "B", "The answer is A": "A", "b": None, "A. A": None},
    )
    check(SWAPPED, {"B is what the picture shows": None, "The correct answer is **A**. Here's why": "A"})
    check(LABELS, {"G": "A", "D": "C", "A": "A", "The answer is G": "A"})


def test_marks_that_carry_meaning_are_not_dropped() -> None:
    check({"A": "A+", "B": "A-", "C": "B"}, {"A+": "A", "A-": "B", "B+": None, "B": "B"})
    check({"A": "5", "B": "-5"}, {"-5": "B", "It is -5.": "B", "It is 5.": "A"})
    check({"A": ".", "B": "?", "C": "!"}, {"?": "B", "!": "C"})
    check({"A": "metal", "B": "liquid"}, {"non-metal": None, "It is a non-metal.": None})


def test_statements() -> None:
    said = [
        "The answer is B",
        "The answer is\nB",
        "The answer is B.",
        'The answer is "B".',
        "The answer is (B) cat.",
    ]
    said += [
        "B is the correct answer here",
        "B is correct",
        "The correct option is (B).",
        "correct answer is: B",
    ]
    said += [
        "The answer is cat",
        "The best answer is B: cat.",
        "**Answer:** B",
        "**Answer**: B",
        "## Answer\nB",
    ]
    said += [
        "Correct Answer - B",
        "The answer's B",
        "I'd pick B.",
        "My final answer is B.",
        "The answer is B, not A",
    ]
    said += [
        "\\boxed{B}",
        "$\\boxed{\\text{B}}$",
        "\\boxed{cat}",
        "<answer>B</answer>",
        "<answer> B. cat </answer>",
    ]
    said += [
        "答案是B",
        "答案：B",
        "答案是 B 。",
        "正确答案是（B）",
        "答案应为B",
        "故选：B",
        "本题选B。",
        "B是正确的",
        "答案是cat",
    ]
    check(ANIMALS, dict.fromkeys(said, "B"))
    check(CHINESE, {"答案是猫": "B", "我选择猫": "B", "最终答案是 D": "D"})
    check(ANIMALS, {"the answer is a dog": "A", "The answer is dog because the cat is missing": "A"})


def test_statements_that_name_no_option() -> None:
    open_ended = [
        "the answer is clearly visible",
        "I believe the answer is different",
        "the answer is beautiful",
    ]
    open_ended += [
        "The answer is not A",
        "I don't think the answer is B",
        "The answer is A or B",
        "答案是A还是B",
    ]
    open_ended += [
        "The answer is neither A nor B.",
        "The answer is E",
        "\\boxed{A, B}",
        "Is the answer A? Maybe.",
    ]
    check(ANIMALS, dict.fromkeys(open_ended, None))


def test_a_conclusion_wins_over_earlier_mentions() -> None:
    check(ANIMALS, {"It could be A or B, A looks small. So the answer is C.": "C", "所以选D": "D"})
    check(ANIMALS, {"The answer is A? Wait. So the answer is B.": "B", "A. no B. no C. no D. no, so A": "A"})
    check(
        ANIMALS,
        {"A. dog\nB. cat\nC. horse\nD. red apple\nAnswer: B": "B", "not sure, but the answer is B": "B"},
    )


def test_statements_must_agree() -> None:
    check(ANIMALS, {"My answer is A. The correct answer is C.": None, "A is correct and B is correct": None})


def test_two_letters_are_never_chosen_between() -> None:
    two = [
        "A or B",
        "A and C",
        "A,D",
        "C/A",
        "B or A",
        "A B C D",
        "A, B, C and D",
        "Both A and B",
        "A、C",
        "A和C",
        "AB",
    ]
    two += [
        "not A but B",
        "It is B, not A",
        "A is not correct; B is.",
        "A. dog\nB. cat\nC. horse\nD. red apple",
    ]
    check(ANIMALS, dict.fromkeys([*two, "dog\ncat", "red apple or dog", "horse rather than cat"], None))


def test_one_option_named_in_passing() -> None:
    check(ANIMALS, {"Option A is the one that best matches": "A", "I think it's B.": "B", "It's (C).": "C"})
    check(ANIMALS, {"The picture shows a cat (B).": "B", "Let's see.\nThe animal meows.\n\nB": "B"})
    check(ANIMALS, {"B because it meows": "B", "B) cat because it meows": "B", "B The cat sits": "B"})


def test_a_capital_in_running_text_is_no_answer() -> None:
    check(
        ANIMALS,
        dict.fromkeys(["Plan B is to go", 'The sign reads "B".', "B x y z", "A x y z", "B.C. 500"], None),
    )
    check(NINE, {"e.g. an oak": "A", "As an AI language model": None})


def test_what_is_negated_or_asked_is_no_answer() -> None:
    taken_back = [
        "not a cat",
        "It is not a cat.",
        "The image does not show a dog.",
        "Option A is wrong",
        "选项B错误",
    ]
    taken_back += [
        "B is not the answer",
        "Neither A nor B",
        "Is it a dog?",
        "The image shows a cat, not a dog.",
    ]
    check(ANIMALS, dict.fromkeys(taken_back, None))
    check({"A": "visible", "B": "not visible"}, {"It is not visible.": "B", "It is visible": "A"})
    check(CHINESE, {"不是红苹果": None})


def test_refusals() -> None:
    refusals = ["I'm sorry, but without the image provided I cannot answer. A", "Cannot determine the answer"]
    refusals += [
        "Failed to obtain answer via API. A",
        "I don't know",
        "无法确定",
        "As an AI model, I cannot see images.",
    ]
    check(ANIMALS, dict.fromkeys(refusals, None))
    check({"A": "dog", "B": "cannot be determined"}, {"It cannot be determined.": "B"})


def test_reasoning_in_front_is_not_the_answer() -> None:
    check(ANIMALS, {"<think>Maybe A. No, B.</think>C": "C", "<think>Maybe A": None, "<think>B</think>": None})


def test_nothing_to_read() -> None:
    check(
        ANIMALS,
        {"": None, "  \n": None, "\x00": None, "🐱": None, "E": None, "Z": None, "***": None, "\x00B": "B"},
    )


def test_a_text_alone_does_not_decide_a_long_answer() -> None:
    check(ANIMALS, {"It is a dog. " + "The weather is fine. " * 30: None})


def test_reasons_are_said() -> None:
    reasons = {
        "B": "letter alone",
        "cat": "text of option B",
        "A or B": "two letters named",
        "": "empty",
        "E": "letter E is not an option",
        "I cannot answer": "refusal",
        "A. cat": "letter A with the text of option B",
    }
    assert {answer: find_choice("strict", answer, ANIMALS).reason for answer in reasons} == reasons


PIECES = [
    *"ABCDEabI",
    *"*_`,.:()[]{}$?!-+'\"\n \x00\u200b，。（）Ａ\u2028\u3000\ufeff\x1c\x85",
    "🐱",
    "**",
    "__",
]
PIECES += [
    "dog",
    "cat",
    "dark red",
    "red",
    "狗",
    "红苹果",
    "the answer is",
    "Answer:",
    "答案是",
    "选",
    "not",
    "or",
    "and",
]
PIECES += [
    " so ",
    "Therefore",
    "\\boxed{",
    "\\text{",
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "is",
    "correct",
]
PIECES += ["because", "No", "Yes", "None", "1", "2.5", "I think", "it is", "option"]
pieces = st.lists(st.sampled_from(PIECES), max_size=12)
texts = st.one_of(st.text(max_size=40), pieces.map("".join), pieces.map(" ".join))
WRAPS = ["**{}**", "*{}*", "__{}__", "`{}`", "  {}\n\t", "\u3000{}\ufeff", "***{}***"]


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from(ALL), st.sampled_from(WRAPS))
def test_any_text_is_read_the_same_whatever_stands_around_it(
    text: str, choices: dict[str, str], wrap: str
) -> None:
    found = find_choice("strict", text, choices)
    assert found == find_choice("strict", wrap.replace("{}", text), choices)
    assert found.reason


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from(ALL))
def test_what_is_found_is_an_option_and_finds_itself(text: str, choices: dict[str, str]) -> None:
    letter = find_choice("strict", text, choices).letter
    assert letter is None or find_choice("strict", letter, choices).letter == letter in choices


LOOPS = [
    "A ",
    "\n",
    "answer is ",
    "选",
    "选A",
    "B\n",
    "The answer is A. ",
    "\\boxed{A}",
    "(A) ",
    "*",
    "\u0301",
    ". ",
]


@pytest.mark.parametrize("piece", LOOPS)
def test_a_megabyte_is_read_in_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.perf_counter()
    find_choice("strict", text, {**ANIMALS, "E": "a" * 300})
    assert time.perf_counter() - start < 2  # a second, with room for a busy machine
