"""Pictures by file name and by address, and what is said of those that are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_models import picture

from vlmbench.chat import pictures
from vlmbench.chat.pictures import read_picture
from vlmbench.errors import DataError

PNG = picture(40, 30)


class Shelf(BaseHTTPRequestHandler):
    """Pictures, and things that are not."""

    def do_GET(self) -> None:
        kinds = {
            "/bus.png": (200, "image/png", PNG),
            "/half.png": (200, "image/png", PNG[:60]),
            "/page": (200, "text/html; charset=utf-8", b"<html>look</html>"),
            "/huge.png": (200, "image/png", b"x" * 5000),
        }
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/bus.png")
            self.end_headers()
            return
        if self.path == "/outside":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        status, kind, body = kinds.get(self.path, (404, "text/plain", b"no"))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def shelf() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_and_an_address_give_the_same_picture(tmp_path: Path, shelf: str) -> None:
    (tmp_path / "bus.png").write_bytes(PNG)
    read = read_picture(str(tmp_path / "bus.png"))
    assert (read.data, read.size) == (PNG, (40, 30))
    for path in ("/bus.png", "/moved"):
        fetched = read_picture(shelf + path)
        assert (fetched.name, fetched.digest) == (shelf + path, read.digest)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none.png", "answered 404"),
        ("/page", "a web page, not a picture"),
        ("/half.png", "cut off"),
        ("/outside", "cannot be fetched"),
    ],
)
def test_an_address_without_a_picture_says_what_is_there(shelf: str, path: str, why: str) -> None:
    with pytest.raises(DataError, match=why) as error:
        read_picture(shelf + path)
    assert str(error.value).startswith(shelf + path)


def test_a_download_ends_at_a_size_and_at_a_time(shelf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 4000)
    with pytest.raises(DataError, match="more than"):
        read_picture(f"{shelf}/huge.png")
    monkeypatch.setattr(pictures, "SECONDS", -1.0)
    with pytest.raises(DataError, match="did not come within"):
        read_picture(f"{shelf}/bus.png")


@pytest.mark.parametrize("where", ["ftp://host/x.png", "file:///etc/passwd", "javascript://x"])
def test_only_http_is_fetched(where: str) -> None:
    with pytest.raises(DataError, match="http or https"):
        read_picture(where)


def test_a_wrong_file_says_what_and_where(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name, why in (
        ("none.png", "no such picture"),
        ("text.png", "not a picture"),
        (".", "a folder"),
    ):
        with pytest.raises(DataError, match=why):
            read_picture(str(tmp_path / name))
    with pytest.raises(DataError, match="cannot be read"):
        read_picture("nul\0byte.png")


def test_a_device_is_no_picture() -> None:
    with pytest.raises(DataError, match="no regular file"):
        read_picture("/dev/zero")
