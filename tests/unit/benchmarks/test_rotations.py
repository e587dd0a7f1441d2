"""Any multiple-choice benchmark becomes a circular one."""

from __future__ import annotations

import pytest

from vlmbench.benchmarks.families.choice import MultipleChoice, can_rotate, rotated, rotations
from vlmbench.domain import Card, DataFile, Row
from vlmbench.errors import UsageError


def row(index: str = "7", answer: str = "B", **options: str) -> Row:
    options = options or {"A": "cat", "B": "dog", "C": "cow"}
    return Row(index=index, cells={"question": "?", **options, "answer": answer}, images=("x",))


def test_each_pass_moves_the_texts_one_letter_forward_and_the_answer_with_its_text() -> None:
    turns = list(rotations([row()]))
    assert [t.index for t in turns] == ["7", "1000007", "2000007"]
    assert [[t.cells[x] for x in "ABC"] for t in turns] == [
        ["cat", "dog", "cow"],
        ["cow", "cat", "dog"],
        ["dog", "cow", "cat"],
    ]
    assert [t.cells[t.cells["answer"]] for t in turns] == ["dog"] * 3
    assert all(t.images == ("x",) for t in turns)


@pytest.mark.parametrize("text", ["both A and B", "A", "neither (B)"])
def test_options_that_speak_of_letters_are_left_out(text: str) -> None:
    assert not can_rotate({"A": "cat", "B": text}, "A")


@pytest.mark.parametrize("text", ["Vitamin D", "a cat", "AB", "USA"])
def test_letters_that_are_no_options_do_no_harm(text: str) -> None:
    assert can_rotate({"A": "cat", "B": text}, "A")


def test_the_circular_form_is_scored_by_groups_under_its_own_name() -> None:
    plain = MultipleChoice(
        Card(name="Pets", measures="pets", family="multiple-choice", file=DataFile(name="p.tsv"), rows=2)
    )
    circular = rotated(plain)
    samples = list(circular.samples([row("1"), row("2")]))
    assert circular.card.name == "Pets_circular"
    assert [s.group for s in samples] == ["1"] * 3 + ["2"] * 3


def test_text_indexes_cannot_be_rotated() -> None:
    with pytest.raises(UsageError, match="whole-number"):
        list(rotations([row("one")]))


def test_mmmu_in_rotations_keeps_its_pictures_in_place_and_leaves_open_questions_out() -> None:
    from vlmbench.benchmarks.mmmu import BENCHMARKS

    circular = rotated(BENCHMARKS[0])
    rows = [row("1", A="<image 1>", B="dog"), Row(index="2", cells={"question": "?", "answer": "24.3"})]
    samples = list(circular.samples(rows))
    assert [s.id for s in samples] == ["1", "1000001"]
    assert circular.left_out(rows) == 1
    assert len(circular.request(samples[1], "vlmevalkit").parts) == 3


def test_only_multiple_choice_can_be_rotated() -> None:
    from vlmbench.benchmarks.pope import BENCHMARKS

    with pytest.raises(UsageError, match="only multiple choice"):
        rotated(BENCHMARKS[0])
