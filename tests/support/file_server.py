"""A server on loopback that sends files, with a request log.

with serving_files({"A.tsv": content}) as files:
    files.url + "/A.tsv"
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PIECE = 50_000


class FileServer(ThreadingHTTPServer):
    """What it sends, how, and what it was asked."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(files)
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and the header Range of each request."""
        self.heads = True
        """Answer HEAD; some servers do not."""
        self.pause = 0.0
        """Seconds between two pieces of a file."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sent(self, path: str) -> list[str | None]:
        """The ranges that were asked of a file by GET."""
        return [wanted for method, asked, wanted in self.asked if (method, asked) == ("GET", f"/{path}")]

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def serving_files(files: Mapping[str, bytes]) -> Iterator[FileServer]:
    server = FileServer(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._send()

    def do_GET(self) -> None:
        self._send()

    def _send(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.command, self.path, wanted))
        body = self.server.files.get(self.path.removeprefix("/"))
        if body is None or (self.command == "HEAD" and not self.server.heads):
            self.send_error(404 if body is None else 405)
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
        first = int(match[1]) if match else 0
        end = int(match[2]) + 1 if match and match[2] else len(body)
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{len(body)}")
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(end - first))
        self.end_headers()
        for place in range(first, end if self.command == "GET" else first, _PIECE):
            self.wfile.write(body[place : min(place + _PIECE, end)])
            time.sleep(self.server.pause)
