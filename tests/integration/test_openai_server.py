"""An OpenAI-compatible server, asked for real on loopback: well behaved, busy, broken, and locked."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import (
    QUICK,
    Behaviour,
    ChatServer,
    Fault,
    chat_server,
    completion,
    first,
    pictures_of,
    question_of,
)
from tiny_models import picture

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import ModelError
from vlmbench.images import CLIP_MEAN, open_picture, pad_to_square
from vlmbench.models.servers.client import ChatClient, Patience
from vlmbench.models.servers.model import ServedModel, load_server
from vlmbench.models.servers.openai import OPENAI
from vlmbench.models.servers.pace import Pace
from vlmbench.models.servers.rate_headers import retry_after

PNG = b"\x89PNG\r\n\x1a\n and pixels"
JPEG = b"\xff\xd8\xff and pixels"
KEY = "sk-very-secret-7"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def request(name: str = "1", *parts: str | ImageRef, decoding: Decoding | None = None) -> Request:
    return Request(id=name, group=name, parts=parts or ("What?",), decoding=decoding or Decoding())


def model_of(
    server: ChatServer, patience: Patience = QUICK, concurrency: int = 4, rpm: float | None = None
) -> ServedModel:
    return load_server(server.spec, concurrency=concurrency, requests_per_minute=rpm, patience=patience)


def ask(
    server: ChatServer, *requests: Request, images: Mapping[str, bytes] | None = None
) -> dict[str, Response]:
    return {r.id: r for r in model_of(server).generate(requests or (request(),), images or {})}


def test_an_answer_comes_with_its_tokens() -> None:
    with chat_server("It is a dog.") as server:
        answer = ask(server)["1"]
    assert (answer.text, answer.finish, answer.prompt_tokens, answer.new_tokens) == (
        "It is a dog.",
        "stop",
        11,
        3,
    )


def test_greedy_means_temperature_0_and_no_streaming() -> None:
    with chat_server("A") as server:
        ask(server, request(decoding=Decoding(max_new_tokens=7)))
    body = server.bodies[0]
    assert (body["temperature"], body["max_tokens"], body["stream"], body["model"]) == (0, 7, False, "judge")


def test_pictures_travel_as_their_own_bytes_in_place() -> None:
    parts = (ImageRef("p"), "left of ", ImageRef("j"), "what?")
    with chat_server("A") as server:
        ask(server, request("1", *parts), images={"p": PNG, "j": JPEG})
    content = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text", "image_url", "text"]
    assert pictures_of(server.bodies[0]) == [("image/png", PNG), ("image/jpeg", JPEG)]


def test_a_picture_of_no_known_format_is_that_rows_error() -> None:
    with chat_server("A") as server:
        answers = ask(server, request("1", ImageRef("x")), request("2"), images={"x": b"GIF?"})
    assert "no format" in str(answers["1"].error)
    assert answers["2"].text == "A"


def test_many_are_asked_at_once_and_never_more_than_told() -> None:
    def slowly(body: dict[str, object], _before: int) -> str:
        time.sleep(0.05)
        return question_of(body)

    with chat_server(slowly) as server:
        answers = ask(server, *(request(str(i), f"question {i}") for i in range(12)))
    assert {i: r.text for i, r in answers.items()} == {str(i): f"question {i}" for i in range(12)}
    assert 2 <= server.most_under_way <= 4


def test_a_rate_limit_spaces_the_requests() -> None:
    with chat_server("A") as server:
        list(model_of(server, rpm=1200).generate([request(str(i)) for i in range(10)], {}))
    assert server.times[-1] - server.times[0] >= 0.3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503, body=b"<html>busy</html>"),
        Fault(status=429),
        Fault(status=429, headers={"Retry-After": "0.05"}),
        Fault(close=True, body=b'{"choi'),
        Fault(body=b"this is no JSON"),
        Fault(body=b"[" * 100_000),
        Fault(body=b'{"choices": []}'),
        Fault(sleep=0.7, body=completion("too late")),
    ],
    ids=[
        "500",
        "503",
        "429",
        "429 and when",
        "closed midway",
        "no JSON",
        "too deep",
        "no choices",
        "timeout",
    ],
)
def test_trouble_that_passes_costs_no_answer(fault: Fault) -> None:
    with chat_server(first(2, fault)) as server:
        assert ask(server)["1"].text == "B"
    assert len(server.bodies) == 3


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(body=b"nonsense"), Fault(close=True)])
def test_trouble_that_stays_is_an_error_of_that_row(fault: Fault) -> None:
    behaviour: Behaviour = lambda body, _: fault if question_of(body) == "bad" else "A"  # noqa: E731
    with chat_server(behaviour) as server:
        answers = ask(server, request("1"), request("2", "bad"), request("3"))
    assert [answers[i].finish for i in "123"] == ["stop", "error", "stop"]
    assert "4 attempts" in str(answers["2"].error)


@pytest.mark.parametrize("number", [b"-5", b"9" * 400, b"true"], ids=["negative", "huge", "no number"])
def test_a_number_of_tokens_that_cannot_be_is_none(number: bytes) -> None:
    body = completion("A").replace(b'"prompt_tokens": 11', b'"prompt_tokens": ' + number)
    with chat_server(lambda _b, _n: Fault(body=body)) as server:
        answer = ask(server)["1"]
    assert (answer.text, answer.prompt_tokens, answer.new_tokens) == ("A", None, 3)


def test_a_reply_without_end_is_an_error_of_that_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.models.servers.client.LONGEST_REPLY", 1000)
    with chat_server(lambda body, _: "A" * 2000 if question_of(body) == "bad" else "A") as server:
        answers = ask(server, request("1", "bad"), request("2"))
    assert (answers["1"].error, answers["2"].text) == ("the reply is longer than 1,000 bytes", "A")


def test_a_request_of_its_own_fault_is_not_repeated() -> None:
    with chat_server(
        lambda _b, _n: Fault(status=400, body=b'{"error": {"message": "prompt too long"}}')
    ) as server:
        answer = ask(server)["1"]
    assert "prompt too long" in str(answer.error)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("reason", ["content_filter", "abort", "error", "tool_calls"])
@pytest.mark.parametrize("text", [None, "", "It is a"])
def test_a_withheld_or_aborted_answer_is_an_error(reason: str, text: str | None) -> None:
    with chat_server(lambda _b, _n: Fault(body=completion(text, reason))) as server:
        answer = ask(server)["1"]
    assert (answer.finish, answer.text) == ("error", "")
    assert reason in str(answer.error)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *((reason, "stop") for reason in ("stop", None, "", "eos_token", "end_turn", "STOP")),
        *((reason, "length") for reason in ("length", "max_tokens")),
    ],
)
def test_an_answer_ends_by_itself_or_at_its_limit_in_any_servers_words(
    reason: str | None, finish: str
) -> None:
    with chat_server(lambda _b, _n: Fault(body=completion("A", reason))) as server:
        answer = ask(server)["1"]
    assert (answer.text, answer.finish, answer.error) == ("A", finish, None)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        ({"message": "prompt too long"}, 1),
        ({"message": "prompt too long", "code": 400}, 1),
        ({"message": "overloaded, prompt too long", "code": 503}, 4),
        ({"message": "prompt too long", "type": "rate_limit_error"}, 4),
        ("prompt too long", 1),
    ],
)
def test_an_error_sent_as_a_success_is_what_it_says(error: object, asked: int) -> None:
    body = json.dumps({"error": error}).encode()
    with chat_server(lambda _b, _n: Fault(body=body)) as server:
        assert "prompt too long" in str(ask(server)["1"].error)
    assert len(server.bodies) == asked


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_server_that_has_moved_stops_the_run_and_names_the_other_address(status: int) -> None:
    moved = Fault(status=status, headers={"Location": "https://other:8443/api/v1/chat/completions?a=b"})
    with chat_server(lambda _b, _n: moved) as server, pytest.raises(ModelError) as refused:
        ask(server, *(request(str(i)) for i in range(50)))
    assert "openai:NAME@https://other:8443/api/v1." in str(refused.value)
    assert len(server.bodies) < 50


def test_retry_after_is_waited_for_by_everybody() -> None:
    with chat_server(first(1, Fault(status=429, headers={"Retry-After": "0.3"}))) as server:
        list(model_of(server, concurrency=1).generate([request("1"), request("2")], {}))
    assert server.times[1] - server.times[0] >= 0.29


def test_requests_that_wait_their_turn_keep_quiet_too_and_come_back_one_by_one() -> None:
    busy = Fault(status=429, headers={"Retry-After": "0.5"})
    with chat_server(lambda _b, before: busy if before == 3 else "A") as server:
        list(model_of(server, concurrency=8, rpm=300).generate([request(str(i)) for i in range(7)], {}))
    assert server.times[4] - server.times[3] >= 0.45
    assert server.times[7] - server.times[4] >= 0.4


def test_what_was_held_back_starts_at_different_moments() -> None:
    async def starts() -> list[float]:
        pace, loop = Pace(), asyncio.get_running_loop()
        pace.hold(0.05, 0.2)

        async def one() -> float:
            await pace.turn()
            return loop.time()

        return await asyncio.gather(*(one() for _ in range(16)))

    moments = asyncio.run(starts())
    assert max(moments) - min(moments) > 0.05


def test_a_turn_after_the_deadline_is_not_waited_for() -> None:
    async def late() -> bool:
        pace = Pace()
        pace.hold(60)
        return await pace.turn(asyncio.get_running_loop().time() + 1)

    assert asyncio.run(late()) is False


@pytest.mark.slow
def test_a_wait_longer_than_the_deadline_is_not_waited_for() -> None:
    with chat_server(lambda _b, _n: Fault(status=429, headers={"Retry-After": "3600"})) as server:
        started = time.monotonic()
        assert "3600 s" in str(ask(server)["1"].error)
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_the_deadline_holds_over_all_attempts() -> None:
    patience = Patience(base=0.01, attempts=100, attempt_timeout=0.2, deadline=0.6)
    with chat_server(lambda _b, _n: Fault(sleep=1.0)) as server:
        started = time.monotonic()
        (answer,) = model_of(server, patience).generate([request()], {})
    assert answer.finish == "error"
    assert time.monotonic() - started < 10  # a hundred attempts take twice that


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after("2.5") == 2.5
    assert 28 < (retry_after(format_datetime(soon, usegmt=True)) or 0) <= 30
    assert [retry_after(header) for header in (None, "soon", "inf")] == [None, None, None]
    assert retry_after("-3") == retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_waits_double_up_to_a_limit_and_vary() -> None:
    patience = Patience(base=1, longest=8)
    waits = [[patience.wait(n) for _ in range(20)] for n in (1, 2, 3, 4, 9)]
    assert [max(w) <= most for w, most in zip(waits, (1, 2, 4, 8, 8), strict=True)] == [True] * 5
    assert all(min(w) < max(w) and min(w) >= most / 2 for w, most in zip(waits, (1, 2, 4, 8, 8), strict=True))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_closed_door_stops_the_run_and_says_what_to_set(status: int) -> None:
    with chat_server(lambda _b, _n: Fault(status=status)) as server, pytest.raises(ModelError) as refused:
        ask(server, *(request(str(i)) for i in range(50)))
    assert ("OPENAI_API_KEY" if status != 404 else "/v1") in str(refused.value)
    assert len(server.bodies) < 50


def test_an_empty_account_stops_the_run() -> None:
    broke = Fault(status=429, body=b'{"error": {"message": "pay first", "code": "insufficient_quota"}}')
    with chat_server(lambda _b, _n: broke) as server, pytest.raises(ModelError, match="used up"):
        ask(server)


def test_a_server_that_has_gone_stops_the_run_and_keeps_what_came() -> None:
    patience = Patience(base=0.001, attempts=2, attempt_timeout=0.5, deadline=2)
    with chat_server(lambda _b, before: "A" if before < 3 else Fault(status=502)) as server:
        answers = model_of(server, patience, concurrency=2).generate([request(str(i)) for i in range(99)], {})
        kept = [next(answers) for _ in range(3)]
        with pytest.raises(ModelError, match="in a row"):
            list(answers)
    assert [answer.text for answer in kept] == ["A"] * 3
    assert len(server.bodies) < 40


def test_the_key_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    parrot = Fault(status=400, body=f'{{"error": {{"message": "your key is {KEY}"}}}}'.encode())
    with chat_server(lambda _b, _n: parrot) as server:
        model = model_of(server)
        (answer,) = model.generate([request()], {})
        shown = f"{answer} {model!r} {vars(model)} {model.facts}"
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "your key is" in shown
    assert KEY not in shown


@pytest.mark.parametrize("before", [270, 280, 290, 299])
def test_no_part_of_a_key_is_shown_where_words_are_cut(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    parrot = {"error": {"message": "x" * before + f" Bearer {KEY}"}}
    with chat_server(lambda _b, _n: Fault(status=400, body=json.dumps(parrot).encode())) as server:
        assert KEY[:2] not in str(ask(server)["1"].error)


def test_no_key_is_shown_in_the_name_of_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    response = httpx.Response(400, extensions={"reason_phrase": f"No {KEY}".encode()})
    client = ChatClient("http://127.0.0.1/v1", OPENAI, patience=QUICK, pace=Pace())
    assert KEY not in str(client._refusal(response, "chat/completions", 400))


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nx")
    with chat_server("A") as server, pytest.raises(ModelError) as refused:
        ask(server)
    assert KEY not in str(refused.value)


def test_a_key_in_an_answer_is_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    hidden = b64encode(KEY.encode()).decode()
    body = completion(f"B {hidden}", reasoning_content=f"It is {KEY[::-1]}.")
    with chat_server(lambda _b, _n: Fault(body=body)) as server:
        answer = ask(server)["1"]
    assert answer.text == "B …"
    assert hidden not in repr(answer)
    assert KEY[::-1] not in repr(answer)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"http://host/v1?key={KEY}"])
def test_an_address_with_a_key_in_it_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as refused:
        load_server(f"openai:judge@{url}")
    assert KEY not in str(refused.value)


def test_hosts_reached_without_a_proxy_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,::1,.inside,10.0.0.0/8")
    ChatClient("http://host/v1", OPENAI, patience=QUICK, pace=Pace())


def test_facts_name_the_model_the_address_and_what_is_served() -> None:
    with chat_server("A") as server:
        facts = model_of(server).facts
    assert facts == {
        "kind": "openai",
        "name": "judge",
        "url": server.url,
        "served": {"id": "judge", "root": "org/judge-7b"},
    }


@pytest.mark.parametrize("served", [Fault(status=404), Fault(status=400), []])
def test_a_server_that_does_not_say_what_it_serves_is_asked_all_the_same(
    served: Fault | list[dict[str, str]],
) -> None:
    with chat_server("A") as server:
        server.served = served
        assert model_of(server).facts["served"] is None


def test_answers_do_not_wait_for_a_list_of_models_that_they_do_not_need() -> None:
    with chat_server("A") as server:
        ask(server)
        assert server.listings == 0
        model = model_of(server)
        model.reach(print)
        assert [model.facts["served"], server.listings] == [{"id": "judge", "root": "org/judge-7b"}, 1]


def test_nobody_at_the_address_is_said_soon_with_a_remark_while_waiting() -> None:
    with chat_server("A") as server:
        gone = server.spec
    remarks: list[str] = []
    with pytest.raises(ModelError, match=r"does not answer.*3 attempts.*Is the server running"):
        load_server(gone, patience=Patience(base=0.01)).reach(remarks.append)
    assert len(remarks) == 2
    assert "asking again" in remarks[0]


@pytest.mark.parametrize(
    "url",
    [
        *("http://[::1/v1", "http:///v1", "http://a b/v1", "http://.../v1", "https://xn--/v1"),
        *("http://host:port/v1", "http://host:99999/v1", "http://host:0/v1"),
    ],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ModelError, match="openai:NAME@"):
        load_server(f"openai:judge@{url}")


@pytest.mark.parametrize(
    "proxy", ["socks5://me:secret@h:1", "garbage://me:secret@h", "http://me:secret@h:99999"]
)
def test_a_proxy_that_cannot_be_used_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ModelError, match="ALL_PROXY") as refused:
        load_server("openai:judge@http://host/v1").facts  # noqa: B018
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "name", "url"),
    [
        ("openai:gpt-4o@https://api.openai.com/v1", "gpt-4o", "https://api.openai.com/v1"),
        ("openai:a/b@c@http://h:1", "a/b@c", "http://h:1/v1"),
        ("openai:m@http://h/v1/chat/completions", "m", "http://h/v1"),
    ],
)
def test_the_address_is_taken_as_far_as_v1(spec: str, name: str, url: str) -> None:
    model = load_server(spec)
    assert repr(model) == f"ServedModel('openai:{name}@{url}')"


def test_a_picture_is_padded_before_it_is_sent_in_the_colour_of_the_folder_that_is_served(
    tmp_path: Path,
) -> None:
    wide, tall, square = (picture(*size) for size in ((8, 4), (4, 8), (6, 6)))
    pictures = {"wide": wide, "tall": tall, "square": square}
    asked = [
        Request(id=name, group=name, parts=(ImageRef(name),), decoding=Decoding(), image_fit="square")
        for name in pictures
    ]
    with chat_server("A") as server:
        ask(server, *asked, images=pictures)
        (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.25, 0]}')
        server.served = [{"id": "judge", "root": str(tmp_path)}]
        ask(server, asked[0], images=pictures)
    sent = [open_picture(data) for body in server.bodies for _, data in pictures_of(body)]
    whole = {name: pad_to_square(open_picture(data), CLIP_MEAN) for name, data in pictures.items()}
    assert {image.tobytes() for image in sent[:3]} == {image.tobytes() for image in whole.values()}
    assert sent[3].size == (8, 8)
    assert sent[3].getpixel((0, 0)) == (127, 63, 0)


@pytest.mark.parametrize(
    ("served", "style", "because"),
    [
        ({"root": "org/judge-7b"}, "vlmevalkit", "no family is known for the name judge-7b"),
        ({"root": "llava-hf/llava-1.5-7b-hf"}, "llava", "for the name llava-1.5-7b-hf"),
        ({"root": "adapter", "parent": "Qwen2.5-VL"}, "qwen2.5-vl", "for the name Qwen2.5-VL"),
        ({"root": "FOLDER"}, "qwen2-vl", "for its model_type qwen2_vl in config.json"),
        ({"root": "bad\0path"}, "vlmevalkit", "no family is known"),
        ({"root": 7}, "vlmevalkit", "no family is known for the name judge"),
    ],
)
def test_a_served_model_is_asked_in_the_style_of_its_family(
    tmp_path: Path, served: dict[str, Any], style: str, because: str
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    if served["root"] == "FOLDER":
        served = {"root": str(tmp_path)}
    with chat_server("A") as server:
        server.served = [{"id": "Qwen2.5-VL"}, {"id": "judge", **served}]
        model = model_of(server)
        assert model.style == style
        assert because in str(model.chosen_style)


def test_an_answer_longer_than_the_servers_room_is_refused_before_the_run() -> None:
    with chat_server("A") as server:
        server.served = [{"id": "judge", "max_model_len": 2048}]
        model = model_of(server)
        model.check(request(decoding=Decoding(max_new_tokens=512)))
        with pytest.raises(ModelError, match=r"room for 2048 tokens.*--max-new-tokens 1024"):
            model.check(request(decoding=Decoding(max_new_tokens=2048)))
    assert not server.bodies


def test_a_system_prompt_is_a_message_of_its_own() -> None:
    asked = Request(id="1", group="1", parts=("?",), decoding=Decoding(), system="Be brief.")
    with chat_server("A") as server:
        ask(server, asked)
    messages = server.bodies[0]["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]


def test_a_server_cannot_be_asked_to_go_on_with_an_answer() -> None:
    begun = Request(id="1", group="1", parts=("?",), decoding=Decoding(), opening=" Answer:")
    with chat_server("A") as server, pytest.raises(ModelError, match=r"`Answer:`.*--prompt vlmevalkit"):
        ask(server, begun)


def test_stopping_early_leaves_no_thread_behind() -> None:
    import threading

    with chat_server("A") as server:
        answers = model_of(server).generate([request(str(i)) for i in range(100)], {})
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert "openai" not in {thread.name for thread in threading.enumerate()}
