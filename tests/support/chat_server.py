"""A chat server of our own on loopback that behaves, or misbehaves, as told."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vlmbench.models.servers.client import Patience

QUICK = Patience(base=0.01, attempts=4, attempt_timeout=0.5, deadline=5.0)
"""Patience for tests."""


@dataclass
class Fault:
    """One bad turn of the server."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"error": {"message": "not now"}}'
    sleep: float = 0.0
    close: bool = False
    """Close the connection in the middle of the answer."""


Behaviour = Callable[[dict[str, Any], int], "str | Fault"]
"""From a chat body, and how many came before it, to an answer or a fault."""


class ChatServer(ThreadingHTTPServer):
    """Remembers every chat body and every header it was sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = behaviour
        self.served: list[dict[str, Any]] | Fault = [
            {"id": "judge", "root": "org/judge-7b", "created": time.time()}
        ]
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.listings = 0
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def spec(self) -> str:
        return f"openai:judge@{self.url}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.listings += 1
        served = self.server.served
        self._send(served if isinstance(served, Fault) else Fault(body=json.dumps({"data": served}).encode()))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            before = len(server.bodies)
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.times.append(time.monotonic())
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            said = server.behaviour(body, before)
            self._send(said if isinstance(said, Fault) else Fault(body=completion(said)))
        finally:
            with server.lock:
                server.under_way -= 1

    def _send(self, answer: Fault) -> None:
        time.sleep(answer.sleep)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (100 if answer.close else 0)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.close


def completion(text: str | None, finish: str | None = "stop", **beside: Any) -> bytes:
    """A chat completion with this answer; `beside` stands next to it in the message, as `reasoning` does."""
    message = {"role": "assistant", "content": text, **beside}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def question_of(body: dict[str, Any]) -> str:
    """The text of a chat body."""
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def pictures_of(body: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Type and bytes of every picture of a chat body."""
    urls = [p["image_url"]["url"] for p in body["messages"][0]["content"] if p["type"] == "image_url"]
    heads = [url.partition(";base64,") for url in urls]
    return [(head.removeprefix("data:"), base64.b64decode(data)) for head, _, data in heads]


def first(count: int, fault: Fault, then: str = "B") -> Behaviour:
    """Misbehave for the first `count` requests."""
    return lambda _body, before: fault if before < count else then


@contextmanager
def chat_server(behaviour: Behaviour | str) -> Iterator[ChatServer]:
    """A running server; gone at the end of the block."""
    said = behaviour
    server = ChatServer((lambda _body, _before: said) if isinstance(said, str) else said)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
