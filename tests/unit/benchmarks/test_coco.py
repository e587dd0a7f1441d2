"""COCO captions: from a caption to figures, under strict and under the compatible sets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vlmbench.domain import Response, Row
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark

BENCH: Any = load_benchmark("COCO_VAL")
REFERENCES = ("['A man rides a wave.', 'A surfer on a big wave']", "['Two dogs sleep.', 'Dogs on a sofa']")


def figures(*said: str, rules: str = "strict") -> dict[str, float]:
    samples = list(BENCH.samples(Row(index=str(i), cells={"answer": r}) for i, r in enumerate(REFERENCES)))
    answers = {str(i): Response(id=str(i), text=text, finish="stop") for i, text in enumerate(said)}
    _, metrics = score_under_all(BENCH, samples, answers)
    return {m.name: m.value for m in metrics[rules]}  # type: ignore[index, misc]


def test_without_a_question_column_everybody_is_asked_the_same() -> None:
    (sample,) = BENCH.samples([Row(index="1", cells={"answer": "['a']"}, images=("p",))])
    text = BENCH.request(sample, "vlmevalkit").parts[-1]
    assert text.startswith("Please describe this image in general.")
    assert text.endswith('"This image depicts". ')


def test_a_question_of_the_files_own_is_asked() -> None:
    (sample,) = BENCH.samples([Row(index="1", cells={"answer": "['a']", "question": "Describe."})])
    assert sample.question == "Describe."


def test_a_row_without_captions_cannot_be_asked() -> None:
    (sample,) = BENCH.samples([Row(index="1", cells={})])
    assert "no caption" in str(sample.problem)


def test_a_caption_that_is_a_reference_is_perfect_in_the_words_of_people() -> None:
    found = figures("A man rides a wave.", "Two dogs sleep.")
    assert found["BLEU-1"] == pytest.approx(100)
    assert found["ROUGE-L"] == pytest.approx(100)
    assert next(iter(found)) == "CIDEr"


def test_capitals_and_full_stops_cost_points_only_under_the_compatible_sets() -> None:
    said = ("a man rides a wave", "two dogs sleep")
    assert figures(*said)["BLEU-1"] == pytest.approx(100)
    assert figures(*said, rules="vlmevalkit")["BLEU-1"] < 70


def test_an_empty_caption_is_unparsed_and_breaks_nothing() -> None:
    found = figures("", "Two dogs sleep.")
    assert all(math.isfinite(value) for value in found.values())


def test_xtuner_never_scored_captions() -> None:
    assert figures("a", "b", rules="xtuner") == {"CIDEr": None}
