"""Answers of one file joined onto the questions of another: by picture and words, never by a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.answers import joined as reasons
from vlmbench.answers.joined import join_answers, join_by_id
from vlmbench.domain import Joined, Row

ROTATION = 1_000_000
PETS = ("cat", "dog", "cow", "horse")


def rotations(
    index: int,
    options: Sequence[str] = PETS,
    answer: str | None = "cow",
    *,
    picture: str | None = "barn",
    question: str = "Which animal is in front?",
    **cells: str,
) -> list[Row]:
    """A question in every rotation, the answer at the letter where its text stands."""
    rows = []
    for k in range(len(options)):
        turned = [options[(i - k) % len(options)] for i in range(len(options))]
        letters = dict(zip("ABCDEFGH", turned, strict=False))
        gold = next((letter for letter, text in letters.items() if text == answer), None)
        filled = {"question": question, **letters, **cells, **({"answer": gold} if gold else {})}
        images = () if picture is None else (picture,)
        rows.append(Row(index=str(index + k * ROTATION), cells=filled, images=images))
    return rows


def stripped(rows: Sequence[Row]) -> list[Row]:
    """The rows as a test set without answers has them."""
    return [replace(row, cells={k: v for k, v in row.cells.items() if k != "answer"}) for row in rows]


def join(rows: Sequence[Row], others: Sequence[Row]) -> tuple[dict[str, str | None], Joined]:
    done, counts = join_answers(stripped(rows), others, circular=True, source="V11.tsv")
    return {row.index: row.cells.get("answer") for row in done}, counts


def golds(rows: Sequence[Row]) -> dict[str, str | None]:
    return {row.index: row.cells.get("answer") for row in rows}


def test_every_rotation_gets_the_letter_at_which_the_text_stands() -> None:
    ours, theirs = rotations(1), rotations(900, ("horse", "cow", "dog", "cat"))
    answers, counts = join(ours, theirs)
    assert answers == golds(ours) == {"1": "C", "1000001": "D", "2000001": "A", "3000001": "B"}
    assert (counts.rows, counts.of_rows, counts.questions, counts.of_questions) == (4, 4, 1, 1)
    assert not counts.not_joined


def test_case_blanks_and_typographic_marks_do_not_matter() -> None:
    theirs = rotations(9, ("Cat.", "Dog.", "COW.", "Horse."), "COW.", question="which animal  is in front")
    ours = rotations(1)
    assert join(ours, theirs)[0] == golds(ours)


def test_one_question_about_two_pictures_is_two_questions() -> None:
    ours = [*rotations(1, answer="cow"), *rotations(2, answer="cat", picture="field")]
    theirs = [*rotations(50, answer="cat", picture="field"), *rotations(51, answer="cow")]
    assert join(ours, theirs)[0] == golds(ours)


def test_a_missing_rotation_is_no_obstacle_on_either_side() -> None:
    ours, theirs = rotations(1)[:3], rotations(900)[1:]
    answers, counts = join(ours, theirs)
    assert answers == golds(ours)
    assert counts.questions == 1


@pytest.mark.parametrize(
    ("theirs", "why_not"),
    [
        (rotations(9, picture="field"), {reasons.NO_PICTURE: 4}),
        (rotations(9, question="Which animal is behind?"), {reasons.NO_QUESTION: 4}),
        (rotations(9, (*PETS[:2], "bull", "horse"), "bull"), {reasons.NO_OPTION: 4}),
        ([*rotations(9), *rotations(10, answer="dog")], {reasons.DIFFERENT: 4}),
        (rotations(9, (*PETS[:3], "none of these"), "none of these"), {reasons.RELATIVE: 4}),
    ],
)
def test_what_is_in_doubt_is_left_out_and_counted(theirs: list[Row], why_not: Mapping[str, int]) -> None:
    known = rotations(2, picture="yard")
    answers, counts = join([*rotations(1), *known], [*theirs, *known])
    assert [answers[row.index] for row in rotations(1)] == [None] * 4
    assert [answers[row.index] for row in known] == [row.cells["answer"] for row in known]
    assert counts.not_joined == why_not
    assert (counts.questions, counts.of_questions) == (1, 2)


@pytest.mark.parametrize("beside", [{"options": ("hen", "cock", "cow", "cat")}, {"hint": "It is at night."}])
def test_options_and_hints_part_questions_that_share_picture_and_words(beside: Any) -> None:
    ours = [
        *rotations(1, hint="It is noon."),
        *rotations(2, **{"hint": "It is noon.", **beside}, answer="cat"),
    ]
    theirs = [replace(row, index=str(int(row.index) + 900)) for row in reversed(ours)]
    assert join(ours, theirs)[0] == golds(ours)


def test_an_answer_that_names_letters_needs_the_same_letters() -> None:
    options = ("cat", "dog", "Both A and B")
    ours, turned = (
        rotations(1, options, options[2])[:1],
        rotations(9, ("dog", "cat", options[2]), options[2])[:1],
    )
    assert join(ours, turned)[1].not_joined == {reasons.RELATIVE: 1}
    assert join(ours, rotations(9, options, options[2])[:1])[0] == {"1": "C"}


def test_texts_that_differ_in_case_alone_are_two_options() -> None:
    ours = rotations(1, ("Co", "CO", "C"), "CO")
    assert join(ours, rotations(9, ("C", "CO", "Co"), "CO"))[0] == golds(ours)


def test_an_option_that_changed_joins_as_long_as_it_is_not_the_answer() -> None:
    ours = rotations(1)
    assert join(ours, rotations(9, ("cat", "dog", "cow", "zebra")))[0] == golds(ours)


def test_a_text_that_two_options_share_is_no_answer() -> None:
    ours = rotations(1, ("cow", "dog", "cow", "horse"), None)
    assert join(ours, rotations(9))[1].not_joined == {reasons.TWICE: 4}


def test_a_question_is_joined_whole_or_not_at_all() -> None:
    ours = rotations(1)
    ours[2] = replace(ours[2], cells={**ours[2].cells, "A": "bull"})
    answers, counts = join(ours, rotations(9))
    assert set(answers.values()) == {None}
    assert counts.not_joined == {reasons.PARTLY: 3, reasons.NO_OPTION: 1}


def test_a_rotation_whose_picture_is_lost_takes_the_answer_of_its_question() -> None:
    ours = rotations(1)
    ours[1] = replace(ours[1], images=(), problem="the picture is broken")
    theirs = [*rotations(9), *rotations(10, picture="field", answer="dog")]
    assert join(ours, theirs)[0] == golds(ours)


def test_an_answer_of_one_s_own_stays_and_leads_the_other_rotations() -> None:
    ours = rotations(1, answer="dog")
    kept = [ours[0], *stripped(ours[1:])]
    changed = rotations(9, (*PETS[:2], "bull", "horse"), "bull")
    assert join_answers(ours, changed, circular=True, source="V11.tsv")[1].contradicted == 0
    done, counts = join_answers(kept, rotations(9, answer="cow"), circular=True, source="V11.tsv")
    assert golds(done) == golds(ours)
    assert (counts.own, counts.contradicted, counts.rows, counts.questions) == (1, 1, 3, 1)


def test_without_pictures_a_question_that_the_other_file_has_twice_is_left_out() -> None:
    theirs = [*rotations(90), *rotations(91, picture="field")]
    ours = [replace(row, images=()) for row in rotations(1)]
    assert join(ours, theirs)[1].not_joined == {reasons.SEVERAL: 4}


def test_without_pictures_numbers_that_mean_other_questions_tell_nothing() -> None:
    ours = [
        *rotations(1, answer="cow"),
        *rotations(2, answer="dog", picture="b"),
        *rotations(3, question="Who?"),
    ]
    theirs = [
        *rotations(1, answer="dog"), *rotations(2, ("a", "b"), "a"), *rotations(3, answer="cow", picture="b")
    ]  # fmt: skip
    assert join(ours, [replace(row, images=()) for row in theirs])[1].rows == 0


@pytest.mark.parametrize("hidden", ["ours", "theirs"])
def test_without_pictures_words_and_options_join_what_both_files_have_once(hidden: str) -> None:
    ours = [
        *rotations(1),
        *rotations(2, ("red", "blue"), "red"),
        *rotations(3, ("red", "blue"), "blue", picture="b"),
    ]
    theirs = [*rotations(90), *rotations(91, ("red", "blue"), "red")]
    bare = [replace(row, images=()) for row in (ours if hidden == "ours" else theirs)]
    answers, counts = join(*((bare, theirs) if hidden == "ours" else (ours, bare)))
    assert {i for i, answer in answers.items() if answer} == {row.index for row in ours[:4]}
    assert counts.not_joined == {reasons.SEVERAL: 4}


def test_without_pictures_a_shared_numbering_tells_questions_apart() -> None:
    ours = [*rotations(1, answer="cow"), *rotations(2, answer="dog", picture="b")]
    theirs = [replace(row, images=()) for row in ours]
    assert join(ours, theirs)[0] == golds(ours)


def test_words_alone_join_nothing_that_pictures_contradict() -> None:
    known = rotations(5, picture="yard")
    answers, _ = join([*rotations(1), *known], [*rotations(9, picture="other barn"), *known])
    assert answers["1"] is None


def test_open_answers_are_taken_as_they_stand() -> None:
    ours = [Row(index="1", cells={"question": "How many?"}, images=("a",))]
    theirs = [Row(index="7", cells={"question": "How many?", "answer": "['4', 'four']"}, images=("a",))]
    done, _ = join_answers(ours, theirs, circular=False, source="new.tsv")
    assert done[0].cells["answer"] == "['4', 'four']"


def test_ids_join_where_the_authors_published_answers_by_id() -> None:
    ours = [
        Row(
            index="1", cells={"id": "test_Art_1", "question": "Who?", "A": "Goya", "B": "Dix", "answer": "?"}
        ),
        Row(index="2", cells={"id": "test_Art_2", "question": "When?"}),
        Row(index="3", cells={"id": "test_Art_3", "question": "Who?", "A": "Goya", "B": "Dix"}),
        Row(index="4", cells={"id": "test_Art_4", "question": "Who?", "A": "Goya", "B": "Dix"}),
    ]
    key = {"test_Art_1": "B", "test_Art_2": "1808", "test_Art_3": "E"}
    done, counts = join_by_id(ours, key, circular=False, source="answers.json")
    assert [row.cells.get("answer") for row in done[:3]] == ["B", "1808", None]
    assert counts.not_joined == {reasons.NO_OPTION: 1, reasons.NO_ID: 1}


texts = st.text(alphabet="ab .A", min_size=1, max_size=3).filter(str.strip)


@st.composite
def files(draw: st.DrawFn) -> list[Row]:
    """A circular file: few words and pictures, so that questions repeat, and some rotations are missing."""
    rows: list[Row] = []
    for number in range(draw(st.integers(1, 5))):
        options = draw(st.lists(texts, min_size=2, max_size=4))
        gold = draw(st.integers(0, len(options) - 1))
        picture = draw(st.sampled_from(["p", "q", None]))
        question = draw(st.sampled_from(["What?", "Where?"]))
        # The marked option is turned along, so that two of the same text stay two options.
        marked = [f"{text}#{i}" for i, text in enumerate(options)]
        turned = rotations(number, marked, marked[gold], picture=picture, question=question)
        plain = [
            replace(row, cells={k: v.partition("#")[0] if k != "answer" else v for k, v in row.cells.items()})
            for row in turned
        ]
        rows += [row for k, row in enumerate(plain) if k == 0 or draw(st.booleans())]
    return rows


@given(files())
def test_a_file_joined_onto_itself_gives_back_its_own_answers(rows: list[Row]) -> None:
    answers, counts = join(rows, rows)
    assert answers == golds(rows)
    assert (counts.rows, counts.questions) == (counts.of_rows, counts.of_questions)
    kept, again = join_answers(rows, rows, circular=True, source="itself")
    assert kept == rows
    assert (again.own, again.contradicted) == (len(rows), 0)


@given(files(), files())
def test_a_joined_letter_always_has_the_text_of_an_answer_there(rows: list[Row], others: list[Row]) -> None:
    answers, _ = join(rows, others)
    there = {other.choices[other.cells["answer"]].strip(" .").casefold() for other in others}
    for row in rows:
        letter = answers[row.index]
        assert letter is None or row.choices[letter].strip(" .").casefold() in there
