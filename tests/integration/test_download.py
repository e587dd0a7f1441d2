"""Downloads against a real server with real faults: resumed, verified, never half in place."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vlmbench.data.download import _lock_of, download
from vlmbench.domain import DataFile
from vlmbench.errors import DataError
from vlmbench.files.locks import exclusive

BODY = random.Random(0).randbytes(1_500_000)
MD5 = hashlib.md5(BODY).hexdigest()


@dataclass
class Server:
    """What the server gives, how it misbehaves, and what it was asked."""

    body: bytes = BODY
    etag: str | None = '"one"'
    ranges: bool = True
    refuse: list[int] = field(default_factory=list)
    """Status codes of the first answers."""
    cut: list[int] = field(default_factory=list)
    """After how many bytes the connection of each answer breaks."""
    wait: str | None = None
    heeds_if_range: bool = True
    then: tuple[bytes, str] | None = None
    """Body and ETag after the first answer."""
    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def file(self, **changes: Any) -> DataFile:
        return DataFile(**{"name": "Set.tsv", "url": f"{self.url}/Set.tsv", "md5": (MD5,), **changes})


class Handler(BaseHTTPRequestHandler):
    plan: Server

    def do_GET(self) -> None:
        plan = self.plan
        plan.asked.append({k.lower(): v for k, v in self.headers.items()})
        plan.paths.append(self.path)
        if plan.refuse:
            self.send_response(plan.refuse.pop(0))
            if plan.wait:
                self.send_header("Retry-After", plan.wait)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_body(self.start_of_answer())
        if plan.then is not None:
            plan.body, plan.etag = plan.then

    def start_of_answer(self) -> int:
        plan, size = self.plan, len(self.plan.body)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not plan.heeds_if_range or self.headers.get("If-Range") in (None, plan.etag)
        start = int(wanted[1]) if wanted and plan.ranges and same else 0
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
        elif start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        if plan.etag:
            self.send_header("ETag", plan.etag)
        self.send_header("Content-Length", str(max(0, size - start)))
        self.end_headers()
        return start

    def send_body(self, start: int) -> None:
        rest = self.plan.body[start:]
        if self.plan.cut:
            rest = rest[: self.plan.cut.pop(0)]
            self.close_connection = True
        self.wfile.write(rest)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def serving(plan: Server) -> Iterator[Server]:
    handler = type("Planned", (Handler,), {"plan": plan})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        plan.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield plan
        http.shutdown()


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def get(plan: Server, into: Path, **changes: Any) -> tuple[Path, list[float]]:
    """The file, and the pauses taken on the way to it."""
    pauses: list[float] = []
    return download(plan.file(**changes), into, pause=pauses.append), pauses


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_a_download_is_whole_and_alone_in_its_folder(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(Server()) as server:
        path = download(server.file(), tmp_path / "new" / "data", progress=lambda *step: seen.append(step))
    assert path.read_bytes() == BODY
    assert names(path.parent) == {"Set.tsv"}
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_dropped_connection_is_resumed_where_it_broke(tmp_path: Path) -> None:
    with serving(Server(cut=[400_000, 300_000])) as server:
        path, pauses = get(server, tmp_path / "data")
    assert path.read_bytes() == BODY
    assert [a.get("range") for a in server.asked] == [None, "bytes=400000-", "bytes=700000-"]
    assert server.asked[1]["if-range"] == '"one"'
    assert len(pauses) == 2


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    with serving(Server(ranges=False, cut=[400_000])) as server:
        path, _ = get(server, tmp_path / "data")
    assert path.read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_whole(tmp_path: Path) -> None:
    into = tmp_path / "data"
    with (
        serving(Server(body=b"x" * 900_000, etag='"zero"', cut=[500_000, *[0] * 9])) as old,
        pytest.raises(DataError),
    ):
        get(old, into)
    note = into / "Set.tsv.part.json"
    with serving(Server()) as server:
        note.write_text(note.read_text().replace(old.url, server.url))
        path, _ = get(server, into)
    assert path.read_bytes() == BODY
    assert server.asked[0]["if-range"] == '"zero"'


def test_without_a_version_the_checksum_guards_a_resumed_file(tmp_path: Path) -> None:
    with serving(Server(etag=None, cut=[400_000])) as server:
        path, _ = get(server, tmp_path / "data")
        assert server.asked[1]["range"] == "bytes=400000-"
        assert path.read_bytes() == BODY
    with serving(Server(etag=None, cut=[400_000])) as server:
        path, _ = get(server, tmp_path / "other", md5=())
        assert "range" not in server.asked[1]
        assert path.read_bytes() == BODY


def test_a_mixture_of_two_versions_is_noticed_and_fetched_anew(tmp_path: Path) -> None:
    into = tmp_path / "data"
    with serving(Server(etag=None, cut=[400_000])) as server:
        into.mkdir()
        (into / "Set.tsv.part").write_bytes(b"y" * 1000)
        (into / "Set.tsv.part.json").write_text(f'{{"url": "{server.url}/Set.tsv", "version": null}}')
        server.cut.clear()
        path, _ = get(server, into)
    assert path.read_bytes() == BODY
    assert [a.get("range") for a in server.asked] == ["bytes=1000-", None]


def test_a_rest_of_another_version_is_not_joined_to_what_came(tmp_path: Path) -> None:
    with serving(Server(body=b"x" * 900_000, cut=[400_000], heeds_if_range=False)) as server:
        server.then = (BODY, '"two"')
        path, _ = get(server, tmp_path / "data", md5=())
    assert path.read_bytes() == BODY
    assert [a.get("range") for a in server.asked] == [None, "bytes=400000-", None]


def test_an_interrupted_download_goes_on_in_the_next_process(tmp_path: Path) -> None:
    into = tmp_path / "data"
    with serving(Server(cut=[600_000, *[0] * 9])) as server:
        with pytest.raises(DataError, match=r"0\.6 MB are here and kept"):
            get(server, into)
        assert names(into) == {"Set.tsv.part", "Set.tsv.part.json"}
        server.cut.clear()
        path, _ = get(server, into)
    assert path.read_bytes() == BODY
    assert server.asked[-1]["range"] == "bytes=600000-"
    assert names(into) == {"Set.tsv"}


def test_a_whole_part_is_not_fetched_again(tmp_path: Path) -> None:
    into = tmp_path / "data"
    with serving(Server()) as server:
        into.mkdir()
        (into / "Set.tsv.part").write_bytes(BODY)
        (into / "Set.tsv.part.json").write_text(f'{{"url": "{server.url}/Set.tsv", "version": "\\"one\\""}}')
        path, _ = get(server, into)
    assert path.read_bytes() == BODY
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_with_growing_pauses(tmp_path: Path, status: int) -> None:
    with serving(Server(refuse=[status, status])) as server:
        path, pauses = get(server, tmp_path / "data")
    assert path.read_bytes() == BODY
    assert pauses == [1.0, 2.0]


def test_the_server_s_wish_for_a_pause_is_heeded_within_reason(tmp_path: Path) -> None:
    with serving(Server(refuse=[429], wait="7")) as server:
        assert get(server, tmp_path / "a")[1] == [7.0]
    with serving(Server(refuse=[429], wait="86400")) as server:
        assert get(server, tmp_path / "b")[1] == [30.0]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final_and_says_from_where_and_to_where(tmp_path: Path, status: int) -> None:
    with serving(Server(refuse=[status] * 9)) as server, pytest.raises(DataError) as raised:
        get(server, tmp_path / "data")
    said = str(raised.value)
    assert all(part in said for part in ("Set.tsv", server.url, str(status), str(tmp_path / "data")))
    assert len(server.asked) == 1


def test_wrong_bytes_name_both_sums_and_leave_nothing(tmp_path: Path) -> None:
    wrong = b"<html>Sign in</html>"
    with serving(Server(body=wrong)) as server, pytest.raises(DataError) as raised:
        get(server, tmp_path / "data")
    assert MD5 in str(raised.value)
    assert hashlib.md5(wrong).hexdigest() in str(raised.value)
    assert names(tmp_path / "data") == set()


def test_a_file_that_is_here_already_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "Set.tsv").write_bytes(BODY)
    with serving(Server()) as server:
        path, _ = get(server, tmp_path)
    assert (path.read_bytes(), server.asked) == (BODY, [])


def test_an_edited_file_of_that_name_is_kept_under_another(tmp_path: Path) -> None:
    (tmp_path / "Set.tsv").write_bytes(b"my edits")
    with serving(Server()) as server:
        path, _ = get(server, tmp_path)
    assert path.read_bytes() == BODY
    assert (tmp_path / f"Set.tsv.{hashlib.md5(b'my edits').hexdigest()[:8]}").read_bytes() == b"my edits"


def test_an_unreachable_server_says_what_from_where_and_where_to_put_it(tmp_path: Path) -> None:
    with serving(Server()) as server:
        pass
    pauses: list[float] = []
    with pytest.raises(DataError) as raised:
        download(server.file(), tmp_path / "data", pause=pauses.append)
    said = str(raised.value)
    assert all(
        part in said for part in ("Set.tsv", server.url, str(tmp_path / "data"), "vlmbench data get Set")
    )
    assert pauses == sorted(pauses)
    assert len(pauses) == 4


def test_offline_mode_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with serving(Server()) as server, pytest.raises(DataError, match="HF_HUB_OFFLINE is set") as raised:
        get(server, tmp_path / "data")
    assert server.url in str(raised.value)
    assert server.asked == []


def test_a_mirror_of_the_hub_is_used_for_hub_addresses_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Server()) as mirror, serving(Server()) as other:
        monkeypatch.setenv("HF_ENDPOINT", f"{mirror.url}/hf/")
        get(
            mirror,
            tmp_path / "a",
            url="https://huggingface.co/datasets/a/b/resolve/main/Set.tsv?download=true",
        )
        get(other, tmp_path / "b")
    assert mirror.paths == ["/hf/datasets/a/b/resolve/main/Set.tsv?download=true"]
    assert other.paths == ["/Set.tsv"]


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/x", "/etc/hostname"])
def test_only_http_addresses_are_followed(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="not an http address"):
        download(DataFile(name="Set.tsv", url=url), tmp_path / "data")


def test_two_processes_download_one_file_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vlmbench.data.download import download\n"
        "from vlmbench.domain import DataFile\n"
        "download(DataFile(name='Set.tsv', url=sys.argv[1], md5=(sys.argv[2],)), Path(sys.argv[3]))"
    )
    with serving(Server()) as server:
        command = [sys.executable, "-c", code, f"{server.url}/Set.tsv", MD5, str(tmp_path / "data")]
        both = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
    assert len(server.asked) == 1
    assert (tmp_path / "data" / "Set.tsv").read_bytes() == BODY


def test_who_waits_for_another_s_download_says_so_and_takes_its_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vlmbench.data.download import download\n"
        "from vlmbench.domain import DataFile\n"
        "download(DataFile(name='Set.tsv', url=sys.argv[1]), Path(sys.argv[2]))"
    )
    target = tmp_path / "Set.tsv"
    with serving(Server()) as server:
        command = [sys.executable, "-c", code, f"{server.url}/Set.tsv", str(tmp_path)]
        with exclusive(_lock_of(target)):
            waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            assert waiting.stderr is not None
            said = waiting.stderr.readline()
            target.write_bytes(BODY)
        assert "another process downloads Set.tsv; waiting for it" in said + waiting.communicate()[1]
    assert (waiting.returncode, server.asked) == (0, [])


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to simulate a full disk with")
def test_a_full_disk_keeps_what_came_and_says_how_much_is_needed(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from vlmbench.data.download import download\n"
        "from vlmbench.domain import DataFile\nfrom vlmbench.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))\n"
        "try: download(DataFile(name='Set.tsv', url=sys.argv[1]), Path(sys.argv[2]))\n"
        "except DataError as error: print(error)"
    )
    with serving(Server()) as server:
        command = [sys.executable, "-c", code, f"{server.url}/Set.tsv", str(tmp_path / "data")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "disk is full" in said
        assert "up to 2 MB" in said
        path, _ = get(server, tmp_path / "data")
    assert path.read_bytes() == BODY
    assert server.asked[-1]["range"] == "bytes=500000-"
