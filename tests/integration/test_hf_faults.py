"""What goes wrong with one request, one batch or one picture stays there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from asking import PICTURES, QUESTIONS, TinyModel, answers, questions, request

from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.models.hf import load_hf


def test_a_request_that_cannot_be_asked_fails_alone(tiny_model: TinyModel) -> None:
    images = PICTURES | {"broken": b"no picture at all", "cut": PICTURES["picture 3"][:200]}
    odd = [request(name, ImageRef(name), "What?") for name in ("broken", "cut", "absent")]
    model = load_hf(str(tiny_model("idefics3")), device="cpu", batch_size=8)
    mixed = answers(model, [*odd, *questions()], images)
    assert {name for name, r in mixed.items() if r.finish == "error"} == {"broken", "cut", "absent"}
    assert "no picture in any known format" in (mixed["broken"].error or "")
    assert "cut off" in (mixed["cut"].error or "")
    assert "not in the data" in (mixed["absent"].error or "")
    assert {name: mixed[name] for name in answers(model, questions())} == answers(model, questions())


def test_a_sample_the_model_raises_on_fails_alone(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=8)
    victim = QUESTIONS[1]
    lengths = {r.prompt_tokens for name, r in answers(model, questions()).items() if victim in name}

    generate = model._weights.generate

    def raise_on_victims(**inputs: Any) -> Any:
        if any(int(row.sum()) in lengths for row in inputs["attention_mask"]):
            raise RuntimeError("mat1 and mat2 do not fit\nlong trace")
        return generate(**inputs)

    monkeypatch.setattr(model._weights, "generate", raise_on_victims)
    hit = answers(model, questions(Decoding(max_new_tokens=1)))
    failed = {name: r.error for name, r in hit.items() if r.finish == "error"}
    assert failed == {n: "RuntimeError: mat1 and mat2 do not fit" for n in hit if victim in n}


def test_a_batch_that_does_not_fit_is_halved_for_good(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=16)
    generate, sizes = model._weights.generate, []

    def small_device(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(**inputs)

    monkeypatch.setattr(model._weights, "generate", small_device)
    assert answers(model, questions()) == answers(
        load_hf(str(tiny_model("llava")), device="cpu"), questions()
    )
    assert model.batch_size == 2
    assert sizes[:4] == [16, 8, 4, 2]
    assert max(sizes[3:]) == 2


def test_requests_are_read_as_they_are_needed(tiny_model: TinyModel) -> None:
    taken = []

    def endless() -> Iterator[Request]:
        for number in itertools.count():
            taken.append(number)
            yield request(str(number), ImageRef("picture 0"), "What?", decoding=Decoding(max_new_tokens=1))

    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=2)
    first = list(itertools.islice(model.generate(endless(), PICTURES), 3))
    assert len(first) == 3
    assert len(taken) < 100


def test_a_picture_of_several_questions_is_decoded_once(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlmbench.models import hf_pictures

    decoded = []
    open_picture = hf_pictures.open_picture
    monkeypatch.setattr(hf_pictures, "open_picture", lambda data: decoded.append(data) or open_picture(data))
    answers(load_hf(str(tiny_model("llava")), device="cpu", batch_size=2), questions())
    assert sorted(decoded) == sorted(PICTURES.values())


@pytest.mark.gpu
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="needs CUDA")
def test_an_accelerator_is_found_and_gives_the_same_answers_in_every_batch_size(
    tiny_model: TinyModel,
) -> None:
    automatic = load_hf(str(tiny_model("llava")))
    assert automatic._weights.device.type == "cuda"
    assert automatic.batch_size == 64
    alone = load_hf(str(tiny_model("llava")), batch_size=1)
    assert answers(automatic, questions()) == answers(alone, questions())
