"""The body of an HTTP reply, from a server that may mean harm: no reply costs more memory than its bound.

httpx unpacks what one read of the socket gave at once, and 64 KiB of gzip may be 64 MiB, of brotli gigabytes.
Here it comes out in small pieces, which are counted before and after they are unpacked; encodings whose size
cannot be bounded are never asked for, and refused where a server sends them anyway.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from vlmbench.plain_text import visible

if TYPE_CHECKING:
    import httpx

ACCEPTED = {"Accept-Encoding": "gzip"}
"""A header of every request whose reply is read here."""
MOST_OF_ERROR = 65_536
KEPT_OF_ERROR = 1024
"""Of an error that is longer than the former, so many bytes are kept: its beginning says what it is."""
RATIO, _UNWATCHED = 200, 1 << 20
"""No reply is more than so many times what came over the wire, once it is longer than a megabyte."""
_PIECE = 1 << 16
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Excess(Exception):
    """A reply that goes beyond its bound; the words say which one."""


class Unpacking:
    """What a server sends, unpacked a little at a time."""

    def __init__(self, headers: Mapping[str, str], most: int) -> None:
        encoding = headers.get("content-encoding", "").strip().lower()
        self._most, self.wire, self.size = most, 0, 0
        self._bare = encoding == "deflate"
        """Some servers leave the frame of that one out."""
        self._unzip = zlib.decompressobj(_WINDOWS[encoding]) if encoding in _WINDOWS else None
        if self._unzip is None and encoding not in ("", "identity"):
            raise Excess(f"the reply is packed as `{visible(encoding, 40)}`, which was not asked for")

    def pieces(self, came: bytes) -> Iterator[bytes]:
        """What is in the bytes that came."""
        self.wire += len(came)
        self._check(self.wire)
        if self._unzip is None:
            yield came
            return
        while came and not self._unzip.eof:
            piece = self._unzipped(self._unzip, came)
            self.size += len(piece)
            self._check(self.size)
            if self.size > max(_UNWATCHED, RATIO * self.wire):
                raise Excess(f"the reply is more than {RATIO} times as long as what came")
            came = self._unzip.unconsumed_tail
            yield piece

    def _unzipped(self, unzip: zlib._Decompress, came: bytes) -> bytes:
        import httpx

        try:
            try:
                return unzip.decompress(came, _PIECE)
            except zlib.error:
                if self.size or not self._bare:
                    raise
                self._unzip, self._bare = zlib.decompressobj(-15), False
                return self._unzip.decompress(came, _PIECE)
        except zlib.error as error:
            raise httpx.DecodingError(f"the reply cannot be unpacked ({error})") from None

    def _check(self, size: int) -> None:
        if size > self._most:
            raise Excess(f"the reply is longer than {self._most:,} bytes")


def body_pieces(reply: httpx.Response, most: int) -> Iterator[bytes]:
    """The body of an opened reply as it comes; Excess where it has more than so many bytes."""
    unpacking = Unpacking(reply.headers, most)
    for came in reply.iter_raw():
        yield from unpacking.pieces(came)


async def whole_reply(reply: httpx.Response, most: int) -> httpx.Response:
    """An opened reply read to its end; of a long error, its beginning."""
    import httpx

    content, failed = bytearray(), not reply.is_success
    try:
        unpacking = Unpacking(reply.headers, MOST_OF_ERROR if failed else most)
        async for came in reply.aiter_raw():
            for piece in unpacking.pieces(came):
                content += piece
    except Excess:
        if not failed:
            raise
        del content[KEPT_OF_ERROR:]
    headers = reply.headers.copy()
    headers.pop("Content-Encoding", None)  # it is undone
    # Python would take `charset=bz2` for an order to unpack.
    headers["Content-Type"] = headers.get("Content-Type", "").partition(";")[0]
    return httpx.Response(reply.status_code, headers=headers, content=bytes(content), request=reply.request)


def fetched(
    address: str, *, most: int, seconds: float, headers: Mapping[str, str] | None = None, redirects: int = 0
) -> httpx.Response:
    """What is at an address, in so many seconds in all: each single read of a slow server would be in time.

    Excess where it is longer than `most`; an error of httpx where it does not come.
    """
    import httpx

    async def ask() -> httpx.Response:
        following = {"follow_redirects": redirects > 0, "max_redirects": redirects}
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(timeout=seconds, **following) as client,  # type: ignore[arg-type]
                client.stream("GET", address, headers={**ACCEPTED, **(headers or {})}) as reply,
            ):
                return await whole_reply(reply, most)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole reply within {seconds:g} s") from None

    found: Future[httpx.Response] = Future()

    def run() -> None:
        try:
            found.set_result(asyncio.run(ask()))
        except BaseException as error:
            found.set_exception(error)

    # In a thread of its own: the caller's may have an event loop already, as a notebook's has.
    threading.Thread(target=run, name="fetch", daemon=True).start()
    return found.result()
