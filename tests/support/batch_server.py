"""A server on loopback with the batch interfaces of OpenAI, Anthropic and Gemini, and their faults."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NAMES = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What Anthropic allows as a row's name."""
Line = dict[str, Any]


@dataclass
class Job:
    """A job as the server has it."""

    id: str
    rows: list[Line]
    mark: str = ""
    polls: int = 0
    ending: str = "completed"
    """How it ends, by OpenAI's word; expired ones have answered the first row only."""
    made: float = field(default_factory=time.time)


@dataclass
class Turn:
    """One answer of the server that is not what it should be."""

    method: str
    path: str
    """A pattern of paths that it befalls."""
    status: int = 500
    body: bytes = b'{"error": {"message": "not now"}}'
    after: bool = False
    """The server does its work first."""
    sleep: float = 0.0


class BatchServer(ThreadingHTTPServer):
    """Answers every row with `answer`, once a job was asked for `polls` times."""

    daemon_threads = True

    def __init__(self, polls: int, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.polls, self.ending, self.answer = polls, "completed", "B"
        self.gemini = kind == "gemini"
        self.jobs: list[Job] = []
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.turns: list[Turn] = []
        self.results: Callable[[list[Line]], list[Line | bytes]] = list
        """What becomes of the lines of results before they are sent."""
        self.job_name = "job"
        self.lock = threading.Lock()

    def model(self, kind: str) -> str:
        return f"{kind}:m@http://127.0.0.1:{self.server_port}/v1"

    def made(self, method: str, path: str) -> int:
        """How many requests there were of a kind."""
        return sum(m == method and re.fullmatch(path, p) is not None for m, p in self.asked)

    def add(self, rows: list[Line], mark: str = "") -> Job:
        job = Job(f"{self.job_name}{len(self.jobs)}", rows, mark, ending=self.ending)
        self.jobs.append(job)
        return job

    def job(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.id == name), None)

    def ended(self, job: Job) -> bool:
        return job.ending == "cancelled" or job.polls > self.polls

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


Route = tuple[str, str, Callable[["_Handler", re.Match[str]], "Line | bytes | None"]]


class _Handler(BaseHTTPRequestHandler):
    server: BatchServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        server = self.server
        with server.lock:
            server.asked.append((method, path))
            turn = next((t for t in server.turns if t.method == method and re.fullmatch(t.path, path)), None)
            if turn is not None:
                server.turns.remove(turn)
            answer = None if turn is not None and not turn.after else self._routed(method, path)
        if turn is not None:
            time.sleep(turn.sleep)
            self._send(turn.status, turn.body)
        elif answer is None:
            self._send(404, b'{"error": {"message": "no such thing"}}')
        else:
            self._send(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def _routed(self, method: str, path: str) -> Line | bytes | None:
        for verb, pattern, route in ROUTES:
            if verb == method and (found := re.fullmatch(pattern, path)):
                return route(self, found)
        return None

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    # OpenAI

    def upload(self, _: re.Match[str]) -> Line:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(head + self.body).get_payload()
        sent = {part.get_param("name", header="Content-Disposition"): part for part in parts}
        assert sent["purpose"].get_payload() == "batch"
        name = f"file-{len(self.server.files)}"
        self.server.files[name] = sent["file"].get_payload(decode=True)
        return {"id": name, "object": "file"}

    def openai_make(self, _: re.Match[str]) -> Line:
        asked = json.loads(self.body)
        rows = [json.loads(line) for line in self.server.files[asked["input_file_id"]].splitlines()]
        assert {row["url"] for row in rows} == {asked["endpoint"]}
        assert {row["method"] for row in rows} == {"POST"}
        job = self.server.add([{"name": row["custom_id"], "body": row["body"]} for row in rows])
        job.mark = asked["metadata"]["vlmbench"]
        return self.openai_job(job)

    def openai_job(self, job: Job) -> Line:
        ended, failed = self.server.ended(job), job.ending == "failed"
        found: Line = {
            "id": job.id,
            "object": "batch",
            "status": job.ending if ended else "in_progress",
            "metadata": {"vlmbench": job.mark},
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {
                "total": len(job.rows),
                "completed": min(job.polls, len(job.rows)),
                "failed": 0,
            },
        }
        if ended and failed:
            found["errors"] = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit"}]}
        elif ended:
            body = {"status_code": 200, "body": chat(self.server.answer)}
            output = [{"custom_id": row["name"], "response": body, "error": None} for row in answered(job)]
            gone = {"code": "batch_expired", "message": "This request could not be executed in time."}
            missing = job.rows[len(answered(job)) :]
            errors = [{"custom_id": row["name"], "response": None, "error": gone} for row in missing]
            self.server.files |= {f"{job.id}-out": self.lines(output), f"{job.id}-bad": self.lines(errors)}
            found["output_file_id"] = f"{job.id}-out"
            found["error_file_id"] = f"{job.id}-bad" if errors else None
        return found

    def lines(self, lines: list[Line]) -> bytes:
        found = self.server.results(lines) if lines else []
        return b"".join((o if isinstance(o, bytes) else json.dumps(o).encode()) + b"\n" for o in found)

    def openai_show(self, found: re.Match[str]) -> Line | None:
        return self._polled(found[1], self.gemini_job if self.server.gemini else self.openai_job)

    def openai_list(self, found: re.Match[str]) -> Line:
        if self.server.gemini:
            return self.gemini_list(found)
        return self._page("after", [self.openai_job(job) for job in self.server.jobs])

    def content(self, found: re.Match[str]) -> bytes | None:
        return self.server.files.get(found[1])

    # Anthropic

    def anthropic_make(self, _: re.Match[str]) -> Line:
        rows = [{"name": r["custom_id"], "body": r["params"]} for r in json.loads(self.body)["requests"]]
        assert all(NAMES.fullmatch(row["name"]) for row in rows)
        return self.anthropic_job(self.server.add(rows))

    def anthropic_job(self, job: Job) -> Line:
        ended = self.server.ended(job)
        counts = {"processing": 0 if ended else len(job.rows), "succeeded": len(job.rows) if ended else 0}
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts | {"errored": 0, "expired": 0, "canceled": 0},
            "created_at": datetime.fromtimestamp(job.made, UTC).isoformat(),
            "results_url": "https://elsewhere.example/results" if ended else None,
        }

    def anthropic_show(self, found: re.Match[str]) -> Line | None:
        return self._polled(found[1], self.anthropic_job)

    def anthropic_list(self, _: re.Match[str]) -> Line:
        return self._page("after_id", [self.anthropic_job(job) for job in self.server.jobs])

    def anthropic_results(self, found: re.Match[str]) -> bytes | None:
        job = self.server.job(found[1])
        if job is None:
            return None
        good = {"type": "succeeded", "message": message(self.server.answer)}
        count = len(answered(job))
        return self.lines(
            [
                {"custom_id": row["name"], "result": good if number < count else {"type": "expired"}}
                for number, row in enumerate(job.rows)
            ]
        )

    # Gemini

    def gemini_make(self, _: re.Match[str]) -> Line:
        batch = json.loads(self.body)["batch"]
        rows = batch["inputConfig"]["requests"]["requests"]
        named = [{"name": row["metadata"]["key"], "body": row["request"]} for row in rows]
        return self.gemini_job(self.server.add(named, batch["displayName"]))

    def gemini_job(self, job: Job) -> Line:
        ended = self.server.ended(job)
        state = {"completed": "SUCCEEDED"}.get(job.ending, job.ending.upper()) if ended else "RUNNING"
        about = {
            "displayName": job.mark,
            "state": f"BATCH_STATE_{state}",
            "batchStats": {"requestCount": "9"},
        }
        found: Line = {"name": f"batches/{job.id}", "metadata": about, "done": ended}
        if ended:
            answers: list[Line] = [
                {"metadata": {"key": row["name"]}, "response": content(self.server.answer)}
                for row in answered(job)
            ]
            responses = {"inlinedResponses": {"inlinedResponses": self.server.results(answers)}}
            found["metadata"]["output"] = responses
        return found

    def gemini_list(self, _: re.Match[str]) -> Line:
        return {"operations": [self.gemini_job(job) for job in reversed(self.server.jobs)]}

    # all

    def _polled(self, name: str, show: Callable[[Job], Line]) -> Line | None:
        job = self.server.job(name)
        if job is not None:
            job.polls += 1
        return None if job is None else show(job)

    def _page(self, after: str, jobs: list[Line]) -> Line:
        """Newest first, two on a page at most."""
        query = parse_qs(urlsplit(self.path).query)
        jobs = jobs[::-1]
        start = 1 + [job["id"] for job in jobs].index(query[after][0]) if after in query else 0
        size = min(int(query["limit"][0]), 2)
        return {"data": jobs[start : start + size], "has_more": len(jobs) > start + size}

    def cancel(self, found: re.Match[str]) -> Line | None:
        job = self.server.job(found[1])
        if job is not None:
            job.ending = "cancelled"
        return None if job is None else {"id": job.id}


ROUTES: list[Route] = [
    ("GET", "/v1/models", lambda _handler, _found: {"data": [{"id": "m"}]}),
    ("POST", "/v1/files", _Handler.upload),
    ("GET", "/v1/files/([^/]+)/content", _Handler.content),
    ("POST", "/v1/batches", _Handler.openai_make),
    ("GET", "/v1/batches", _Handler.openai_list),
    ("GET", "/v1/batches/([^/]+)", _Handler.openai_show),
    ("POST", r"/v1/(?:messages/)?batches/([^/:]+)[/:]cancel", _Handler.cancel),
    ("POST", "/v1/messages/batches", _Handler.anthropic_make),
    ("GET", "/v1/messages/batches", _Handler.anthropic_list),
    ("GET", "/v1/messages/batches/([^/]+)", _Handler.anthropic_show),
    ("GET", "/v1/messages/batches/([^/]+)/results", _Handler.anthropic_results),
    ("POST", "/v1/models/m:batchGenerateContent", _Handler.gemini_make),
]


def answered(job: Job) -> list[Line]:
    """The rows that a job has come to."""
    return job.rows if job.ending == "completed" else job.rows[:1]


def chat(text: str) -> Line:
    usage = {"prompt_tokens": 11, "completion_tokens": 3}
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
    # A completion and a response in one: each interface reads its own part.
    return {"choices": [choice], "usage": usage, "output": output, "status": "completed"}


def message(text: str) -> Line:
    usage = {"input_tokens": 11, "output_tokens": 3}
    content = [{"type": "text", "text": text}]
    return {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}


def content(text: str) -> Line:
    candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 3}}


@contextmanager
def batch_server(kind: str = "openai", polls: int = 1) -> Iterator[BatchServer]:
    """A running server; OpenAI's and Gemini's jobs share a path, so it has one of the two."""
    server = BatchServer(polls, kind)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
