"""MMMU: pictures in place, open questions, the quoted split, the submission."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.benchmarks.mmmu import BENCHMARKS
from vlmbench.domain import ImageRef, Response, Row, RuleSet, Sample
from vlmbench.prompts import in_place

MMMU, TEST = BENCHMARKS


def sample_of(index: str = "1", **cells: str) -> Sample:
    row = Row(index=index, cells={"index": index, "question": "?", **cells}, images=("a", "b"))
    return next(iter(MMMU.samples([row])))


def worth(sample: Sample, said: str, rules: RuleSet) -> float | None:
    return MMMU.score(sample, Response(id=sample.id, text=said, finish="stop"), rules).value


def shape(text: str) -> list[str]:
    return [f"[{p.digest}]" if isinstance(p, ImageRef) else p for p in in_place(text, ("a", "b"))]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("no tag", ["[a]", "[b]", "no tag"]),
        ("see <image 1>.", ["see ", "[a]", "."]),
        ("<image 2><image 1>", ["[b]", "[a]"]),
        ("twice <image 1> <image 1>", ["twice ", "[a]", " ", "[a]"]),
        ("<image 3> and <image 1>", ["<image 3> and ", "[a]"]),
        ("<image x>", ["[a]", "[b]", "<image x>"]),
        ("<image 0>", ["[a]", "[b]", "<image 0>"]),
    ],
)
def test_pictures_stand_where_their_tags_do(text: str, parts: list[str]) -> None:
    assert shape(text) == parts


def test_the_llava_styles_leave_tags_in_the_text() -> None:
    sample = sample_of(question="Who painted <image 1>?", A="Goya", B="Dix", answer="A")
    parts = MMMU.request(sample, "llava").parts
    assert [isinstance(p, ImageRef) for p in parts] == [True, True, False]
    assert "<image 1>" in str(parts[-1])


def test_a_question_without_options_is_an_open_one_and_no_problem() -> None:
    assert sample_of(answer="24.3").problem is None
    assert sample_of(A="x", B="y", answer="C").problem is not None


@pytest.mark.parametrize(
    ("said", "strict", "compatible"),
    [("2.43e1", 1.0, 0.0), ("24.3", 1.0, 1.0), ("A", 0.0, 1.0), ("about 25", 0.0, 0.0)],
)
def test_an_open_answer_is_a_number_to_strict_and_an_option_to_the_compatible_rules(
    said: str, strict: float, compatible: float
) -> None:
    sample = sample_of(answer="24.3")
    assert worth(sample, said, "strict") == strict
    assert worth(sample, said, "vlmevalkit") == compatible


def test_a_list_of_accepted_answers_is_read_by_strict_and_never_evaluated() -> None:
    assert worth(sample_of(answer="['8', 'eight']"), "eight", "strict") == 1.0
    assert worth(sample_of(answer="['8', 'eight']"), "eight", "vlmevalkit") == 0.0


def test_xtuner_has_no_rule_for_open_answers() -> None:
    assert worth(sample_of(answer="24.3"), "24.3", "xtuner") is None
    assert worth(sample_of(A="x", B="y", answer="B"), "B", "xtuner") == 1.0


def test_the_headline_is_validation_and_dev_stands_below() -> None:
    samples = [
        sample_of(str(i), A="x", B="y", answer="A", split=split, category="Art")
        for i, split in enumerate(["dev", "dev", "validation"])
    ]
    scores = [
        MMMU.score(s, Response(id=s.id, text="BBA"[int(s.id)], finish="stop"), "strict") for s in samples
    ]
    table: Any = MMMU.metrics(samples, scores, "strict")
    assert (table[0].value, table[0].n, table[0].split) == (1.0, 1, "validation")
    assert {m.name: m.value for m in table if m.level == "split"} == {"dev": 0.0, "validation": 1.0}
    assert [m.n for m in table if m.level == "category"] == [1]


def test_the_submission_maps_ids_to_letters_false_or_the_raw_text() -> None:
    samples = [
        sample_of("1", id="test_Art_1", A="x", B="y"),
        sample_of("2", id="test_Art_2", A="x", B="y"),
        sample_of("3", id="test_Art_3"),
    ]
    said = {"1": "(B)", "2": "hard to say", "3": "about 24"}
    assert TEST.submission(samples, said, "strict") == {
        "test_Art_1": "B",
        "test_Art_2": False,
        "test_Art_3": "about 24",
    }
