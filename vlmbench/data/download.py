"""Download a benchmark's file: resumed after an interruption, verified, and put in place only when whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vlmbench.data.disk import hash_file, home_folder, writing
from vlmbench.data.locate import checksum_state, get_command
from vlmbench.domain import DataFile
from vlmbench.errors import DataError
from vlmbench.files.json_files import object_or_none
from vlmbench.files.locks import exclusive

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]

_ATTEMPTS = 5
"""Failures in a row, without a single new byte, before giving up."""
_LONGEST_PAUSE = 30.0
_HUB = ("huggingface.co", "www.huggingface.co", "hf.co")
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class ServerUnreachable(DataError):
    """The file's server does not answer, or keeps breaking off."""


class _Dropped(Exception):
    """This attempt failed; another may not. `pause`: seconds that the server asks for, if it does."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


def download(
    file: DataFile,
    into: Path,
    *,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a file into a folder and return its path; what came before an interruption is kept.

    A file of that name with another checksum is not lost: it is renamed to NAME.<its MD5>.
    """
    target = into / file.name
    with exclusive(_lock_of(target)), writing(into, file.name, None, _kept(file)):
        if target.is_file() and checksum_state(file, target) == "current":
            return target
        url = _address(file, into)
        into.mkdir(parents=True, exist_ok=True)
        part = Partial(into / f"{file.name}.part", url, checked_later=bool(file.md5))
        _fetch_verified(file, part, progress or (lambda done, total: None), pause)
        if target.exists():
            target.rename(target.with_name(f"{file.name}.{hash_file(target, 'md5')[:8]}"))
        part.finish(target)
    return target


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids downloads."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _lock_of(target: Path) -> Path:
    name = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:24]
    return home_folder() / "locks" / f"{name}.lock"


def _kept(file: DataFile) -> str:
    return f"Free some space; what came so far is kept, and `{get_command(file)}` goes on from there."


def _fetch_verified(
    file: DataFile, part: Partial, progress: Progress, pause: Callable[[float], None]
) -> None:
    """Fetch, and compare checksums; a wrong one may be due to an earlier piece, so try whole once."""
    _fetch(file, part, progress, pause)
    if not file.md5:
        return
    found = hash_file(part.path, "md5")
    if found not in file.md5 and part.continued:
        part.discard()
        _fetch(file, part, progress, pause)
        found = hash_file(part.path, "md5")
    if found not in file.md5:
        part.discard()
        raise DataError(
            f"what {part.url} sent has the MD5 {found}, the published file's is {' or '.join(file.md5)}; "
            "nothing of it was kept.",
            file=file.name,
            fix="Try again later, or get the file elsewhere and put it there yourself.",
        )


def _fetch(file: DataFile, part: Partial, progress: Progress, pause: Callable[[float], None]) -> None:
    """Attempt after attempt until the file is whole."""
    import httpx

    failures, most = 0, part.size()
    hopeless = (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL)
    timeout = httpx.Timeout(30.0, connect=15.0)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        while True:
            try:
                return _attempt(client, file, part, progress)
            except (_Dropped, httpx.RequestError, httpx.InvalidURL) as error:
                failures = 1 if part.size() > most else failures + 1
                most = max(most, part.size())
                if failures >= _ATTEMPTS or isinstance(error, hopeless):
                    raise _unreachable(file, part, error) from error
                requested = error.pause if isinstance(error, _Dropped) else None
                pause(min(_LONGEST_PAUSE, requested if requested is not None else 0.5 * 2**failures))


def _attempt(client: httpx.Client, file: DataFile, part: Partial, progress: Progress) -> None:
    """One request, from where the last one ended."""
    with client.stream("GET", part.url, headers=part.request_headers()) as response:
        if response.status_code == 416 and part.is_whole(response.headers):
            return
        total = _begin(file, part, response)
        done = part.size()
        progress(done, total)
        with writing(part.path.parent, file.name, total, _kept(file)), part.path.open("ab") as sink:
            # As they come: chunks of a chosen size would lose what came of the last one.
            for chunk in response.iter_bytes():
                sink.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done != total:
        raise _Dropped(f"{done} of {total} bytes came")


def _begin(file: DataFile, part: Partial, response: httpx.Response) -> int | None:
    """Make ready for the body; returns the length of the whole file, None if the server does not send it."""
    status = response.status_code
    if status in _TRY_AGAIN:
        raise _Dropped(f"the server answers {status}", _requested_pause(response))
    if status == 416 or (status == 206 and not part.continues(response.headers)):
        part.discard()
        raise _Dropped("the server's file is another one than before")
    if status not in (200, 206):
        raise _refused(file, part, status)
    return part.append_to(response.headers) if status == 206 else part.start_over(response.headers)


def _requested_pause(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None


def _address(file: DataFile, into: Path) -> str:
    """Where the file is fetched from; a DataError when nothing may be."""
    if file.url is None:
        raise DataError("no address is known for it.", file=file.name, fix=f"Put it into {into} yourself.")
    if is_offline():
        why = f"HF_HUB_OFFLINE is set, so nothing is downloaded. It comes from {file.url}."
        raise DataError(why, file=file.name, fix=f"Unset it, or put the file into {into} yourself.")
    url, endpoint = file.url, os.environ.get("HF_ENDPOINT", "").rstrip("/")
    parts = urlsplit(url)
    if endpoint and parts.hostname in _HUB:
        url = endpoint + url.partition(parts.netloc)[2]
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(
            f"{url} is not an http address.", file=file.name, fix=f"Put the file into {into} yourself."
        )
    return url


def _refused(file: DataFile, part: Partial, status: int) -> DataError:
    return DataError(
        f"{part.url} answers {status}.",
        file=file.name,
        fix=f"Get it another way and put it into {part.path.parent}.",
    )


def _unreachable(file: DataFile, part: Partial, error: Exception) -> ServerUnreachable:
    kept = f" {part.size() / 1e6:.1f} MB are here and kept." if part.size() else ""
    return ServerUnreachable(
        f"{part.url} cannot be reached or keeps failing ({error or type(error).__name__}).{kept}",
        file=file.name,
        fix=f"Repeat `{get_command(file)}` when online, or put the file into {part.path.parent} yourself.",
    )


class Partial:
    """What came so far: `NAME.part`, and beside it a note of which version of the server's file it is."""

    def __init__(self, path: Path, url: str, *, checked_later: bool) -> None:
        self.path, self.url = path, url
        self.continued = False
        """Whether it came in more than one piece."""
        self._checked_later = checked_later
        self._note = path.with_name(f"{path.name}.json")

    def size(self) -> int:
        """Bytes that came so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def request_headers(self) -> dict[str, str]:
        """What to ask for: the rest, when a mixture of two versions is ruled out or would be noticed."""
        headers = {"Accept-Encoding": "identity"}
        note = self._read_note()
        if self.size() and note is not None and (note["version"] or self._checked_later):
            headers["Range"] = f"bytes={self.size()}-"
            self.continued = True
            if note["version"]:
                headers["If-Range"] = note["version"]
        else:
            self.discard()
        return headers

    def continues(self, headers: Mapping[str, str]) -> bool:
        """Whether the piece that the server sends begins where ours ends."""
        return _content_range(headers)[0] == self.size()

    def is_whole(self, headers: Mapping[str, str]) -> bool:
        """Whether the server, asked for more, has no more."""
        return self.size() > 0 and _content_range(headers) == (None, self.size())

    def append_to(self, headers: Mapping[str, str]) -> int | None:
        """The length of the whole file, None if the server does not send it with the rest."""
        return _content_range(headers)[1]

    def start_over(self, headers: Mapping[str, str]) -> int | None:
        """Make ready for the file from its first byte; returns its length, None if it is not sent."""
        self.discard()
        etag = headers.get("etag", "")
        # A weak tag may stand for other bytes; HTTP does not allow it here.
        version = etag if etag and not etag.startswith("W/") else headers.get("last-modified")
        self._note.write_text(json.dumps({"url": self.url, "version": version}), "utf-8")
        length = headers.get("content-length", "")
        return int(length) if length.isdigit() and not headers.get("content-encoding") else None

    def finish(self, target: Path) -> None:
        """Put the whole file in its place."""
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what came so far."""
        self.continued = False
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> dict[str, str | None] | None:
        note = object_or_none(self._note) or {}
        return {"version": note["version"]} if note.get("url") == self.url and "version" in note else None


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """First byte of the piece and length of the whole file; None where the header does not hold it."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("content-range", ""))
    if match is None:
        return None, None
    return (int(match[1]) if match[1] else None), (int(match[2]) if match[2] != "*" else None)
