"""Servers that mean harm: what they send ends as an error of that row, soon, and in little memory."""

from __future__ import annotations

import asyncio
import bz2
import itertools
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache

import httpx
import pytest
from hostile_server import Said, hostile_server, reply

from vlmbench.files.reply_body import Excess, fetched
from vlmbench.models.servers.client import ChatClient, NoReply, Patience
from vlmbench.models.servers.openai import OPENAI

MOST = 40_000_000
"""Bytes that one reply may cost at its worst."""
QUICK = Patience(base=0.01, attempts=2, attempt_timeout=0.5, deadline=2.0)


@cache
def bomb(window: int) -> bytes:
    packing = zlib.compressobj(9, wbits=window)
    zeros = bytes(1 << 20)
    return b"".join([*(packing.compress(zeros) for _ in range(200)), packing.flush()])


def drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        time.sleep(0.05)
        yield b"X-%d: a\r\n" % number


class Slow:
    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(0.05)
            yield b" "


def half_closed() -> list[bytes]:
    return [b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"choices"']


HARM: dict[str, tuple[Said, str]] = {
    "gzip": (reply(body=[bomb(31)], Content_Encoding="gzip"), "than"),
    "deflate": (reply(body=[bomb(15)], Content_Encoding="deflate"), "than"),
    "raw deflate": (reply(body=[bomb(-15)], Content_Encoding="deflate"), "than"),
    "brotli": (reply(body=[b"\x1b\xff"], Content_Encoding="br"), "packed as `br`"),
    "zstd": (reply(body=[b"(\xb5/\xfd"], Content_Encoding="zstd"), "packed as `zstd`"),
    "twice": (reply(body=[bomb(31)], Content_Encoding="gzip, gzip"), "packed as `gzip, gzip`"),
    "no gzip": (reply(body=[b"{}"], Content_Encoding="gzip"), "cannot be unpacked"),
    "endless": (reply(body=itertools.repeat(bytes(1 << 16))), "longer than 8,000,000 bytes"),
    "endless gzip": (
        reply(body=itertools.repeat(b"\0\0\0\xff\xff" * 10_000), Content_Encoding="deflate"),
        "longer than 8,000,000 bytes",
    ),
    "error of 300 MB": (reply(status="400 No", body=itertools.repeat(b"no " * 20_000, 5000)), "400: no no"),
    "error, gzip": (reply(status="400 No", body=[bomb(31)], Content_Encoding="gzip"), "answers 400"),
    "charset": (
        reply(status="400 No", body=[bz2.compress(bytes(50 << 20))], Content_Type="a/b; charset=bz2"),
        "answers 400",
    ),
    "slow headers": (drip, "no answer within|ReadTimeout"),
    "slow body": (reply(body=Slow()), "no answer within"),
    "half closed": (half_closed, "RemoteProtocolError"),
    "garbage": (lambda: [bytes(range(256)) * 40], "RemoteProtocolError"),
    "endless header": (
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nA: "], itertools.repeat(b"a" * 9999)),
        "Error",
    ),
    "storm": (reply(status="429 Slow down", body=[b"{}"], Retry_After="0"), r"429.*\(2 attempts\)"),
    "wait for ever": (reply(status="429 Slow down", body=[b"{}"], Retry_After="1" + "0" * 300), "429"),
}


async def _asked(url: str) -> str:
    async with ChatClient(url, OPENAI, patience=QUICK) as client:
        return (await client.chat("chat/completions", {})).text


@pytest.mark.parametrize("name", HARM)
def test_what_a_server_does_ends_soon_and_in_little_memory(name: str) -> None:
    said, words = HARM[name]
    with hostile_server(said) as url:
        tracemalloc.start()
        begun = time.monotonic()
        try:
            with pytest.raises(NoReply, match=words):
                asyncio.run(_asked(url))
            assert tracemalloc.get_traced_memory()[1] < MOST
        finally:
            tracemalloc.stop()
    assert time.monotonic() - begun < 2 * QUICK.deadline


@pytest.mark.parametrize("name", ["gzip", "endless", "brotli", "slow headers", "slow body", "garbage"])
def test_what_is_fetched_elsewhere_ends_the_same_way(name: str) -> None:
    with hostile_server(HARM[name][0]) as url:
        tracemalloc.start()
        begun = time.monotonic()
        try:
            with pytest.raises((Excess, httpx.HTTPError)):
                fetched(url, most=8_000_000, seconds=0.5)
            assert tracemalloc.get_traced_memory()[1] < MOST
        finally:
            tracemalloc.stop()
    assert time.monotonic() - begun < 2.0


def test_a_circle_of_redirects_ends() -> None:
    with (
        hostile_server(reply(status="302 There", Location="/v1", Connection="close")) as url,
        pytest.raises(httpx.TooManyRedirects),
    ):
        fetched(url, most=1000, seconds=5, redirects=3)


@pytest.mark.parametrize("window", [31, 15, -15])
def test_a_reply_that_is_packed_is_read(window: int) -> None:
    body = b"words " * 50_000
    packing = zlib.compressobj(wbits=window)
    packed = packing.compress(body) + packing.flush()
    kind = "gzip" if window == 31 else "deflate"
    with hostile_server(reply(body=[packed[:5], packed[5:]], Content_Encoding=kind)) as url:
        assert fetched(url, most=1_000_000, seconds=5).content == body
