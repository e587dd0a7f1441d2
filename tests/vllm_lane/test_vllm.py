"""vLLM itself answers as transformers does, a request at a time, and a bad request fails alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import GREEDY, PICTURES, answers, questions, request
from tiny_models import save_model

from vlmbench.doctor.compare import compare, items, views
from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.errors import ModelError
from vlmbench.models.hf.model import load_hf
from vlmbench.models.loading import load_model

LONG = Decoding(max_new_tokens=24)


def padded() -> list[Request]:
    """The questions with the picture padded to a square."""
    return [replace(r, id=f"square {r.id}", image_fit="square") for r in questions(LONG)]


def test_answers_are_those_of_transformers(engine: Any, tiny: Path) -> None:
    typed = request("typed", ImageRef("picture 2"), "What does <image> mean in <s>this</s>?", decoding=LONG)
    asked = [*questions(LONG), *padded(), typed]
    assert len(asked) > 24
    ours, theirs = answers(engine, asked), answers(load_hf(str(tiny), device="cpu"), asked)
    assert ours == theirs
    # Had all answers been alike, the comparison would have shown nothing.
    assert len({r.text for r in ours.values()}) > len(asked) * 0.7
    assert {r.finish for r in ours.values()} == {"stop", "length"}


def test_text_style_and_digests_are_those_of_transformers(engine: Any, tiny: Path) -> None:
    hf = load_hf(str(tiny), device="cpu")
    assert (engine.name, engine.style) == (hf.name, hf.style) == ("tiny", "llava")
    assert [engine.render(r) for r in questions()] == [hf.render(r) for r in questions()]
    differ = {key for key in engine.facts if engine.facts[key] != hf.facts.get(key)}
    assert differ == {"kind", "vllm"}


def test_answers_come_while_questions_are_still_being_read(engine: Any) -> None:
    read = 0

    def endless() -> Iterator[Request]:
        nonlocal read
        for number in itertools.count():
            read += 1
            yield request(str(number), ImageRef(f"picture {number % 5}"), f"{number}?")

    stream = engine.generate(endless(), PICTURES)
    first = [next(stream) for _ in range(3)]
    assert [r.error for r in first] == [None] * 3
    assert read < 2000
    stream.close()
    # What was under way is forgotten, and the engine is free for others.
    assert set(answers(engine, [request("after", "Well?")])) == {"after"}


def test_a_request_that_fails_fails_alone(engine: Any) -> None:
    pictures = {**PICTURES, "broken": b"no picture", "cut": PICTURES["picture 0"][:80]}
    asked = [
        request("broken", ImageRef("broken"), "What?"),
        request("fine", ImageRef("picture 0"), "What?"),
        request("cut", ImageRef("cut"), "What?"),
        request("missing", ImageRef("nowhere"), "What?"),
        request("too long", "word " * 5000),
    ]
    found = answers(engine, asked, pictures)
    assert {name for name, r in found.items() if r.finish == "error"} == {
        "broken",
        "cut",
        "missing",
        "too long",
    }
    assert "not a picture" in (found["broken"].error or "")
    assert found["fine"] == answers(engine, asked[1:2])["fine"]


def test_the_same_name_may_show_another_picture_later(engine: Any) -> None:
    """Blind runs do that; nothing is cached under a name."""
    asked = [request("1", ImageRef("picture 0"), "What is it?")]
    seeing = answers(engine, asked)
    other = answers(engine, asked, {"picture 0": PICTURES["picture 3"]})
    assert seeing["1"].text != other["1"].text
    assert answers(engine, asked) == seeing


def test_sampling_repeats_with_its_seed(engine: Any) -> None:
    drawn = [
        answers(engine, questions(Decoding(max_new_tokens=8, do_sample=True, temperature=1.5, seed=seed)))
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_beams_are_refused(engine: Any) -> None:
    beams = request("1", "What?", decoding=replace(GREEDY, num_beams=4))
    with pytest.raises(ModelError, match="beams"):
        list(engine.generate([beams], {}))


def test_the_doctor_sees_no_difference_at_any_stage(engine: Any, tiny: Path) -> None:
    requests, pictures = items()
    hf = load_hf(str(tiny), device="cpu")
    comparison = compare(views(hf, requests, pictures), views(engine, requests, pictures))
    assert [stage.compared for stage in comparison.stages] == [len(requests)] * 5
    assert comparison.first is None


def test_another_device_than_vllm_was_built_for_is_refused(tmp_path: Path) -> None:
    folder = save_model("llava", tmp_path / "saved")
    with pytest.raises(ModelError, match="built for"):
        load_model(f"vllm:{folder}", device="cuda")
