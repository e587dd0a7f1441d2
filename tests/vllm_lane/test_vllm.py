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

from vlmbench.decoding import changed
from vlmbench.doctor.compare import compare, items, views
from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.errors import ModelError, UnknownName
from vlmbench.models.hf.logits import penalised, tokens_in
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


@pytest.mark.parametrize(
    "settings",
    [{"repetition_penalty": 1.3}, {"presence_penalty": 1.5}, {"stop": ["e", "the "]}],
    ids=lambda settings: "-".join(settings),
)
def test_penalties_and_stop_texts_are_those_of_transformers(
    settings: dict[str, Any], engine: Any, tiny: Path
) -> None:
    asked = [replace(r, decoding=changed(LONG, settings)) for r in questions(LONG)]
    ours, theirs = answers(engine, asked), answers(load_hf(str(tiny), device="cpu"), asked)
    assert ours == theirs
    plain = answers(engine, questions(LONG))
    assert sum(ours[r.id].text != plain[r.id].text for r in asked) > len(asked) / 3


def test_our_penalties_are_vllms_own_function() -> None:
    import torch
    from vllm.model_executor.layers.utils import apply_penalties

    decoding = Decoding(repetition_penalty=1.3, presence_penalty=0.7)
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    prompts, written = torch.randint(40, (3, 12)), torch.randint(40, (3, 6))
    theirs = apply_penalties(
        logits.clone(),
        prompts,
        written,
        torch.full((3,), decoding.presence_penalty),
        torch.zeros(3),
        torch.full((3,), decoding.repetition_penalty),
    )
    ours = penalised(
        logits, tokens_in(prompts, prompts >= 0, 40), tokens_in(written, written >= 0, 40), decoding
    )
    # vLLM multiplies by the inverse of the penalty.
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_what_is_drawn_does_not_depend_on_what_is_asked_beside_it(engine: Any) -> None:
    how = {"temperature": 1.5, "top_p": 0.9, "top_k": 20, "min_p": 0.01, "presence_penalty": 0.5}
    asked = questions(changed(Decoding(max_new_tokens=8, seed=3), how))
    together = answers(engine, asked)
    assert answers(engine, asked[:1]) == {asked[0].id: together[asked[0].id]}
    assert answers(engine, asked[::-1]) == together


def test_a_temperature_that_vllm_would_raise_is_refused(engine: Any) -> None:
    cold = request("1", "What?", decoding=Decoding(do_sample=True, temperature=1e-6))
    with pytest.raises(ModelError, match="`temperature`"):
        list(engine.generate([cold], {}))


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


def test_settings_of_the_engine_arrive_and_a_misspelt_one_names_the_nearest(tiny: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean max_model_len"):
        load_model(f"vllm:{tiny}", engine_args={"max_modl_len": 512})
    with pytest.raises(ModelError, match=r"max_model_len: .*Correct --engine-arg"):
        load_model(f"vllm:{tiny}", engine_args={"max_model_len": "long"})
    given = {"max_model_len": 512, "limit_mm_per_prompt": {"image": 2}, "enable_prefix_caching": False}
    model: Any = load_model(f"vllm:{tiny}", engine_args=given)
    try:
        config = model._engine._engine.vllm_config
        assert config.model_config.max_model_len == 512
        assert config.model_config.multimodal_config.get_limit_per_prompt("image") == 2
        assert model.facts["engine"] == {"enable_prefix_caching": False}
    finally:
        model.close()
