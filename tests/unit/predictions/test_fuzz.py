"""Whatever a predictions file holds, it is read or refused in one paragraph, never a traceback."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vlmbench.domain import Card, DataFile, Sample
from vlmbench.errors import UserError
from vlmbench.predictions import match, read_answers
from vlmbench.predictions.nouns import Answers, StoredAnswer

WORDS = """
index id question_id prediction text prompt outputs results acc correct incorrect logs doc doc_id resps
filtered_resps filter v1_0 validation_Art_1 pid response query error eval status samples output choices
question answer options option_char round_id index2ans all_choices image epoch input metadata
"""
KEYS = st.sampled_from(WORDS.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.just("A"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
CHECK = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=120,
    deadline=None,
)


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def zipped(path: Path, value: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/a.json", json.dumps(value))
    return path


def survives(path: Path) -> None:
    """Read, or refused in one paragraph; anything else is a traceback and fails."""
    with contextlib.suppress(UserError):
        for answer in read_answers(path).answers:
            assert answer.text is None or isinstance(answer.text, str)
            assert all(isinstance(value, str) for value in answer.ids.values())


@CHECK
@given(st.lists(VALUES, max_size=3), st.sampled_from([".json", ".jsonl"]), st.floats(0, 1))
@example([{"v1_0": {"a": 1}}], ".json", 1.0)
@example([{"outputs": [], "acc": 1}], ".json", 1.0)
@example([{"correct": 1, "incorrect": [1]}], ".json", 1.0)
def test_any_json_is_read_or_refused(tmp_path: Path, values: list[Any], suffix: str, left: float) -> None:
    written_out = [json.dumps(value) for value in values]
    text = "\n".join(written_out) if suffix == ".jsonl" else "".join(written_out[:1])
    survives(written(tmp_path / f"p{suffix}", text[: round(len(text) * left)]))


@CHECK
@given(VALUES)
def test_any_member_of_an_archive_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    survives(zipped(tmp_path / "p.eval", value))


@CHECK
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused(tmp_path: Path, place: int, byte: int) -> None:
    path = zipped(tmp_path / "p.eval", INSPECT)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    survives(path)


INSPECT = {"id": 3, "epoch": 1, "input": "Who?", "output": {"completion": "B it is"}}

NESTED: list[Callable[[str], str]] = [
    lambda deep: '{"v1_0": ' + deep,
    lambda deep: '{"outputs": {"1": ' + deep,
    lambda deep: '{"doc_id": 0, "resps": ' + deep,
    lambda deep: '{"doc_id": 0, "doc": ' + deep,
    lambda deep: '{"eval": {}, "status": "", "samples": ' + deep,
]


@pytest.mark.parametrize("opened", NESTED)
@pytest.mark.parametrize("depth", [100, 900, 990, 100_000])
def test_depth_is_no_way_out(tmp_path: Path, opened: Callable[[str], str], depth: int) -> None:
    start = opened("")
    closing = "".join("}" for mark in start if mark == "{")[: start.count("{") - start.count("}")]
    survives(written(tmp_path / "p.json", start + "[" * depth + "]" * depth + closing))
    survives(written(tmp_path / "q.jsonl", start + "[" * depth + "]" * depth + closing))


@pytest.mark.parametrize("number", ["1e999999", "-1e-99999", "9" * 5000, "NaN", "-Infinity"])
def test_a_huge_number_is_its_digits(tmp_path: Path, number: str) -> None:
    path = written(tmp_path / "v.json", f'{{"v1_0": {number}}}')
    assert read_answers(path).answers[0].text == number
    survives(written(tmp_path / "p.jsonl", f'{{"index": {number}, "prediction": {number}}}'))


ANSWERS = st.builds(
    StoredAnswer,
    text=st.text(max_size=3),
    row=st.just(1),
    ids=st.dictionaries(st.sampled_from(["index", "id", "pid"]), st.sampled_from("0123"), max_size=2),
    question=st.none() | st.sampled_from(["who", "what", "who\nA. x\nB. y", "\0", ""]),
    options=st.sampled_from([{}, {"A": "x", "B": "y"}, {"A": "y", "B": "x"}]),
    picture=st.none() | st.sampled_from(["a/1.png", "1.txt", "", "/", "..", "\0.png"]),
    category=st.none() | st.just("a"),
)
SAMPLES = st.lists(
    st.builds(
        Sample,
        id=st.sampled_from("0123"),
        question=st.sampled_from(["who", "what", "", "who?"]),
        group=st.just("0"),
        choices=st.sampled_from([{}, {"A": "x", "B": "y"}]),
        split=st.none() | st.sampled_from(["dev", "test"]),
        cells=st.dictionaries(
            st.sampled_from(["id", "pid", "image_path", "category"]),
            st.sampled_from(["0", "1", "a/1.png", "a,b"]),
        ),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda sample: sample.id,
)
CARD = Card(name="Mine", measures="", family="multiple-choice", file=DataFile(name="Mine.tsv"))


@CHECK
@given(st.lists(ANSWERS, min_size=1, max_size=4), SAMPLES, st.booleans())
def test_answers_are_matched_one_to_one_or_refused(
    answers: list[StoredAnswer], samples: list[Sample], allow_missing: bool
) -> None:
    read = Answers(path=Path("p"), format="f", used="u", answers=tuple(answers))
    with contextlib.suppress(UserError):
        found = match(read, samples, CARD, lambda: [CARD], allow_missing=allow_missing)
        assert set(found.texts) <= {sample.id for sample in samples}
        assert {sample.id for sample in found.samples} >= set(found.texts)
        assert sorted(found.texts.values()) == sorted(a.text or "" for a in answers) or found.by == "order"
        assert allow_missing or {sample.id for sample in found.samples} == set(found.texts)
