"""Download a benchmark's file: resumed after an interruption, verified, and put in place only when whole."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vlmbench.data.disk import hash_file, home_folder, stamp, writing
from vlmbench.data.locate import checksum_state, get_command
from vlmbench.data.mirrors import VARIABLE, authorization, hub_page, is_of_hub, mirrored
from vlmbench.data.partial import Partial
from vlmbench.domain import DataFile
from vlmbench.errors import DataError
from vlmbench.files.locks import exclusive
from vlmbench.files.reply_body import Excess, body_pieces
from vlmbench.terminal.progress import Progress

if TYPE_CHECKING:
    import httpx

Received = Callable[[int, int | None], None]
"""Takes the bytes that are here by now and those of the whole file, None where the server does not say."""

_ATTEMPTS = 5
"""Failures in a row, without a single new byte, before giving up."""
_LONGEST_PAUSE = 30.0
_MOST = 200_000_000_000
"""Bytes; a server that names no length may send for ever."""
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
    progress: Received | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a file into a folder and return its path; what came before an interruption is kept.

    A file of that name with another checksum is not lost: it is renamed to NAME.<its MD5>.
    """
    target = into / file.name
    before = stamp(target)
    waiting = f"another process downloads {file.name}; waiting for it"
    with (
        exclusive(_lock_of(target), lambda: Progress().say(waiting)),
        writing(into, file.name, None, _kept(file)),
    ):
        state = checksum_state(file, target) if target.is_file() else "different"
        # Of a file that was never published with a checksum, all that is known is who wrote it just now.
        if state == "current" or (state == "unknown" and stamp(target) != before):
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
    file: DataFile, part: Partial, progress: Received, pause: Callable[[float], None]
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


def _fetch(file: DataFile, part: Partial, progress: Received, pause: Callable[[float], None]) -> None:
    """Attempt after attempt until the file is whole."""
    import httpx

    failures, most = 0, part.size()
    hopeless = (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL)
    timeout = httpx.Timeout(30.0, connect=15.0)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        while True:
            try:
                return _attempt(client, file, part, progress)
            except Excess as error:
                part.discard()
                raise DataError(f"{part.url}: {error}.", file=file.name) from None
            except (_Dropped, httpx.RequestError, httpx.InvalidURL) as error:
                failures = 1 if part.size() > most else failures + 1
                most = max(most, part.size())
                if failures >= _ATTEMPTS or isinstance(error, hopeless):
                    raise _unreachable(file, part, error) from error
                requested = error.pause if isinstance(error, _Dropped) else None
                pause(min(_LONGEST_PAUSE, requested if requested is not None else 0.5 * 2**failures))


def _attempt(client: httpx.Client, file: DataFile, part: Partial, progress: Received) -> None:
    """One request, from where the last one ended."""
    headers = part.request_headers() | authorization(part.url)
    with client.stream("GET", part.url, headers=headers) as response:
        if response.status_code == 416 and part.is_whole(response.headers):
            return
        total = _begin(file, part, response)
        done = part.size()
        progress(done, total)
        with writing(part.path.parent, file.name, total, _kept(file)), part.path.open("ab") as sink:
            # As they come: chunks of a chosen size would lose what came of the last one.
            for chunk in body_pieces(response, _MOST):
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
    url = mirrored(file.url)
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(
            f"{url} is not an http address.", file=file.name, fix=f"Put the file into {into} yourself."
        )
    return url


def _refused(file: DataFile, part: Partial, status: int) -> DataError:
    folder = part.path.parent
    if status in (401, 403) and file.url is not None and is_of_hub(file.url):
        page, again = hub_page(file.url), f"repeat `{get_command(file)}`"
        fix = f"Accept them on {page}, set HF_TOKEN to a token of that account and {again}"
        if part.url != file.url and not authorization(part.url):
            fix += f", without {VARIABLE}, whose hosts get no token"
        return DataError(
            f"{part.url} answers {status}: it is only for those who accepted its terms.",
            file=file.name,
            fix=f"{fix}; or get the file there and put it into {folder}.",
        )
    return DataError(
        f"{part.url} answers {status}.",
        file=file.name,
        fix=f"Get it another way and put it into {folder}, or let {VARIABLE} name another source.",
    )


def _unreachable(file: DataFile, part: Partial, error: Exception) -> ServerUnreachable:
    kept = f" {part.size() / 1e6:.1f} MB are here and kept." if part.size() else ""
    return ServerUnreachable(
        f"{part.url} cannot be reached or keeps failing ({error or type(error).__name__}).{kept}",
        file=file.name,
        fix=f"Repeat `{get_command(file)}` when online, let {VARIABLE} name a mirror of that host, or put "
        f"the file into {part.path.parent} yourself.",
    )
