"""Transcripts in the format of each family: which part is the thought, which the answer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vlmbench.answers.choice import find_choice
from vlmbench.answers.thinking import bare, split, unwrapped

FOLDER = Path(__file__).parent / "thinking"
OPTIONS = {"A": "dog", "B": "cat", "C": "horse", "D": "cow"}


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


def divided(case: dict[str, Any]) -> dict[str, Any]:
    found = split(case["raw"], opened=case.get("opened", ""))
    assert found.raw == case["raw"]
    thought = None if found.thought is None else bare(found.thought, found.at)
    return {"thought": thought, "answer": found.answer, "state": found.state}


@pytest.mark.parametrize("file", ["families.jsonl", "hard.jsonl"])
def test_no_transcript_is_divided_wrongly(file: str) -> None:
    wrong = [
        (case["raw"], found)
        for case in cases(file)
        if (found := divided(case)) != {key: case[key] for key in ("thought", "answer", "state")}
    ]
    assert not wrong


@pytest.mark.parametrize("file", ["families.jsonl", "hard.jsonl"])
def test_an_answer_is_divided_no_further(file: str) -> None:
    assert [c["answer"] for c in cases(file) if split(c["answer"]).answer != c["answer"]] == []


def test_an_answer_of_b_is_read_and_a_thought_that_never_ends_is_not() -> None:
    for case in cases("families.jsonl"):
        found = split(case["raw"], opened=case.get("opened", ""))
        letter = find_choice("strict", unwrapped(found.answer), OPTIONS).letter
        assert letter == (None if case["state"] == "unfinished" else "B"), case["raw"]


def test_each_family_has_its_transcripts_in_every_state() -> None:
    counted = Counter((case["family"], case["state"]) for case in cases("families.jsonl"))
    families = {family for family, _ in counted}
    assert sum(counted.values()) + len(cases("hard.jsonl")) >= 400
    assert all(counted[family, "finished"] and counted[family, "unfinished"] for family in families)
    assert all(case["source"].startswith("https://") for case in cases("families.jsonl"))
