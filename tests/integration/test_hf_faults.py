"""What goes wrong with one request, one batch or one picture stays there."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from asking import GREEDY, PICTURES, QUESTIONS, TinyModel, answers, questions, request

from vlmbench.domain import Decoding, ImageRef, Request
from vlmbench.models.hf.model import load_hf


def test_a_request_that_cannot_be_asked_fails_alone(tiny_model: TinyModel) -> None:
    images = PICTURES | {"broken": b"no picture at all", "cut": PICTURES["picture 3"][:200]}
    odd = [request(name, ImageRef(name), "What?") for name in ("broken", "cut", "absent")]
    model = load_hf(str(tiny_model("idefics3")), device="cpu", batch_size=8)
    mixed = answers(model, [*odd, *questions()], images)
    assert {name for name, r in mixed.items() if r.finish == "error"} == {"broken", "cut", "absent"}
    assert "not a picture in any known format" in (mixed["broken"].error or "")
    assert "cut off" in (mixed["cut"].error or "")
    assert "not in the data" in (mixed["absent"].error or "")
    assert {name: mixed[name] for name in answers(model, questions())} == answers(model, questions())


def test_a_sample_the_model_raises_on_fails_alone(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is asked with others on its picture, or the plain way."""
    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=8)
    tokenizer = model._processor.tokenizer
    victim = QUESTIONS[1]
    end = tokenizer(f"{victim} ASSISTANT:", add_special_tokens=False)["input_ids"][4:-4]
    forward = model._weights.forward

    @functools.wraps(forward)
    def raise_on_victims(**inputs: Any) -> Any:
        if any(str(end).strip("[]") in str(row) for row in inputs["input_ids"].tolist()):
            raise RuntimeError("mat1 and mat2 do not fit\nlong trace")
        return forward(**inputs)

    for decoding in (Decoding(max_new_tokens=2), Decoding(max_new_tokens=2, num_beams=2)):
        sound = answers(model, questions(decoding))
        with monkeypatch.context() as patch:
            patch.setattr(model._weights, "forward", raise_on_victims)
            hit = answers(model, questions(decoding))
        failed = {name: r.error for name, r in hit.items() if r.finish == "error"}
        assert failed == {n: "RuntimeError: mat1 and mat2 do not fit" for n in hit if victim in n}
        assert {n: r for n, r in hit.items() if n not in failed} == {
            n: r for n, r in sound.items() if n not in failed
        }


@pytest.mark.parametrize(
    "decoding", [GREEDY, Decoding(max_new_tokens=4, num_beams=2)], ids=["trees", "plain"]
)
def test_a_batch_that_does_not_fit_halves_the_budget_for_good(
    decoding: Decoding, tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    calm = answers(load_hf(str(tiny_model("llava")), device="cpu"), questions(decoding))
    model = load_hf(str(tiny_model("llava")), device="cpu")
    forward, sizes, fits = model._weights.forward, [], []
    before = model.token_budget

    @functools.wraps(forward)
    def small_device(**inputs: Any) -> Any:
        if inputs["input_ids"].shape[1] > 20:
            sizes.append(inputs["input_ids"].numel())
            if sizes[-1] > 200:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            fits.append(len(sizes))
        return forward(**inputs)

    monkeypatch.setattr(model._weights, "forward", small_device)
    assert answers(model, questions(decoding)) == calm
    # Each size is tried once on the way down, and never again.
    failures = [size for size in sizes if size > 200]
    assert len(failures) == model.timing["out_of_memory"] <= 4
    assert model.timing["token_budget"] == model.token_budget < before
    assert failures == sorted(failures, reverse=True)


def test_requests_are_read_as_they_are_needed(tiny_model: TinyModel) -> None:
    taken = []

    def endless() -> Iterator[Request]:
        for number in itertools.count():
            taken.append(number)
            yield request(str(number), ImageRef("picture 0"), "What?", decoding=Decoding(max_new_tokens=1))

    model = load_hf(str(tiny_model("llava")), device="cpu", batch_size=2)
    first = list(itertools.islice(model.generate(endless(), PICTURES), 3))
    assert len(first) == 3
    assert len(taken) < 200


def test_a_picture_of_several_questions_is_decoded_once(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlmbench.models.hf import prefetch

    decoded = []
    open_picture = prefetch.open_picture
    monkeypatch.setattr(prefetch, "open_picture", lambda data: decoded.append(data) or open_picture(data))
    answers(load_hf(str(tiny_model("llava")), device="cpu", batch_size=2), questions())
    assert sorted(decoded) == sorted(PICTURES.values())


@pytest.mark.gpu
def test_an_accelerator_is_found_and_gives_the_same_answers_in_every_batch_size(
    tiny_model: TinyModel,
) -> None:
    automatic = load_hf(str(tiny_model("llava")))
    assert automatic._weights.device.type == "cuda"
    assert automatic.token_budget > 4096
    alone = load_hf(str(tiny_model("llava")), batch_size=1)
    assert answers(automatic, questions()) == answers(alone, questions())
