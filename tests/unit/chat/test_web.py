"""What the page does when somebody asks, without a browser; and what it says where it cannot be opened."""

from __future__ import annotations

import importlib
from threading import Event
from typing import Any

import pytest

from vlmbench.chat import Picture
from vlmbench.chat.session import ContextFull, EchoTalker
from vlmbench.chat.web import POLICY, guard, require_gradio
from vlmbench.chat.web_answers import ChatColumn, answers
from vlmbench.chat.web_page import _settings_of
from vlmbench.cli.main import main
from vlmbench.domain import Decoding
from vlmbench.errors import UserError

BUS = Picture(name="/tmp/uploads/bus.png", data=b"", size=(4, 3))


class Full(EchoTalker):
    def reply(self, conversation, decoding):  # type: ignore[no-untyped-def]
        raise ContextFull("no room.", fix="`/forget 1` drops the oldest.")
        yield


def test_two_models_answer_side_by_side_and_each_keeps_its_own() -> None:
    talkers = [EchoTalker("a red bus"), EchoTalker("<b>no</b>")]
    columns = [ChatColumn(), ChatColumn()]
    for question, shown in (("What?", (BUS,)), ("Sure?", ())):
        *_, columns = answers(talkers, columns, question, shown, Decoding(), Event())
    left, right = (column.messages() for column in columns)
    assert left[0]["content"] == {"path": BUS.name, "alt_text": "bus.png"}
    assert [m["content"] for m in left[1:]] == ["What?", "a red bus", "Sure?", "a red bus"]
    assert [m["content"] for m in right[2::2]] == ["&lt;b&gt;no&lt;/b&gt;"] * 2
    assert columns[0].status.startswith("3 tokens in ")


def test_one_model_that_cannot_answer_does_not_silence_the_other() -> None:
    *_, (left, right) = answers(
        [Full(""), EchoTalker("yes")], [ChatColumn()] * 2, "What?", (), Decoding(), Event()
    )
    assert (left.messages(), left.status) == ([], "no room. “Clear” starts anew.")
    assert right.messages()[-1]["content"] == "yes"


def test_stopping_keeps_what_was_said() -> None:
    enough = Event()
    growing = answers(
        [EchoTalker("one two three", pause=0.06)], [ChatColumn()], "Count.", (), Decoding(), enough
    )
    for (column,) in growing:
        if column.said:
            enough.set()
    assert column.status.endswith("stopped")
    assert column.conversation.exchanges[0].answer in ("one", "one two")


def test_without_gradio_there_is_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", missing)
        with pytest.raises(UserError) as error:
            require_gradio()
    assert 'pip install "vlmbench-suite[web]"' in str(error.value)
    assert main(["chat", "--model", "echo", "--web", "--image", "x.png"]) == 2
    assert "pictures are uploaded" in capsys.readouterr().err


def test_a_round_number_on_a_slider_is_a_temperature_all_the_same() -> None:
    _, decoding = _settings_of(Decoding(top_k=7), "", 1, 1, 5, None)
    assert isinstance(decoding.temperature, float)
    assert decoding.top_k == 7  # it has no control, and stays as the command line set it
    assert (decoding.do_sample, decoding.max_new_tokens, decoding.seed) == (True, 5, 0)
    assert not _settings_of(Decoding(), "", 0, 1, 5, 3)[1].do_sample


def test_the_policy_names_no_other_host() -> None:
    assert "http" not in POLICY
    assert "*" not in POLICY


@pytest.mark.parametrize(
    ("host", "asked", "status"),
    [
        (None, "127.0.0.1:7860", 200),
        ("localhost", "LOCALHOST:7860", 200),
        (None, "[::1]:7860", 200),
        (None, "evil.example:7860", 421),
        (None, "127.0.0.1.evil.example", 421),
        ("0.0.0.0", "my-machine:7860", 200),
    ],
)
def test_a_page_of_another_name_reads_nothing(host: str | None, asked: str, status: int) -> None:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    app = Starlette(routes=[Route("/", page)], middleware=[guard(host)])
    answer = TestClient(app).get("/", headers={"Host": asked})
    assert (answer.status_code, answer.text == "page") == (status, status == 200)
    assert answer.headers["content-security-policy"] == POLICY
