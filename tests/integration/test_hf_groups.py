"""Questions on one picture are asked as one, and answered as if each had been asked alone."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asking import GREEDY, PICTURES, TinyModel, answers, request
from tiny_models import ARCHITECTURES, edit_json

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.engine.asking import RunPlan, answer
from vlmbench.engine.status import SilentProgress
from vlmbench.models.hf import prefix_tree
from vlmbench.models.hf.model import HfModel, load_hf
from vlmbench.models.hf.prefetch import Prefetcher
from vlmbench.models.hf.prefix_tree import padded, tree_of

OPTIONS = ("red cat", "dog", "the big blue horse", "no")
COMMONS = ("Which colour is the circle?", "Is there a dog on the left of the tree?")


def rotations(decoding: Decoding = GREEDY, fit: Any = "native") -> list[Request]:
    """Two questions on each picture, each in four rotations."""
    asked = []
    for digest, common, turn in itertools.product(PICTURES, COMMONS, range(4)):
        options = "\n".join(f"{a}. {o}" for a, o in zip("ABCD", OPTIONS[turn:] + OPTIONS[:turn], strict=True))
        name = f"{digest}: {common} {turn}"
        text = f"{common}\n{options}\nAnswer directly."
        asked.append(request(name, ImageRef(digest), text, decoding=decoding, fit=fit))
    return asked


def one_by_one(folder: Path, requests: list[Request], **how: Any) -> dict[str, Response]:
    """By transformers' own `generate`, a prompt at a time."""
    model = load_hf(str(folder), device="cpu", batch_size=1, **how)
    model._sharer = None
    found = answers(model, requests)
    assert model.timing["paths"] == {"plain": len(requests)}
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_answers_are_those_of_asking_one_by_one(architecture: str, tiny_model: TinyModel) -> None:
    folder, asked = tiny_model(architecture), rotations()
    model = load_hf(str(folder), device="cpu")
    found = answers(model, asked)
    assert found == one_by_one(folder, asked)
    assert len({r.text for r in found.values()}) > len(asked) * 0.7
    told = model.timing
    assert told["paths"] == {"shared prefix": len(asked)}
    assert told["pictures_encoded"] == len(PICTURES)
    whole = sum(r.prompt_tokens or 0 for r in found.values())
    assert told["prompt_tokens_computed"] + told["prompt_tokens_saved"] == whole
    assert told["prompt_tokens_computed"] < whole * 0.6


@pytest.mark.parametrize(
    ("architecture", "path"),
    [("llava", "shared pictures"), ("llava_next", "shared pictures"), ("qwen2_vl", "shared pictures"),
     ("qwen2_5_vl", "shared pictures"), ("idefics3", "plain")],
)  # fmt: skip
def test_other_kinds_of_models_fall_back_and_say_so(
    architecture: str, path: str, tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_tree, "KINDS", ())
    asked = rotations(Decoding(max_new_tokens=4))[:24]
    model = load_hf(str(tiny_model(architecture)), device="cpu", batch_size=12)
    assert answers(model, asked) == one_by_one(tiny_model(architecture), asked)
    assert model.timing["paths"] == {path: len(asked)}
    if path == "shared pictures":
        assert model.timing["pictures_encoded"] == 4  # three pictures, one of them in both batches


def test_each_picture_goes_through_the_tower_once(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_hf(str(tiny_model("llava")), device="cpu")
    encode, seen = model._weights.base_model.get_image_features, []

    def counted(**inputs: Any) -> Any:
        seen.append(len(inputs["pixel_values"]))
        return encode(**inputs)

    monkeypatch.setattr(model._weights.base_model, "get_image_features", counted)
    answers(model, rotations())
    assert sum(seen) == len(PICTURES)


def test_answers_end_one_by_one(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    edit_json(folder / "generation_config.json", eos_token_id=[2, *range(200, 260)])
    asked = rotations(Decoding(max_new_tokens=20))
    found = answers(load_hf(str(folder), device="cpu"), asked)
    assert found == one_by_one(folder, asked)
    assert len({r.new_tokens for r in found.values()}) > 5


def test_answers_depend_neither_on_the_batch_nor_on_where_a_run_was_taken_up(tiny_model: TinyModel) -> None:
    asked = rotations(Decoding(max_new_tokens=6))
    whole = answers(load_hf(str(tiny_model("idefics3")), device="cpu"), asked)
    for size in (1, 3, 7):
        rest = asked[size * 5 :: 2]
        part = answers(load_hf(str(tiny_model("idefics3")), device="cpu", batch_size=size), rest)
        assert part == {r.id: whole[r.id] for r in rest}


def test_text_before_the_picture_and_pictures_of_another_fit_are_told_apart(tiny_model: TinyModel) -> None:
    first, second = ImageRef("picture 1"), ImageRef("picture 3")
    asked = [
        *rotations()[8:12], *(r for r in rotations(fit="square")[8:12]),
        *(request(f"before {n}", f"Question {n}: ", first, "what?") for n in range(3)),
        *(request(f"two {n}", "Between ", first, " and ", second, f"which is {n}?") for n in range(3)),
        *(request(f"other {n}", first, f" or {n}, or ", second, "?") for n in range(2)),
        request("last", "What is ", first),
        *(request(f"twice {n}", first, "Is it?") for n in range(2)),
        request("none", "No picture?"),
    ]  # fmt: skip
    asked = [dataclasses.replace(r, id=str(n)) for n, r in enumerate(asked)]
    for architecture in ("llava_next", "qwen2_vl", "idefics3"):
        model = load_hf(str(tiny_model(architecture)), device="cpu")
        assert answers(model, asked) == one_by_one(tiny_model(architecture), asked)
        # Seven of them begin like no other.
        assert model.timing["paths"] == {"shared prefix": len(asked) - 7, "plain": 7}


def test_eager_attention_takes_trees_too(tiny_model: TinyModel) -> None:
    asked = rotations()[:8]
    model = load_hf(str(tiny_model("llava")), device="cpu")
    model._weights.set_attn_implementation("eager")
    assert answers(model, asked) == one_by_one(tiny_model("llava"), asked)


def test_in_bfloat16_a_first_difference_is_a_close_call(tiny_model: TinyModel) -> None:
    """All that half precision promises: rounding decides only between tokens a rounding apart."""
    import torch

    model = load_hf(str(tiny_model("llava")), device="cpu", dtype="bfloat16")
    asked = rotations(Decoding(max_new_tokens=8))
    assert answers(model, asked) == answers(model, asked)
    units = _shared(model, asked)
    with torch.inference_mode():
        said = model._grouped._grow(units, asked[0].decoding)
    close = sum(
        _differs_closely(model, ids, unit.trunk.pixels, tokens)
        for unit, rows in zip(units, said, strict=True)
        for ids, tokens in zip(unit.rows, rows, strict=True)
    )
    assert close < len(asked) / 4


def _shared(model: HfModel, asked: list[Request]) -> list[Any]:
    from vlmbench.models.hf.prefetch import DecodedPictures, JobMaker

    workshop = JobMaker(
        DecodedPictures(PICTURES, (0, 0, 0)), model._renderer, model._processor, model._sharer
    )
    return [job.shared for job in workshop.jobs(asked, 999)]


def _differs_closely(model: HfModel, ids: Any, pixels: Any, tokens: list[int]) -> bool:
    import torch

    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    inputs |= {name: value.to(torch.bfloat16) for name, value in pixels.items()}
    plain = model._weights.generate(
        **inputs, max_new_tokens=len(tokens), output_logits=True, return_dict_in_generate=True
    )
    alone = plain.sequences[0, len(ids) :].tolist()
    for step, (one, other) in enumerate(zip(alone, tokens, strict=False)):
        if one != other:
            logits = plain.logits[step][0].float()
            assert logits[one] - logits[other] <= 0.05 * logits.abs().max()
            return True
    return False


def test_a_run_is_finished_with_another_batch_size_and_its_timing_says_how(tiny_model: TinyModel) -> None:
    asked = rotations(Decoding(max_new_tokens=3))
    kept: dict[str, Response] = {}
    folder: Any = SimpleNamespace(responses=lambda: dict(kept), append=lambda r: kept.update({r.id: r}))
    samples: Any = [SimpleNamespace(id=r.id, problem=None) for r in asked]
    plan = RunPlan(samples=tuple(samples), requests=tuple(asked), partial=False, prompts="")
    undisturbed, timing = answer(
        plan, load_hf(str(tiny_model("llava")), device="cpu"), folder, PICTURES, SilentProgress()
    )
    assert timing["paths"] == {"shared prefix": len(asked)}
    assert timing["asked"] == len(asked)
    for lost in asked[3::2]:
        del kept[lost.id]
    other = load_hf(str(tiny_model("llava")), device="cpu", batch_size=3)
    finished, timing = answer(plan, other, folder, PICTURES, SilentProgress())
    assert {i: r.text for i, r in finished.items()} == {i: r.text for i, r in undisturbed.items()}
    assert sum(timing["paths"].values()) == len(asked[3::2])
    assert "paths" not in answer(plan, other, folder, PICTURES, SilentProgress())[1]


def test_every_token_of_a_tree_sees_the_tokens_of_its_prompts_before_it() -> None:
    rows = [(1, 2, 3, 9), (1, 2, 4, 9), (1, 2, 3, 5, 9), (7,), (1, 2, 3, 9)]
    tree = tree_of(rows)
    assert tree.ids.tolist() == [1, 2, 3, 5, 4, *(row[-1] for row in rows)]
    other = tree_of([(n, *range(9), n) for n in range(7)])
    for together in ([tree], [tree, other]):
        forest = padded(together, pad=0)
        for place, row in enumerate(rows, start=forest.ids.shape[1] - forest.width):
            path = forest.sees[0, place].nonzero()[:, 0]
            assert forest.ids[0, path].tolist() == list(row)
            assert forest.depth[0, path].tolist() == list(range(len(row)))
            for step, token in enumerate(path[:-1]):
                assert forest.sees[0, token].nonzero()[:, 0].tolist() == path[: step + 1].tolist()


def test_many_questions_on_one_picture_are_divided_before_they_take_memory(tiny_model: TinyModel) -> None:
    briefly = Decoding(max_new_tokens=1)
    texts = [f"Is this number {n}?" for n in range(300)]
    asked = [request(text, ImageRef("picture 2"), text, decoding=briefly) for text in texts]
    model = load_hf(str(tiny_model("llava")), device="cpu")
    model._batcher.tokens = 500
    assert {r.error for r in answers(model, asked).values()} == {None}
    assert 3 < model.timing["pictures_encoded"] < 20


def test_what_is_longer_than_the_budget_all_by_itself_is_still_computed_once(tiny_model: TinyModel) -> None:
    briefly, before = Decoding(max_new_tokens=2), "Look at the picture and at every part of it. " * 9
    asked = [
        request(end, before, ImageRef("picture 2"), f"{end}?", decoding=briefly)
        for end in ("A", "B", "C", "D")
    ]
    model = load_hf(str(tiny_model("llava")), device="cpu")
    whole = answers(model, asked)
    computed = model.timing["prompt_tokens_computed"]
    model._batcher.tokens = computed // 2
    assert answers(model, asked) == whole
    assert model.timing["paths"] == {"shared prefix": 4}
    assert model.timing["pictures_encoded"] == 1
    assert model.timing["prompt_tokens_computed"] == computed
    # Once a batch has not fit, the budget is what the memory holds.
    model._batcher.halvings = 1
    assert answers(model, asked) == whole
    assert model.timing["paths"] == {"plain": 4}
    assert model.timing["pictures_encoded"] == 4
    assert model.timing["out_of_memory"] == 0


def test_tokens_a_checkpoint_never_says_are_left_to_generate(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    edit_json(folder / "generation_config.json", suppress_tokens=list(range(100, 390)))
    asked = rotations(Decoding(max_new_tokens=4))[:8]
    model = load_hf(str(folder), device="cpu")
    assert answers(model, asked) == one_by_one(folder, asked)
    assert "shared prefix" not in model.timing["paths"]


def test_what_is_read_ahead_is_bounded_and_stops_when_left() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    with Prefetcher(source(), 5, lambda number: 1) as items:
        assert list(itertools.islice(items, 10)) == list(range(10))
    assert len(taken) <= 16
    assert not any(thread.name == "vlmbench-ahead" for thread in threading.enumerate())


def test_what_goes_wrong_ahead_goes_wrong_where_it_is_read() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("the file is gone")

    with Prefetcher(source(), 9, lambda number: 1) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="the file is gone"):
            next(items)
