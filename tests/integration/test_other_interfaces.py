"""The Responses interface, Anthropic's and Gemini's, against servers that speak them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chat_server import QUICK
from datasets_made import png

from vlmbench.domain import Decoding, ImageRef, Request, Response
from vlmbench.errors import ModelError
from vlmbench.models.servers.model import load_server, read_spec

PICTURES = {"p": png("red")}
THOUGHT = "It is red, so…"
GREEDY = Decoding(max_new_tokens=7)
SAMPLED = Decoding(max_new_tokens=7, do_sample=True, temperature=0.6, top_p=0.9, top_k=20, stop=("END",))
KEYS = {"responses": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
Turn = tuple[int, dict[str, Any]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, turns: Callable[[int], Turn], listing: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns, self.listing = turns, listing
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._send(200, self.server.listing)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self._send(*self.server.turns(len(self.server.asked)))

    def _send(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(turns: Callable[[int], Turn], listing: dict[str, Any] | None = None) -> Iterator[_Server]:
    server = _Server(turns, listing or {})
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in KEYS.values():
        monkeypatch.setenv(variable, "secret-key")


def request(decoding: Decoding = GREEDY) -> Request:
    parts = (ImageRef("p"), "Which colour?")
    return Request(id="1", group="1", parts=parts, decoding=decoding, system="Be brief.")


def ask(kind: str, server: _Server, decoding: Decoding = GREEDY) -> Response:
    model = load_server(f"{kind}:name@http://127.0.0.1:{server.server_port}/v1", patience=QUICK)
    (response,) = model.generate([request(decoding)], PICTURES)
    return response


def message(text: str, reason: str = "end_turn") -> Turn:
    content = [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": text}]
    usage = {"input_tokens": 11, "output_tokens": 3}
    return 200, {"type": "message", "content": content, "stop_reason": reason, "usage": usage}


def content(text: str, reason: str = "STOP") -> Turn:
    parts = [{"text": THOUGHT, "thought": True}, {"text": text}]
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 3, "thoughtsTokenCount": 5}
    candidate = {"content": {"parts": parts}, "finishReason": reason}
    return 200, {"candidates": [candidate], "usageMetadata": usage}


def output(text: str, reason: str | None = None, **part: Any) -> Turn:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHT}]},
        {"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "message", "content": [part or {"type": "output_text", "text": text}]},
    ]
    usage = {"input_tokens": 11, "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 5}}
    ended = {"status": "incomplete" if reason else "completed", "incomplete_details": {"reason": reason}}
    return 200, {"object": "response", "error": None, "output": items, "usage": usage, **ended}


def test_a_response_carries_instructions_picture_settings_and_key() -> None:
    with serving(lambda _: output(" red ")) as server:
        response = ask("responses", server, Decoding(max_new_tokens=7, do_sample=True, top_p=0.9))
        ask("responses", server)
    (path, headers, body), (_, _, greedy) = server.asked
    assert (path, headers["authorization"]) == ("/v1/responses", "Bearer secret-key")
    url = f"data:image/png;base64,{base64.b64encode(PICTURES['p']).decode()}"
    image = {"type": "input_image", "image_url": url, "detail": "auto"}
    text = {"type": "input_text", "text": "Which colour?"}
    assert body == {
        "model": "name",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": [image, text]}],
        "store": False,
        "max_output_tokens": 7,
        "top_p": 0.9,
    }
    assert greedy["temperature"] == 0
    assert response == replace(
        response, text="red", thought=THOUGHT, finish="stop", prompt_tokens=11, new_tokens=8, thought_tokens=5
    )


def test_a_message_carries_system_prompt_picture_settings_and_key() -> None:
    with serving(lambda _: message(" red ")) as server:
        response = ask("anthropic", server, SAMPLED)
    ((path, headers, body),) = server.asked
    assert (path, headers["x-api-key"], headers["anthropic-version"]) == (
        "/v1/messages",
        "secret-key",
        "2023-06-01",
    )
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PICTURES["p"]).decode()}
    assert body == {
        "model": "name",
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image", "source": source}, {"type": "text", "text": "Which colour?"}],
            }
        ],
        "max_tokens": 7,
        "temperature": 0.6,
        "top_p": 0.9,
        "top_k": 20,
        "stop_sequences": ["END"],
    }
    assert response == replace(
        response, text="red", thought=THOUGHT, finish="stop", prompt_tokens=11, new_tokens=3
    )


def test_content_carries_system_prompt_picture_settings_and_key() -> None:
    with serving(lambda _: content(" red ")) as server:
        response = ask("gemini", server, SAMPLED)
    ((path, headers, body),) = server.asked
    assert (path, headers["x-goog-api-key"]) == ("/v1/models/name:generateContent", "secret-key")
    data = {"mimeType": "image/png", "data": base64.b64encode(PICTURES["p"]).decode()}
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"inlineData": data}, {"text": "Which colour?"}]}]
    seed = body["generationConfig"].pop("seed")
    assert 0 <= seed < 2**31
    assert body["generationConfig"] == {
        "maxOutputTokens": 7,
        "temperature": 0.6,
        "topP": 0.9,
        "topK": 20,
        "stopSequences": ["END"],
    }
    assert response == replace(
        response,
        text="red",
        thought=THOUGHT,
        finish="stop",
        prompt_tokens=11,
        new_tokens=8,
        thought_tokens=5,
    )


@pytest.mark.parametrize(
    ("kind", "turn"),
    [
        ("responses", output("r", "max_output_tokens")),
        ("responses", (200, {"output": [], "incomplete_details": {"reason": "max_output_tokens"}})),
        ("anthropic", message("r", "max_tokens")),
        ("gemini", content("r", "MAX_TOKENS")),
    ],
)
def test_an_answer_at_its_limit_is_kept_as_such(kind: str, turn: Turn) -> None:
    with serving(lambda _: turn) as server:
        assert ask(kind, server).finish == "length"


@pytest.mark.parametrize(
    ("kind", "turn", "words"),
    [
        ("responses", output("r", "content_filter"), "status: content_filter"),
        ("responses", output("", type="refusal", refusal="I can't."), "refuses to answer: I can't."),
        ("responses", (200, {"output": [], "status": "completed"}), "no whole answer"),
        (
            "responses",
            (200, {"status": "failed", "error": {"code": "invalid_image", "message": "no picture"}}),
            "no picture",
        ),
        ("anthropic", message("", "refusal"), "stop_reason: refusal"),
        ("gemini", content("", "SAFETY"), "finishReason: SAFETY"),
        ("gemini", (200, {"promptFeedback": {"blockReason": "OTHER"}}), "blockReason: OTHER"),
        ("anthropic", (400, {"type": "error", "error": {"message": "image too large"}}), "image too large"),
    ],
)
def test_a_withheld_or_refused_answer_is_an_error_of_its_row(kind: str, turn: Turn, words: str) -> None:
    with serving(lambda _: turn) as server:
        response = ask(kind, server)
    assert response.finish == "error"
    assert words in (response.error or "")


@pytest.mark.parametrize(
    ("kind", "busy", "then"),
    [
        (
            "anthropic",
            (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}),
            message("red"),
        ),
        ("responses", (200, {"status": "failed", "error": {"code": "server_error"}}), output("red")),
        ("gemini", (429, {"error": {"code": 429, "message": "slow"}}), content("red")),
    ],
)
def test_a_busy_server_is_asked_again(kind: str, busy: Turn, then: Turn) -> None:
    with serving(lambda count: busy if count < 3 else then) as server:
        assert ask(kind, server).text == "red"
    assert len(server.asked) == 3


@pytest.mark.parametrize("kind", KEYS)
def test_a_wrong_key_ends_the_run_and_is_not_shown(kind: str) -> None:
    turn = 401, {"error": {"message": "secret-key is unknown"}}
    with serving(lambda _: turn) as server, pytest.raises(ModelError, match=KEYS[kind]) as refused:
        ask(kind, server)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "decoding", "setting"),
    [
        ("responses", Decoding(stop=("END",)), "stop"),
        ("responses", Decoding(do_sample=True, top_k=5), "top_k"),
        ("anthropic", Decoding(do_sample=True, min_p=0.1), "min_p"),
        ("anthropic", Decoding(presence_penalty=0.5), "presence_penalty"),
        ("gemini", Decoding(repetition_penalty=1.1), "repetition_penalty"),
    ],
)
def test_a_setting_that_an_interface_lacks_is_refused_by_name(
    kind: str, decoding: Decoding, setting: str
) -> None:
    with serving(lambda _: message("red")) as server, pytest.raises(ModelError, match=setting):
        ask(kind, server, decoding)
    assert not server.asked


def test_a_setting_that_the_server_refuses_is_named_as_it_was_given() -> None:
    turn = 400, {"error": {"message": "topK is not supported for this model"}}
    with serving(lambda _: turn) as server, pytest.raises(ModelError, match="top_k"):
        ask("gemini", server, Decoding(do_sample=True, top_k=5))


def test_a_listing_says_since_when_a_model_is_served() -> None:
    listing = {"data": [{"type": "model", "id": "name", "created_at": "2025-02-19T00:00:00Z"}]}
    with serving(lambda _: message("red"), listing) as server:
        model = load_server(f"anthropic:name@http://127.0.0.1:{server.server_port}/v1", patience=QUICK)
        assert model.served_since == 1739923200
        assert model.facts["served"] == {"id": "name"}


def test_the_address_is_the_vendors_unless_another_is_named() -> None:
    assert read_spec("responses:gpt")[1:] == ("gpt", "https://api.openai.com/v1")
    assert read_spec("anthropic:claude")[1:] == ("claude", "https://api.anthropic.com/v1")
    assert read_spec("gemini:models/g@http://host/v1beta")[1:] == ("models/g", "http://host/v1beta")
    with pytest.raises(ModelError, match="an address"):
        read_spec("openai:gpt")


def test_what_comes_from_a_servers_cache_is_a_part_of_the_prompt() -> None:
    told, gemini = message("A"), content("A")
    told[1]["usage"] |= {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    gemini[1]["usageMetadata"] |= {"promptTokenCount": 131, "cachedContentTokenCount": 100}
    for kind, turn in (("anthropic", told), ("gemini", gemini)):
        with serving(lambda _, turn=turn: turn) as server:
            response = ask(kind, server)
        assert (response.prompt_tokens, response.cached_tokens) == (131, 100)


def test_gemini_names_in_its_body_how_long_to_wait() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s"}
    refused = 429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [info]}}
    with serving(lambda _: refused) as server:
        assert "asked to wait 3601 s (1 attempts)" in str(ask("gemini", server).error)
