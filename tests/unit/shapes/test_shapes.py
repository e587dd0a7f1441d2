"""The embedded benchmark: its tables say what its pictures show, and nothing but the pictures tells."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter, defaultdict
from functools import cache
from importlib.resources import files
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from vlmbench.shapes import (
    TABLES,
    TEMPLATES,
    benchmark_layouts,
    rgb,
    table_text,
    training_questions,
    training_scenes,
)
from vlmbench.shapes.questions import LETTERS, facts
from vlmbench.shapes.sampling import benchmark_questions

PASS = 1_000_000
DATA = files("vlmbench.benchmarks") / "data"
Row = dict[str, str]


@cache
def table(name: str) -> dict[int, Row]:
    text = (DATA / f"{name}.tsv").read_text(encoding="utf-8")
    return {int(row["index"]): row for row in csv.DictReader(io.StringIO(text), delimiter="\t")}


def options(row: Row) -> list[str]:
    return [row[letter] for letter in LETTERS if row[letter]]


def pixels(cell: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(cell))).convert("RGB"))


@pytest.mark.parametrize("name", TABLES)
def test_committed_table_is_what_the_seed_gives(name: str) -> None:
    made = list(csv.DictReader(io.StringIO(table_text(name)), delimiter="\t"))
    kept = list(table(name).values())
    assert [{**row, "image": ""} for row in made] == [{**row, "image": ""} for row in kept]
    for ours, theirs in zip(made, kept, strict=True):
        if len(theirs["image"]) > 64:
            assert (pixels(ours["image"]) == pixels(theirs["image"])).all()
        else:
            assert ours["image"] == theirs["image"]


def test_tables_are_at_most_one_megabyte_together() -> None:
    assert sum(len((DATA / f"{name}.tsv").read_bytes()) for name in TABLES) <= 1_000_000


@pytest.mark.parametrize("name", TABLES)
def test_rotation_moves_each_option_text_one_letter_forward_per_pass(name: str) -> None:
    rows = table(name)
    for key, row in rows.items():
        base, step = rows[key % PASS], key // PASS
        assert options(row) == list(np.roll(options(base), step))
        assert step < len(options(base))
        if "answer" in row:
            assert row[row["answer"]] == base[base["answer"]]
    groups = Counter(key % PASS for key in rows)
    assert all(count == len(options(rows[base])) for base, count in groups.items())


@pytest.mark.parametrize("name", TABLES)
def test_every_picture_reference_leads_to_a_picture_in_one_step(name: str) -> None:
    rows = table(name)
    for row in rows.values():
        holder = row if len(row["image"]) > 64 else rows[int(row["image"])]
        assert pixels(holder["image"]).shape == (96, 96, 3)
    shared = [key for key, row in rows.items() if key < PASS and len(row["image"]) <= 64]
    assert shared, "some questions share a picture"


def test_chinese_table_asks_about_the_same_pictures_with_the_same_answers() -> None:
    english, chinese = table("Shapes_DEV_EN"), table("Shapes_DEV_CN")
    same = ("index", "answer", "category", "image", "l2-category", "split")
    for key, row in english.items():
        assert [row[column] for column in same] == [chinese[key][column] for column in same]
        assert not chinese[key]["question"].isascii()


def test_test_table_withholds_its_answers_and_shows_other_pictures() -> None:
    assert "answer" not in next(iter(table("Shapes_TEST_EN").values()))
    dev, test = ({scene.layout() for scene, _ in benchmark_questions(split)} for split in ("dev", "test"))
    assert not dev & test


def test_every_benchmark_question_has_one_right_option() -> None:
    for split in ("dev", "test"):
        for scene, questions in benchmark_questions(split):
            truths = facts(scene)
            for question in questions:
                asked = question.fact
                right = {
                    truth.answer
                    for truth in truths
                    if question.wording("en") == type(question)(truth, ()).wording("en")
                    and truth.template == asked.template
                }
                assert [option for option in question.options if option in right] == [asked.answer]
                assert len(set(question.options)) == len(question.options)


def test_questions_cover_all_types_with_two_to_four_options_and_some_hints() -> None:
    base = [row for key, row in table("Shapes_DEV_EN").items() if key < PASS]
    assert len(base) == 180
    assert Counter(row["category"] for row in base).most_common()[-1][1] == 36
    assert {len(options(row)) for row in base} == {2, 3, 4}
    assert sum(bool(row["hint"]) for row in base) >= 20
    assert len({row["l2-category"] for row in base}) == 4


def test_letters_and_answers_are_spread_evenly() -> None:
    asked = [question for _, questions in benchmark_questions("dev") for question in questions]
    letters: dict[int, Counter[str]] = defaultdict(Counter)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for question in asked:
        letters[len(question.options)][question.letter] += 1
        answers[question.fact.template][question.fact.answer] += 1
    assert all(max(found.values()) - min(found.values()) <= 1 for found in letters.values())
    for template, found in answers.items():
        counts = [found[answer] for answer in TEMPLATES[template].pool]
        assert max(counts) - min(counts) <= 1


def test_always_giving_the_most_frequent_answer_to_a_question_gains_nothing() -> None:
    """A reader of training questions who never saw a picture stays at chance on the benchmark."""
    habit: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for _, questions in islice(training_questions(7), 3000):
        for question in questions:
            habit[question.wording("en")][question.fact.answer] += 1
    asked = [question for _, questions in benchmark_questions("dev") for question in questions]
    hits = sum(
        max(q.options, key=lambda option: habit[q.wording("en")][option]) == q.fact.answer for q in asked
    )
    chance = sum(1 / len(question.options) for question in asked)
    assert hits <= chance + 2.6 * (len(asked) * 0.21) ** 0.5


def test_training_pictures_never_repeat_a_benchmark_picture() -> None:
    closed = benchmark_layouts()
    pictures = {rgb(scene).tobytes() for split in ("dev", "test") for scene, _ in benchmark_questions(split)}
    for scene in islice(training_scenes(1), 3000):
        assert scene.layout() not in closed
        assert rgb(scene).tobytes() not in pictures


def test_training_stream_is_the_same_for_one_seed_and_another_for_the_next() -> None:
    first, again, other = (list(islice(training_questions(seed), 5)) for seed in (1, 1, 2))
    assert first == again != other
