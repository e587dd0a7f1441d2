from __future__ import annotations

import time
from pathlib import Path

import pytest

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import ModelError
from vlmbench.models.echo import load_echo


def ask(spec: str, *ids: str) -> list[Response]:
    requests = [
        Request(id=i, group=i, parts=(ImageRef("d"), f"question {i}"), decoding=Decoding()) for i in ids
    ]
    return list(load_echo(spec).generate(requests, {}))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("echo", "A"),
        ("echo:", "A"),
        ("echo:B", "B"),
        ("echo:Yes, it is: a cat", "Yes, it is: a cat"),
        ("echo:!sleep=0", "A"),
        ("echo:no!raise=1", "no!raise=1"),
        ("echo:B, maybe,!raise=other", "B, maybe"),
    ],
)
def test_it_says_what_it_was_told(spec: str, text: str) -> None:
    assert ask(spec, "1") == [Response(id="1", text=text, finish="stop")]


def test_answers_come_from_a_file_by_sample_id(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"index": 1, "prediction": "cat"}\n\n{"index": "2", "prediction": "dog"}\n', "utf-8")
    first, second, third = ask(f"echo:@{file},!raise=2", "1", "2", "3")
    assert first.text == "cat"
    assert second.error == "echo fails on 2, as `!raise` asks"
    assert third.error == "the file of answers has none for 3"


def test_a_fault_hits_its_sample_only() -> None:
    assert [r.finish for r in ask("echo:B,!raise=2,!raise=4", *"12345")] == ["stop", "error"] * 2 + ["stop"]


def test_a_crash_leaves_what_was_answered_before() -> None:
    model = load_echo("echo:!crash=2")
    answers = model.generate([Request(id=i, group=i, parts=(), decoding=Decoding()) for i in "123"], {})
    assert next(answers).text == "A"
    with pytest.raises(RuntimeError, match="crashes at 2"):
        next(answers)


def test_it_can_be_slow() -> None:
    started = time.perf_counter()
    ask("echo:!sleep=0.02", *"123")
    assert time.perf_counter() - started >= 0.06


def test_facts_tell_answers_apart_but_not_faults(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"index": 1, "prediction": "cat"}\n', "utf-8")
    specs = ("echo", "echo:B", f"echo:@{file}")
    assert len({str(load_echo(spec).facts) for spec in specs}) == 3
    assert load_echo("echo:B,!raise=1").facts == load_echo("echo:B").facts


def test_it_renders_pictures_where_they_stand() -> None:
    request = Request(id="1", group="1", parts=("see ", ImageRef("d"), "?"), decoding=Decoding())
    assert load_echo("echo").render(request) == "see <image>?"


def test_bad_specs_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no fault `!burn`"):
        load_echo("echo:!burn=1")
    with pytest.raises(ModelError, match="not a number of seconds"):
        load_echo("echo:!sleep=long")
    with pytest.raises(ModelError, match=r"nowhere\.jsonl"):
        load_echo("echo:@nowhere.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"index": 1}\n', "utf-8")
    with pytest.raises(ModelError, match="row 1"):
        load_echo(f"echo:@{broken}")
