"""Which columns are taken for a misspelt one, and, as important, which are not."""

from __future__ import annotations

import pytest

from vlmbench.data.column_names import is_near, missing_columns, missing_options


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("answer", "anser anwser awnser answr answers Answer answer_1"),
        ("image", "imgae Image images image_1 image2 imag"),
        ("image_path", "image_pth imagepath image_paths"),
        ("question", "qestion questions QUESTION quesiton"),
        ("category", "catgory categories"),
        ("l2-category", "l2_category l2category L2-Category"),
        ("hint", "hints Hint"),
        ("split", "spilt splits"),
        ("index", "indx idnex"),
    ],
)
def test_case_plural_number_and_slips_are_near(name: str, columns: str) -> None:
    assert [column for column in columns.split() if not is_near(column, name)] == []


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("answer", "answer_id answered answer_type gt label anger"),
        ("image", "img page stage image_id usage"),
        ("question", "question_id question_type"),
        ("category", "subcategory l2-category"),
        ("l2-category", "l3-category"),
        ("hint", "mint print"),
        ("split", "spirit"),
    ],
)
def test_other_words_are_not(name: str, columns: str) -> None:
    assert [column for column in columns.split() if is_near(column, name)] == []


def test_a_column_that_is_there_is_not_missing() -> None:
    assert missing_columns(("index", "question", "answer", "answers", "image")) == {}
    assert missing_columns(("index", "question", "anser", "hints")) == {"answer": "anser", "hint": "hints"}


def test_options_lack_their_letters_only_together() -> None:
    assert missing_options(("a", "b", "c")) == {"A": "a", "B": "b", "C": "c"}
    assert missing_options(("A", "B", "Option C")) == {"C": "Option C"}
    assert missing_options(("question", "a")) == missing_options(("A", "B", "C")) == {}
