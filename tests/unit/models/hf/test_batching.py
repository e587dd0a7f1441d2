from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import DataError
from vlmbench.models.hf.batching import (
    Batcher,
    DeviceJob,
    OutOfMemoryError,
    Prompt,
    bytes_per_token,
    failure,
    units,
    windows,
)
from vlmbench.models.hf.prefix_tree import CommonPrefix, SharedPrompts, tree_of


def prompt(name: str, length: int = 1, *pictures: str, pixels: int = 0, **decoding: Any) -> Prompt:
    parts = (*(ImageRef(picture) for picture in pictures), "text")
    request = Request(id=name, group=name, parts=parts, decoding=Decoding(**decoding))
    return Prompt(request=request, text="text", length=length, pixels=pixels)


def job(name: str, tokens: int = 1, *pictures: str, **decoding: Any) -> DeviceJob:
    return DeviceJob(prompts=(prompt(name, tokens, *pictures, **decoding),), tokens=tokens)


def tree(names: str, *pictures: str) -> DeviceJob:
    """A prompt a letter, of three tokens, the first two shared."""
    rows = tuple((1, 2, 100 + place) for place in range(len(names)))
    shared = SharedPrompts(rows=rows, trunk=CommonPrefix(), tree=tree_of(rows))
    prompts = tuple(prompt(name, 3, *pictures) for name in names)
    return DeviceJob(prompts=prompts, tokens=shared.tokens, shared=shared)


def batches(
    batcher: Batcher, *jobs: DeviceJob | Response, capacity: int = 99
) -> tuple[list[str], dict[str, str]]:
    """Which prompts were asked together, and what came of each."""
    asked: list[str] = []

    def ask(batch: Sequence[DeviceJob]) -> list[Response]:
        names = [p.request.id for job in batch for p in job.prompts]
        asked.append("".join(names))
        if len(names) > capacity:
            raise OutOfMemoryError("out of memory")
        if "x" in names:
            raise ValueError("no\nand why")
        return [Response(id=name, text="", finish="stop") for name in names]

    came = [(r.id, r.error or r.finish) for r in batcher.answer(jobs, ask)]
    assert len(dict(came)) == len(came)
    return asked, dict(came)


def test_a_batch_holds_its_tokens_and_the_padding() -> None:
    jobs = [job("a", 5), job("b", 4), job("c", 4), job("d", 1), job("e", 1)]
    assert batches(Batcher(10), *jobs)[0] == ["ab", "cd", "e"]
    assert batches(Batcher(10), *reversed(jobs))[0] == ["ed", "cb", "a"]
    assert batches(Batcher(3), *jobs)[0] == ["a", "b", "c", "de"]


def test_a_batch_holds_no_more_prompts_than_told() -> None:
    assert batches(Batcher(99, rows=2), *(job(name) for name in "abcde"))[0] == ["ab", "cd", "e"]
    assert batches(Batcher(99, rows=4), tree("abc"), tree("de"), tree("f"))[0] == ["abc", "def"]


def test_only_what_is_decoded_alike_is_asked_together() -> None:
    asked, _ = batches(Batcher(9), job("a"), job("b", num_beams=2), job("c"))
    assert asked == ["a", "b", "c"]


def test_prompts_with_and_without_pictures_are_not_mixed() -> None:
    asked, _ = batches(Batcher(9), job("a"), job("b", 1, "picture"), job("c", 1, "another"))
    assert asked == ["a", "bc"]


def test_sampling_is_done_one_by_one() -> None:
    asked, _ = batches(Batcher(9), job("a", do_sample=True), job("b", do_sample=True))
    assert asked == ["a", "b"]


def test_a_unit_too_large_for_a_batch_is_divided() -> None:
    assert tree("abcd").tokens == 6
    assert batches(Batcher(5), tree("abcd"))[0] == ["ab", "cd"]
    assert batches(Batcher(99, rows=1), tree("abc"))[0] == ["a", "b", "c"]


def test_a_batch_with_a_failing_prompt_is_asked_one_by_one() -> None:
    alone = ["a", "x", "b", "c"]
    came = {"a": "stop", "x": "ValueError: no", "b": "stop", "c": "stop"}
    assert batches(Batcher(3), *(job(name) for name in "axbc")) == (["axb", *alone[:3], "c"], came)
    assert batches(Batcher(99), tree("ax"), tree("bc")) == (["axbc", *alone], came)


def test_a_smaller_budget_is_remembered() -> None:
    batcher = Batcher(8)
    asked, came = batches(batcher, *(job(name) for name in "abcde"), capacity=2)
    assert asked == ["abcde", "ab", "cd", "e"]
    assert (batcher.tokens, batcher.halvings) == (2, 1)
    assert set(came.values()) == {"stop"}


def test_a_unit_that_does_not_fit_is_divided_and_so_are_those_after_it() -> None:
    batcher = Batcher(8)
    asked, came = batches(batcher, tree("abcd"), tree("efgh"), capacity=3)
    assert asked == ["abcd", "a", "b", "c", "d", "e", "f", "g", "h"]
    assert set(came.values()) == {"stop"}


def test_what_does_not_fit_alone_is_an_error() -> None:
    _, came = batches(Batcher(2), job("a"), tree("bc"), capacity=0)
    assert set(came.values()) == {"out of memory"}


def test_what_is_a_response_already_passes_through() -> None:
    failed = Response(id="f", text="", finish="error", error="broken")
    _, came = batches(Batcher(9), job("a"), failed, job("b"))
    assert came == {"f": "broken", "a": "stop", "b": "stop"}


def test_windows_end_by_number_and_by_pixels_but_not_inside_a_unit() -> None:
    prompts = [prompt(f"{i}", 1, f"p{i // 2}", pixels=40) for i in range(8)]
    assert [len(w) for w in windows(prompts, most=3)] == [4, 4]
    assert [len(w) for w in windows(prompts, most=99, pixels=80)] == [4, 4]
    assert [len(w) for w in windows(prompts, most=99, pixels=10)] == [2, 2, 2, 2]
    assert [len(w) for w in windows([prompt(f"{i}", 1, "p") for i in range(8)], most=3)] == [6, 2]


def test_windows_are_filled_only_when_asked_for() -> None:
    taken = []

    def source() -> Iterator[Prompt]:
        for number in range(100):
            taken.append(number)
            yield prompt(str(number))

    next(windows(source(), most=5))
    assert len(taken) == 6


def test_questions_on_one_picture_are_a_unit_and_long_units_come_first() -> None:
    window = [
        prompt("a", 5, "one"), prompt("b", 9, "two"), prompt("c", 5, "one"),
        prompt("d", 7, "one", "two"), prompt("e", 7, "one", num_beams=2),
    ]  # fmt: skip
    assert ["".join(p.request.id for p in unit) for unit in units(window)] == ["b", "d", "ac", "e"]


def test_without_pictures_a_group_is_a_unit() -> None:
    window = [dataclasses.replace(p, request=dataclasses.replace(p.request, group=p.request.id[0]))
              for p in (prompt("a1"), prompt("b1"), prompt("a2"))]  # fmt: skip
    assert [[p.request.id for p in unit] for unit in units(window)] == [["a1", "a2"], ["b1"]]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataError("the picture is cut off."), "the picture is cut off"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (RuntimeError("shape\nlong trace"), "RuntimeError: shape"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, text: str) -> None:
    assert failure("1", error).error == text


def test_a_seven_billion_llama_takes_about_two_thirds_of_a_megabyte_a_token() -> None:
    llama = SimpleNamespace(
        num_attention_heads=32, hidden_size=4096, num_hidden_layers=32, intermediate_size=11008
    )
    assert 500_000 < bytes_per_token(llama, itemsize=2) < 700_000
    llama.intermediate_size = [11_008] * 32  # one a layer, as in Gemma 3n
    assert 500_000 < bytes_per_token(llama, itemsize=2) < 700_000
