"""Answers find their rows: exactly one each, or a paragraph that says what was found and what to type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmbench.domain import Card, DataFile, Sample
from vlmbench.errors import PredictionsError
from vlmbench.predictions import Predictions, match
from vlmbench.predictions.nouns import Answers, StoredAnswer
from vlmbench.predictions.ways import ways

WORD = "\nAnswer the question using a single word or phrase."


def card(name: str = "Mine", rows: int | None = None) -> Card:
    return Card(
        name=name, measures="", family="multiple-choice", file=DataFile(name=f"{name}.tsv"), rows=rows
    )


def sample(
    index: object, question: str = "", choices: str = "", split: str | None = None, **cells: str
) -> Sample:
    letters = dict(zip("ABCD", choices.split(), strict=False))
    return Sample(
        id=str(index), question=question, group=str(index), choices=letters, split=split, cells=cells
    )


def answer(text: str | None = "A", /, **known: Any) -> StoredAnswer:
    own = {"question", "options", "picture", "category", "shows_picture"}
    ids = {name: str(value) for name, value in known.items() if name not in own}
    return StoredAnswer(text=text, row=1, ids=ids, **{name: known[name] for name in own & set(known)})


def matched(
    answers: Sequence[StoredAnswer],
    samples: Sequence[Sample],
    *,
    allow_missing: bool = False,
    name: str = "Mine",
    others: Sequence[Card] = (),
) -> Predictions:
    read = Answers(path=Path("p.jsonl"), format="table (jsonl)", used="`prediction`", answers=tuple(answers))
    return match(read, samples, card(name), lambda: others, allow_missing=allow_missing)


def refusal(answers: Sequence[StoredAnswer], samples: Sequence[Sample], **more: Any) -> str:
    with pytest.raises(PredictionsError) as caught:
        matched(answers, samples, **more)
    message = str(caught.value)
    assert message.startswith("p.jsonl: ")
    assert "\n" not in message
    return message


def by_index(*indexes: object) -> list[StoredAnswer]:
    return [answer(index=i) for i in indexes]


def rows(*indexes: object) -> list[Sample]:
    return [sample(i) for i in indexes]


def test_an_index_is_taken_first_and_a_null_is_an_empty_answer() -> None:
    found = matched([answer("B", index=2), answer(None, index=1)], rows(1, 2))
    assert (dict(found.texts), found.by, found.rows, found.notes) == ({"2": "B", "1": ""}, "index", 2, ())


def test_missing_predictions_are_counted_and_named() -> None:
    message = refusal(by_index(1, 2, 3), rows(1, 2, 3, 4, 5))
    assert "2 questions have no prediction, of 5: 4, 5." in message
    assert "Nothing was scored." in message
    assert "--allow-missing" in message


def test_missing_predictions_may_be_allowed_and_are_said() -> None:
    found = matched(by_index(1, 2, 3), rows(1, 2, 3, 4), allow_missing=True)
    assert set(found.texts) == {"1", "2", "3"}
    assert len(found.samples) == 4
    assert found.notes == ("no answer to 1 of 4 questions",)


def test_a_split_without_any_answer_was_not_asked_and_that_is_said() -> None:
    both = [sample(1, split="dev"), sample(2, split="validation"), sample(3, split="validation")]
    found = matched(by_index(2, 3), both)
    assert [s.id for s in found.samples] == ["2", "3"]
    assert found.notes == ("no answer to the split `dev`, whose 1 question is left out",)
    assert "1 question has no prediction" in refusal(by_index(1, 2), both)


def test_missing_rows_of_one_category_are_told_by_its_name() -> None:
    samples = [sample(i, category="count" if i < 3 else "color") for i in range(6)]
    assert "They are all of color." in refusal(by_index(0, 1, 2), samples)


def test_unknown_predictions_are_counted_and_named() -> None:
    message = refusal(by_index(*range(10)), rows(0, 1, 2, 3, 4))
    assert "5 indexes are not in the benchmark, of 10: 5, 6, 7, 8, 9." in message
    assert "Mine has 5 questions, such as 0, 1, 2." in message


def test_answers_without_ids_are_named_by_their_rows() -> None:
    samples = [sample(1, "Is it red?"), sample(2, "Is it blue?")]
    message = refusal([answer(question="Is it a cat?"), answer(question="Is it a dog?")], samples)
    assert "2 questions are not in the benchmark, of 2: row 1, row 1." in message


def test_repeated_predictions_are_refused_even_if_they_agree() -> None:
    assert "1 index has more than one prediction: 1." in refusal(by_index(1, 1, 2), rows(1, 2))


def test_a_result_file_with_base_rows_only_is_recognised() -> None:
    samples = rows(1, 2, 3, 1000001, 1000002, 2000002)
    assert "base rows only" in refusal(by_index(1, 2, 3), samples)


def test_ids_that_look_like_anothers_name_it() -> None:
    message = refusal([answer(id="validation_Art_3")], rows(1, 2))
    assert "MMMU's validation questions" in message
    assert "--bench MMMU_DEV_VAL" in message
    assert "MM-Vet v2" in refusal([answer(id="v2_3")], rows(1, 2), name="MMVet")
    assert "--bench MME" in refusal([answer(question_id="OCR/0001.jpg")], rows(1, 2))


def test_as_many_rows_as_another_benchmark_has_name_it() -> None:
    others = [card("Other", rows=60), card("Third", rows=70)]
    message = refusal(by_index(*range(100, 160)), rows(1, 2), others=others)
    assert "60 is as many as Other asks. Nothing was scored. Type `--bench Other`" in message


def test_the_rows_of_llava_s_mmbench_file_are_known() -> None:
    message = refusal(by_index(*range(4377)), rows(*range(4329)), name="MMBench_DEV_EN")
    assert "--data mmbench_dev_20230712.tsv" in message


def test_a_file_of_another_benchmark_is_recognised() -> None:
    assert "another benchmark" in refusal(by_index(1, 2), rows("a", "b"))


def test_ids_may_stand_in_a_column() -> None:
    samples = [sample(7, pid="1"), sample(8, pid="2")]
    found = matched([answer("x", pid=1), answer("y", pid=2)], samples)
    assert (dict(found.texts), found.by) == ({"7": "x", "8": "y"}, "column `pid`")


def test_a_column_that_names_rows_twice_tells_nothing() -> None:
    assert "not in the benchmark" in refusal([answer(pid=1)], [sample(7, pid="1"), sample(8, pid="1")])


def test_answers_to_other_questions_under_the_same_ids_are_another_version() -> None:
    samples = [sample(i, f"What is picture {i} about?") for i in range(10)]
    answers = [answer(index=i, question=f"Who painted number {i}?") for i in range(10)]
    message = refusal(answers, samples)
    assert "10 of 10 belong to other questions" in message
    assert "“Who painted number 0?” in the file and “What is picture 0 about?” here" in message
    assert "another version" in message


def test_the_same_options_in_another_order_are_another_version() -> None:
    samples = [sample(i, "Which?", "cat dog") for i in range(4)]
    answers = [answer(index=i, question="Which?", options={"A": "dog", "B": "cat"}) for i in range(4)]
    assert "“A. dog B. cat” in the file and “A. cat B. dog” here" in refusal(answers, samples)


def test_a_number_that_a_spreadsheet_wrote_otherwise_is_the_same_option() -> None:
    samples = [sample(i, "How many?", "5 0.10 +") for i in range(4)]
    options = {"A": "5.0", "B": "0.1", "C": "-", "D": "more"}
    assert matched([answer(index=i, options=options) for i in range(4)], samples).notes == ()
    options["A"] = "50"
    assert "another version" in refusal([answer(index=i, options=options) for i in range(4)], samples)


def test_a_word_here_and_there_may_differ_and_is_said() -> None:
    samples = [sample(i, f"What is picture {i} about?") for i in range(30)]
    answers = [answer(index=i, question=f"<image>\nWhat is picture {i} ABOUT ?") for i in range(29)]
    answers.append(answer(index=29, question="What's the 29th about?"))
    assert matched(answers, samples).notes == ("1 question is worded differently in the benchmark's file",)


def test_ids_with_other_questions_give_way_to_the_picture() -> None:
    """LLaVA numbers POPE from 1; so does many a file whose rows come in another order."""
    samples = [
        sample(i, f"Is there a {thing}?", image_path=f"{i}.jpg") for i, thing in enumerate(["cat", "dog"])
    ]
    answers = [
        answer("no", question_id=0, question=f"Is there a dog?{WORD}", picture="a/1.png"),
        answer("yes", question_id=1, question="Is there a cat?", picture="0.jpg"),
    ]
    found = matched(answers, samples)
    assert (dict(found.texts), found.by) == ({"1": "no", "0": "yes"}, "picture and question")


def mme(index: int, category: str, name: str, question: str) -> Sample:
    asked = f"{question} Please answer yes or no."
    return sample(index, asked, image_path=f"{category}/{name}", category=category)


MME = [
    mme(0, "count", "0001.png", "Are there two cats?"),
    mme(1, "count", "0001.png", "Are there three cats?"),
    mme(2, "color", "0001.png", "Are there two cats?"),
    mme(3, "color", "0001.png", "Is the cat red?"),
]


def llava_mme(text: str, row: Sample) -> StoredAnswer:
    picture = row.cells["image_path"]
    asked = row.question.replace(" Please answer yes or no.", WORD)
    return answer(text, question_id=picture, picture=picture, question=asked)


def test_repeated_ids_are_told_apart_by_the_question() -> None:
    answers = [llava_mme(str(n), row) for n, row in enumerate(MME)]
    assert dict(matched(answers, MME).texts) == {"0": "0", "1": "1", "2": "2", "3": "3"}


def test_pictures_of_one_name_are_told_apart_by_the_category() -> None:
    answers = [
        answer(str(n), picture="0001.txt", category=row.cells["category"], question=row.question)
        for n, row in enumerate(MME)
    ]
    assert dict(matched(answers, MME).texts) == {"0": "0", "1": "1", "2": "2", "3": "3"}


def test_pictures_that_nothing_tells_apart_are_refused() -> None:
    answers = [answer(picture="0001.txt", question="Are there two cats?")]
    message = refusal(answers, [MME[0], MME[2]], allow_missing=True)
    assert "may belong to several rows" in message
    assert "0, 2" in message


def test_a_prompt_finds_its_question_by_question_and_options() -> None:
    samples = [sample(1, "Which?", "cat dog"), sample(2, "Which?", "dog cat"), sample(3, "Where?", "up down")]
    shown = ["Hint.\nWhich?\nA. dog\nB. cat\nAnswer.", "Where?\nA. up\nB. down", "Which?\nA. cat\nB. dog"]
    found = matched([answer(str(n), question=p) for n, p in enumerate(shown)], samples)
    assert (dict(found.texts), found.by) == ({"2": "0", "3": "1", "1": "2"}, "question")


def test_a_question_of_several_rows_is_refused() -> None:
    samples = [sample(1, "Which?"), sample(2, "Which?"), sample(3, "Where?")]
    message = refusal([answer(question="Which?"), answer(question="Where?")], samples)
    assert "1 answer of 2 may belong to several rows: by question, row 1 is 1, 2." in message


POPE = [
    sample(0, "Is there a cat?", category="adversarial,random"),
    sample(1, "Is there a dog?", category="adversarial"),
    sample(2, "Is there a cow?", category="random"),
    sample(3, "Is there a cat?", category="adversarial"),
    sample(4, "Is there a hat?", category="random"),
]


def in_order(*said: tuple[str, str]) -> list[StoredAnswer]:
    return [answer(text, question=f"is there a {thing}?") for thing, text in said]


def test_answers_in_the_order_of_every_question_need_no_id() -> None:
    found = matched(in_order(("cat", "1"), ("dog", "2"), ("cow", "3"), ("cat", "4"), ("hat", "5")), POPE)
    assert (list(found.texts.values()), found.by) == (["1", "2", "3", "4", "5"], "order")


def test_a_question_of_several_splits_is_answered_once_in_each() -> None:
    adversarial = [("cat", "a"), ("dog", "b"), ("cat", "c")]
    random = [("cat", "a"), ("cow", "d"), ("hat", "e")]
    found = matched(in_order(*adversarial, *random), POPE)
    assert list(found.texts.items()) == [("0", "a"), ("1", "b"), ("3", "c"), ("2", "d"), ("4", "e")]
    assert found.notes == ("1 row repeats the answer to a question",)
    random[0] = ("cat", "other")
    assert "answered differently" in refusal(in_order(*adversarial, *random), POPE)


def test_one_question_in_another_place_is_no_order() -> None:
    said = in_order(("cat", "1"), ("dog", "2"), ("cow", "3"), ("hat", "4"), ("cat", "5"))
    assert "may belong to several rows" in refusal(said, POPE)


ROTATED = [
    sample(n, question, options)
    for n, (question, options) in enumerate(
        [("Who?", "x y"), ("Where?", "x y"), ("Who?", "y x"), ("Why?", "")]
    )
]


def prompts(*shown: str) -> list[StoredAnswer]:
    return [answer(str(n), question=q) for n, q in enumerate(shown)]


def test_rotations_are_told_apart_by_their_options_only() -> None:
    said = prompts("Who?\nA. x\nB. y", "Where?\nA. x\nB. y", "Who?\nA. y\nB. x", "Why?")
    assert matched(said, ROTATED).by == "order"
    turned = prompts("Who?\nA. y\nB. x", "Where?\nA. x\nB. y", "Who?\nA. x\nB. y", "Why?")
    found = matched(turned, ROTATED)
    assert (dict(found.texts), found.by) == ({"2": "0", "1": "1", "0": "2", "3": "3"}, "question")
    assert "2 answers of 4 may belong to several rows" in refusal(
        prompts("Who?", "Where?", "Who?", "Why?"), ROTATED
    )


def test_the_same_question_to_every_picture_tells_no_order() -> None:
    samples = [sample(i, "Describe it.") for i in range(8)]
    assert "several rows" in refusal([answer(question="Describe it.") for _ in range(8)], samples)


def test_questions_with_a_picture_are_told_by_order_among_others_without_one() -> None:
    """LLaVA's file of all ScienceQA questions on the benchmark's rows, some of which ask the same."""
    asked = ["Which sea?", "Which word?", "Which sea?", "Which hill?", "Which lake?"]
    answers = [
        answer(question_id=4 + i, question=q, shows_picture=q != "Which word?") for i, q in enumerate(asked)
    ]
    samples = [sample(i, q) for i, q in enumerate(q for q in asked if q != "Which word?")]
    order = next(way for way in ways(answers, samples) if way.name == "order")
    assert order.rows == (("0",), (), ("1",), ("2",), ("3",))
    silent = [replace(a, shows_picture=None) for a in answers]
    assert not [way for way in ways(silent, samples) if way.name == "order"]


def test_a_slip_in_an_id_is_shown_and_not_mended_by_the_words() -> None:
    samples = [sample(i, f"What is {i}?") for i in range(4)]
    answers = [answer(index=i if i else 77, question=f"What is {i}?") for i in range(4)]
    assert "1 index is not in the benchmark, of 4: 77." in refusal(answers, samples)


def test_a_file_of_every_scienceqa_question_answers_those_with_a_picture() -> None:
    found = matched(
        [answer(question_id=i) for i in range(4241)], rows(*range(0, 4241, 3)), name="ScienceQA_TEST"
    )
    assert len(found.texts) == 1414
    assert found.notes == ("2827 answers are left out: ScienceQA_TEST does not ask their questions",)
    few = [answer(question_id=i) for i in range(4241)]
    assert "not in the benchmark" in refusal(few, rows(*range(0, 4241, 3)), name="MMStar")


def test_of_several_benchmarks_with_as_many_rows_the_nearest_is_named() -> None:
    others = [card("MMBench_DEV_CN", rows=60), card("MMBench_DEV_EN", rows=60)]
    message = refusal(by_index(*range(60)), rows(1, 2), name="MMBench_DEV_EN_V11", others=others)
    assert "as many as MMBench_DEV_CN, MMBench_DEV_EN asks" in message
    assert "`--bench MMBench_DEV_EN`" in message


def test_a_file_of_questions_is_no_file_of_answers() -> None:
    samples = [sample(i, f"Is there a number {i}?") for i in range(3)]
    answers = [answer(f"Is there a number {i}?{WORD}", question_id=i) for i in range(3)]
    assert "3 of its 3 texts are the questions themselves" in refusal(answers, samples)


def test_a_key_that_names_no_option_is_said() -> None:
    samples = [sample(1, "Which?", "cat dog")]
    samples = [Sample(id="1", question="Which?", group="1", choices=samples[0].choices, references=("D",))]
    assert "names no option: 1" in matched(by_index(1), samples).notes[0]


def test_hostile_ids_are_made_visible() -> None:
    message = refusal([answer(index="\x1b[2J\u202e")], rows(1))
    assert "\x1b" not in message
    assert "\u202e" not in message
