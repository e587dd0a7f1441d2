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
TWINS = {"A": "dog", "B": "dog", "C": "cat"}
ALL = [ANIMALS, CHINESE, SWAPPED, LABELS, YES_NO, REDS, NUMBERS, MISSING, CATS, SMALL, NINE, SIDES, TWINS]


def check(choices: dict[str, str], letter: str | None, answers: str) -> None:
    """Every line is an answer that must be read as `letter`; `⏎` stands for a line break."""
    for line in filter(None, map(str.strip, answers.splitlines())):
        found = find_choice("strict", line.replace("⏎", "\n"), choices)
        assert found.letter == letter, f"{line!r}: {found}"


def test_a_letter_in_any_dress() -> None:
    dresses = (
        "B b (B) (b) B. b. B) [B] {B} <B> 'B' `B` $B$ #B =B **B** __B__ B: B! B? Ｂ （B） 【B】 B。 B， Ⓑ"
    )
    check(ANIMALS, "B", dresses.replace(" ", "\n"))
    check(
        ANIMALS,
        "B",
        """
        "B"
        \\text{B}
        B 🐱
        B B
        Option B
        option b
        Option: B
        Option (B)
        Answer B
        answer: b
        选B
        选 B
        选项B
        答案B
        B选项
        B</s>
        B<|im_end|>
        """,
    )


def test_letter_and_text() -> None:
    check(
        ANIMALS,
        "B",
        """
        B. cat
        B: cat
        B) cat
        (B) cat
        (b) The cat.
        b. cat
        B - cat
        B, cat
        B.cat
        B (cat)
        B cat
        B. a CAT.
        **B**: cat.
        Among the options, B. cat fits.
        """,
    )
    check(CHINESE, "B", "B、猫\n（B）猫。\nB.猫")


def test_a_letter_with_the_text_of_another_option_is_a_contradiction() -> None:
    check(
        ANIMALS,
        None,
        """
        A. cat
        B. dog
        B dog
        (C) cat
        The answer is A. cat
        The animal is a horse, which is option B.
        The picture shows a cat (A).
        """,
    )


def test_an_explanation_may_mention_other_options() -> None:
    check(ANIMALS, "A", "A⏎Explanation: because of cat\ndog⏎⏎The image shows a dog next to a cat.")
    check(
        ANIMALS,
        "B",
        """
        B⏎⏎Option A is wrong because it is too small.
        B. Option A is wrong because it is too small.
        The answer is B because it meows, not A
        The answer is B. The image shows whiskers, ruling out A, C, and D.
        B. cat⏎⏎Option A (dog) is incorrect because it is small, option C (horse) is too.
        答案是B。解析：A错误，C错误。
        """,
    )


def test_option_text_in_any_case_width_and_with_an_article() -> None:
    check(ANIMALS, "B", 'CAT\ncat.\n"cat"\nＣＡＴ\na cat\nA cat\nthe Cat')
    check(SMALL, "C", "the sea\nsea\nThe answer is the sea")
    check(SMALL, "A", "a\nA\nthe answer is a")
    check(SMALL, "D", "n")
    check(SMALL, None, "nan")


def test_an_article_is_not_option_a() -> None:
    check(
        ANIMALS, None, "A bird\na bird\nA man is walking.\nThe answer is an animal\nA dog is next to a cat."
    )
    check(ANIMALS, "A", "A dog\na dog\nThe answer is a dog\nA dog is shown.")
    check(ANIMALS, "B", "The answer is A cat\nThere is A cat sitting on the big sofa")
    check(NINE, "E", "I think it is a yew")
    check(NINE, None, "I think so\nAs an AI language model")


def test_option_text_in_a_sentence() -> None:
    check(ANIMALS, "A", "In the picture we can see dog\nI think a dog\nThe dog, I think")
    check(SIDES, "A", "I think it is left.\nIt is on the left side.")
    check(SIDES, None, "left-hand")
    check(NUMBERS, "B", "2.5 is what it shows\nIt is 2.5")
    check(NUMBERS, None, "3.5\nIt is 13.\nIt is 2.51")
    check(CHINESE, "C", "图中是红苹果\n红苹果 is what it shows")
    check(CHINESE, None, "图中是一只猫")


def test_the_longest_option_text_counts() -> None:
    check(REDS, "B", "The car is dark red.\ndark red")
    check(REDS, "A", "The car is red.")
    check(REDS, None, "it is red or dark red")
    check(CATS, "B", "a black cat\nI see a black cat")
    check(CATS, "C", "I see cats")


def test_words_that_occur_in_any_sentence_count_only_alone() -> None:
    check(YES_NO, "B", "No\nno.\nI think it is No.\nNo, there is no dog")
    check(YES_NO, "A", "Yes, there is no dog")
    check(YES_NO, "B", 'No. The sign says "Yes".')
    check(YES_NO, "A", 'Yes, the label reads "no salt" on it.\nYes, there are no cars.')
    check(YES_NO, None, 'There is a sign, "no smoking".\nNo. Yes.\nNo, yes it is')
    check(YES_NO, None, "There is no dog.\nI don't think Yes")


def test_options_that_look_like_empty_cells() -> None:
    check(MISSING, "A", "None\nnone")
    check(MISSING, "C", "NA")
    check(MISSING, None, "None of the above")
    check(ANIMALS, None, "None\nNone of the above")


def test_option_texts_that_are_letters() -> None:
    check(SWAPPED, "B", "B\nB.\n[B]\nB. A\nB B\nThe answer is B\nThe answer is **B**. Here is why")
    check(SWAPPED, None, "b\nA. A\nB is what the picture shows\nI think it is B.")
    check(LABELS, "A", "G\nThe answer is G")
    check(LABELS, "C", "D\nC. D")


def test_two_options_with_the_same_text() -> None:
    check(TWINS, None, "dog\nThe answer is dog\nC. dog")
    check(TWINS, "A", "A. dog\nThe answer is A. dog")


def test_marks_that_carry_meaning_are_not_dropped() -> None:
    grades = {"A": "A+", "B": "A-", "C": "B"}
    check(grades, "A", "A+")
    check(grades, "B", "A-")
    check(grades, None, "B+")
    check({"A": "5", "B": "-5"}, "B", "-5\nIt is -5.")
    check({"A": ".", "B": "?", "C": "!"}, "B", "?")
    check({"A": "metal", "B": "liquid"}, None, "non-metal\nIt is a non-metal.")


def test_statements() -> None:
    check(
        ANIMALS,
        "B",
        """
        The answer is B
        The answer is⏎B
        The answer is "B".
        The answer is (B) cat.
        The answer is cat
        The answer is cat because the dog is missing
        The answer is B, not A
        The answer's B
        B is the correct answer here
        B is correct
        The correct option is (B).
        correct answer is: B
        The best answer is B: cat.
        **Answer:** B
        **Answer**: B
        ## Answer⏎B
        Correct Answer - B
        {"answer": "B"}
        I'd pick B.
        It is B, not A
        My final answer is B.
        \\boxed{B}
        $\\boxed{\\text{B}}$
        \\boxed{cat}
        <answer>B</answer>
        <answer> B. cat </answer>
        答案是B
        答案：B
        答案是 B 。
        正确答案是（B）
        答案应为B
        【答案】B【解析】图中有猫
        故选：B
        本题选B。
        B是正确的
        """,
    )
    check(CHINESE, "B", "答案是猫\n我选择猫\n不是A，是B")


def test_statements_that_name_no_option() -> None:
    check(
        ANIMALS,
        None,
        """
        the answer is clearly visible
        I believe the answer is different
        the answer is beautiful
        The answer is not A
        The answer can't be B
        I don't think the answer is B
        I'm not so sure the answer is B
        The answer is A or B
        答案是A还是B
        The answer is neither A nor B.
        Answer: (A) dog (B) cat (C) horse
        The answer is E
        The answer is C major
        \\boxed{A, B}
        Is the answer A? Maybe.
        """,
    )


def test_a_conclusion_wins_over_earlier_mentions() -> None:
    check(ANIMALS, "A", "A. no B. no C. no D. no, so A")
    check(
        ANIMALS,
        "B",
        """
        The answer is A? Wait. So the answer is B.
        The answer would be A if it barked, but it meows so the answer is B
        A. dog⏎B. cat⏎C. horse⏎D. red apple⏎Answer: B
        not sure, but the answer is B
        图中的动物是猫，所以答案是B。
        Let's analyze:⏎⏎A. dog - There is no dog.⏎B. cat - There is one.⏎⏎Therefore, the answer is B. cat.
        """,
    )


def test_statements_must_agree() -> None:
    check(
        ANIMALS,
        None,
        """
        My answer is A. The correct answer is C.
        A is correct and B is correct
        The answer is A. Wait, actually it's B.
        A⏎Wait, I made a mistake. It should be B.
        """,
    )


def test_two_options_are_never_chosen_between() -> None:
    check(ANIMALS, None, "A or B\nA and C\nA,D\nC/A\nA B C D\nA, B, C and D\nBoth A and B\nA、C\nA和C\nAB")
    check(
        ANIMALS,
        None,
        """
        not A but B
        A is not correct; B is.
        B was my first thought, but A fits better
        B. Maybe A.
        A. dog⏎B. cat⏎C. horse⏎D. red apple
        dog⏎cat
        red apple or dog
        The cat (B) is next to the dog (A).
        """,
    )


def test_one_option_named_in_passing() -> None:
    check(
        ANIMALS,
        "B",
        """
        Option B is the one that best matches
        I think it's B.
        It's (B).
        The picture shows a cat (B).
        Let's see.⏎The animal meows.⏎⏎B
        B because it meows
        B) The cat is sitting
        b) the cat is sitting
        B The image shows a cat
        """,
    )


def test_a_capital_in_running_text_is_no_answer() -> None:
    check(
        ANIMALS,
        None,
        """
        Plan B is to go
        The sign reads "B".
        Vitamin B is best known for it.
        Block A is right of the table.
        B x y z
        A x y z
        B12
        B.C. 500
        It is B.C. 500
        """,
    )
    check(NINE, "A", "e.g. an oak")


def test_what_is_negated_or_asked_is_no_answer() -> None:
    check(
        ANIMALS,
        None,
        """
        not a cat
        It is not a cat.
        The image does not show a dog.
        Option A is wrong
        A. Dog - incorrect. The picture shows a horse.
        选项B错误
        B is not the answer
        Neither A nor B
        Is it a dog?
        B? No.
        """,
    )
    check(CHINESE, None, "不是红苹果")
    check({"A": "visible", "B": "not visible"}, "B", "It is not visible.")


def test_refusals() -> None:
    check(
        ANIMALS,
        None,
        """
        I'm sorry, but without the image provided I cannot answer. A
        Cannot determine the answer
        Failed to obtain answer via API. A
        I don't know
        无法确定
        As an AI model, I cannot see images.
        """,
    )
    check({"A": "dog", "B": "cannot be determined"}, "B", "It cannot be determined.")


def test_reasoning_in_front_is_not_the_answer() -> None:
    check(ANIMALS, "C", "<think>Maybe A. No, B.</think>C\n<think>⏎the answer is A⏎</think>⏎The answer is C")
    check(ANIMALS, None, "<think>Maybe A\n<think>B</think>")


def test_nothing_to_read() -> None:
    for answer in ("", "  \n", "\x00", "🐱", "E", "Z", "***", "\u200b"):
        assert find_choice("strict", answer, ANIMALS).letter is None
    assert find_choice("strict", "\x00B", ANIMALS).letter == "B"
    assert find_choice("strict", "B", {}).letter is None


def test_a_mention_does_not_decide_a_long_answer_but_a_claim_does() -> None:
    check(ANIMALS, None, "A dog barks. " + "The weather is fine. " * 30)
    check(ANIMALS, "A", "It is a dog. " + "The weather is fine. " * 30)
    check(ANIMALS, "B", "Dogs bark. " + "The weather is fine. " * 30 + "Therefore, I see a cat.")


FRAMES = {"A": "round frame", "B": "No. 7 frame", "C": "frame of J. Doe"}
LETTERS = dict(zip("ABCD", "ABCD", strict=True))
SMALL_LETTERS = {"A": "a", "B": "b", "C": "c"}
POINTS = {"A": "Point A", "B": "Point B", "C": "Point C"}
LENGTHS = {"A": "$2 \\mathrm{~cm}$", "B": "$3.5 \\mathrm{~cm}$", "C": "$12 \\mathrm{~cm}$"}
FRACTIONS = {"A": "$\\frac{1}{4}$", "B": "$\\frac{1}{2}$", "C": "$2-\\sqrt{2}$", "D": "$60^{\\circ}$"}
SPEEDS = {"A": "v=12m/s", "B": "v=15m/s", "C": "v=18m/s"}
PAINTERS = {"A": "Berthe Morisot 1872", "B": "Gwen John 1907", "C": "Hilma af Klint 1915"}


def test_what_is_only_compared_or_contrasted_is_not_said() -> None:
    check(
        ANIMALS,
        "C",
        "horse rather than cat\nIt is a horse, not a cat\nThe image shows a horse and not a dog.",
    )
    check(YES_NO, "A", "Yes rather than No")
    check(ANIMALS, "B", "The animal without a saddle is a cat.\nThe one that is unlike a dog is a cat.")
    check(ANIMALS, None, "It is unlike a cat.\nIt is a house without a cat.\nif it is a cat")


def test_a_condition_in_front_takes_nothing_back() -> None:
    check(ANIMALS, "B", "If you look at the ears, it must be a cat.\nIf it meows, the animal is a cat.")
    check(ANIMALS, "B", "It is most likely a cat if the ears are pointed.")


def test_a_letter_in_brackets_after_is_is_pointed_at() -> None:
    check(
        ANIMALS,
        "B",
        """
        The animal in the picture is (B) cat.
        The animal in the picture is (B).⏎Dogs (A) and horses (C) are larger.
        The animal is **(B)**. Option (A) shows something else and so does option (C).
        The one that is not wild is (B) cat. It does not bark.
        The best match is:⏎(B) cat⏎It is small.
        I would choose:⏎⏎(B) cat⏎⏎It meows.
        """,
    )
    check(SMALL_LETTERS, "A", "The loudest tone is (A) a.\nThe loudest tone is (A).")
    check({"A": "a,b", "B": "a,c"}, "A", "The flat lines are (A) a, b.\na, b")
    check(ANIMALS, None, "The animals are (A) dog and (B) cat.\nThe animal is not (B).\nIs it (B)?")


def test_a_condition_does_not_take_back_what_is_pointed_at() -> None:
    check(ANIMALS, "B", "If it meows and if it is small one calls it (B) cat. If it barks, it is large.")


def test_what_something_is_compared_to_is_not_said() -> None:
    check(ANIMALS, "C", "The horse is largest, as it weighs 500 kg compared to 5 kg for a cat.")


def test_letters_that_are_options_texts() -> None:
    check({"A": "a", "B": "b", "C": "c"}, "B", 'The largest angle is the one labeled "b."')
    check(LETTERS, "B", "The valve is labelled B.\nThe valve is indicated by B\nThe correct view is (B) B.")
    check(LETTERS, "B", "Valves A and C are closed. So the flow is largest in pipe B.")
    check(POINTS, "B", 'The corner lies at Point B.\nThe corner corresponds to point "B" below.')
    check(POINTS, None, "The corner lies between Point A and Point B.")


def test_the_last_conclusion_decides() -> None:
    check(
        ANIMALS,
        "B",
        """
        Option A looks small. So, option B is the one that meows.
        Therefore, option A barks. But it has whiskers. So, option B is what is shown.
        AB = 3 and BC = 4. The angle at C is right. This leads to option (B).
        """,
    )
    check(ANIMALS, None, "Therefore, option B is not what is shown.\nSo it is option A or option B.")


def test_option_texts_that_hold_marks_and_names() -> None:
    check(FRAMES, "B", 'The painting hangs in the "No. 7 frame".\nIt is the No. 7 frame. Look at its corner.')
    check(FRAMES, "C", "The best answer is (C) frame of J. Doe. The frame was made by J. Doe.")
    check({"A": "Gallé", "B": "Tiffany"}, "A", "The vase is typical of Gallé's style.")
    check({"A": "1910's", "B": "1940's"}, "B", "It was built in the 1940s.")
    check({"A": "pot bound", "B": "well watered"}, "A", "The plant is pot-bound.")
    check(PAINTERS, "B", "The portrait was painted by Gwen John, in 1907.")


def test_values_in_any_unit_and_writing() -> None:
    check(
        LENGTHS, "B", "3.5\n3.5 cm\n\\boxed{3.5}\nThe side is 3.5 cm long, so x = 3.5 cm.\n3.50 \\text{ cm}"
    )
    check(LENGTHS, None, "3.5 m\n35\nThe side is 12 cm, so the other is 4 cm.\nAs a = 2 cm, b = 5 cm.")
    check(FRACTIONS, "B", "1/2\n$1/2$\n\\boxed{\\frac12}\n\\dfrac{1}{2}")
    check(FRACTIONS, "C", "\\boxed{2-\\sqrt{2}}\n2 - sqrt(2)")
    check(FRACTIONS, "D", "60°\n60 degrees")
    check(SPEEDS, "B", "15 m/s\nThe speed is v = 15 m/s.\nFirst v=3. Therefore, the speed is 15m/s.")
    check(FRACTIONS, None, "\\boxed{\\frac{3}{4}} since 1 - 1/4 is that\nThe answer is 3/4, not 1/2")


def test_a_claim_decides_where_others_are_mentioned() -> None:
    check(ANIMALS, "B", "The animal is most likely a cat. Dogs such as this one and a horse do not meow.")
    check(ANIMALS, "B", "Next to the dog, what is shown is a cat, which is small.")
    check(ANIMALS, None, "A dog is next to a cat.\nThe cat chases a dog.")


def test_answers_that_fit_no_option() -> None:
    check(LENGTHS, None, "It is 2 cm times 4. However, this option is not available in the choices.")
    check(ANIMALS, None, "None of the options match a cat.\nThe correct answer is not listed, so no cat.")


def test_what_is_called_likely_after_a_refusal() -> None:
    check(ANIMALS, "B", "I cannot determine it with certainty, but it is likely a cat.")
    check(ANIMALS, None, "I cannot determine it, but it is likely a cat or a dog.\nI cannot tell. A cat?")


def test_the_models_own_next_question_is_not_the_answer() -> None:
    check(ANIMALS, "B", "It meows. The answer is B.⏎⏎Question: How many legs?⏎The answer is C.")
    check(ANIMALS, None, "I see nothing.⏎Question: What is it?⏎Answer: C")
    check(ANIMALS, "C", "The question is:⏎Question: What is it?⏎Answer: C")


def test_the_answer_announced_in_the_last_line_wins() -> None:
    check(ANIMALS, "C", "The answer is A.⏎On second thoughts it neighs.⏎Answer: C")
    check(ANIMALS, "C", "所以∠A=30°⏎⏎回答:C")


def test_a_letter_that_is_no_option_with_the_text_of_one() -> None:
    check({"A": "oak", "B": "elm"}, None, "C. elm\n(D) elm\nThe tree is the elm (C).")


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


MARKS = [*"ABCDEabI*_`,.:()[]{}$?!-+'\"\n \x00\u200b，。（）Ａ\u2028\u3000\ufeff\x1c\x85", "🐱", "**", "__"]
WORDS = """dog cat red apple 狗 红苹果 Answer: 答案是 选 not or and so Therefore is it correct because No Yes
None 1 2.5 I think option \\boxed{ \\text{ <think> </think> <answer> </answer> </s>"""
PIECES = [*MARKS, *WORDS.split(), "dark red", "the answer is"]
pieces = st.lists(st.sampled_from(PIECES), max_size=12)
texts = st.one_of(st.text(max_size=40), pieces.map("".join), pieces.map(" ".join))
WRAPS = ["**{}**", "*{}*", "__{}__", "`{}`", "  {}\n\t", "\u3000{}\ufeff", "***{}***"]


@settings(max_examples=400)
@given(texts, st.sampled_from(ALL), st.sampled_from(WRAPS))
def test_any_text_is_read_the_same_whatever_stands_around_it(
    text: str, choices: dict[str, str], wrap: str
) -> None:
    found = find_choice("strict", text, choices)
    assert found == find_choice("strict", wrap.replace("{}", text), choices)
    assert found.reason


@settings(max_examples=400)
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
    "a",
    "is (B) ",
    "cat (B) ",
    "is a cat, ",
    "So, option B. ",
    "\\frac{1}{",
    "= 5 cm, ",
    "选% ",
]


@pytest.mark.parametrize("piece", LOOPS)
def test_a_megabyte_is_read_in_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    find_choice("strict", text, {**ANIMALS, "E": "a" * 300})
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "answer",
    ["I would exclude (B).", "So, option B is the one I would rule out.", "It is unlikely to be a cat."],
)
def test_an_option_that_is_ruled_out_is_not_the_answer(answer: str) -> None:
    assert find_choice("strict", answer, {"A": "dog", "B": "cat", "C": "horse"}).letter is None


def test_options_that_are_ruled_out_leave_the_conclusion_alone() -> None:
    choices = {"A": "dog", "B": "cat", "C": "horse"}
    assert find_choice("strict", "After eliminating A and B, the answer is C.", choices).letter == "C"
    assert find_choice("strict", "We can rule out A and B, so (C).", choices).letter == "C"
