from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import DataError
from vlmbench.models.hf_batches import Batcher, OutOfMemoryError, Prompt, failure, windows
from vlmbench.models.hf_size import bytes_per_token


def prompt(name: str, length: int = 1, *pictures: str, pixels: int = 0, **decoding: bool) -> Prompt:
    parts = (*(ImageRef(picture) for picture in pictures), "text")
    request = Request(id=name, group=name, parts=parts, decoding=Decoding(**decoding))
    return Prompt(request=request, text="text", length=length, pixels=pixels)


def batches(batcher: Batcher, *prompts: Prompt, capacity: int = 99) -> tuple[list[str], dict[str, str]]:
    """Which prompts were asked together, and what came of each."""
    asked: list[str] = []

    def ask(batch: Sequence[Prompt]) -> list[Response]:
        asked.append("".join(p.request.id for p in batch))
        if len(batch) > capacity:
            raise OutOfMemoryError("out of memory")
        if any(p.request.id == "x" for p in batch):
            raise ValueError("no\nand why")
        return [Response(id=p.request.id, text="", finish="stop") for p in batch]

    return asked, {r.id: r.error or r.finish for r in batcher.answer(prompts, ask)}


def test_the_longest_come_first() -> None:
    asked, _ = batches(Batcher(2), prompt("a", 1), prompt("b", 3), prompt("c", 2))
    assert asked == ["bc", "a"]


def test_only_what_is_decoded_alike_is_asked_together() -> None:
    beams = Prompt(
        request=Request(id="b", group="b", parts=("t",), decoding=Decoding(num_beams=2)),
        text="",
        length=1,
        pixels=0,
    )
    asked, _ = batches(Batcher(9), prompt("a"), beams, prompt("c"))
    assert asked == ["ac", "b"]


def test_prompts_with_and_without_pictures_are_not_mixed() -> None:
    asked, _ = batches(Batcher(9), prompt("a"), prompt("b", 1, "picture"), prompt("c"))
    assert asked == ["ac", "b"]


def test_sampling_is_done_one_by_one() -> None:
    asked, _ = batches(Batcher(9), prompt("a", do_sample=True), prompt("b", do_sample=True))
    assert asked == ["a", "b"]


def test_a_batch_with_a_failing_prompt_is_asked_one_by_one() -> None:
    asked, came = batches(Batcher(3), *(prompt(name) for name in "axbc"))
    assert asked == ["axb", "a", "x", "b", "c"]
    assert came == {"a": "stop", "x": "ValueError: no", "b": "stop", "c": "stop"}


def test_a_smaller_batch_is_remembered() -> None:
    batcher = Batcher(8)
    asked, came = batches(batcher, *(prompt(name) for name in "abcde"), capacity=2)
    assert asked == ["abcde", "ab", "cd", "e"]
    assert batcher.size == 2
    assert set(came.values()) == {"stop"}


def test_what_does_not_fit_alone_is_an_error() -> None:
    _, came = batches(Batcher(2), prompt("a"), prompt("b"), capacity=0)
    assert came == {"a": "out of memory", "b": "out of memory"}


def test_windows_end_by_number_and_by_pixels_of_distinct_pictures() -> None:
    prompts = [prompt(f"{i}", 1, f"p{i // 2}", pixels=40) for i in range(8)]
    assert [len(w) for w in windows(prompts, most=3)] == [3, 3, 2]
    assert [len(w) for w in windows(prompts, most=99, pixels=80)] == [4, 4]
    assert [len(w) for w in windows(prompts, most=99, pixels=10)] == [2, 2, 2, 2]


def test_windows_are_filled_only_when_asked_for() -> None:
    taken = []

    def source() -> Iterator[Prompt]:
        for number in range(100):
            taken.append(number)
            yield prompt(str(number))

    next(windows(source(), most=5))
    assert len(taken) == 6


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
