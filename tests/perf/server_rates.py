"""How many requests a server gets at a time: found out by vlmbench, beside fixed numbers.

Two servers of our own, in a process of their own. One has so many slots and refuses what comes beyond them
with 429; the other takes everything and computes so many at a time, so that each one more makes all slower.
An answer takes half a second to one and a half, by chance.

python tests/perf/server_rates.py [--slots 24] [--questions 1200] [--fixed 4 8 16 24 32 64 128]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import time
from multiprocessing.connection import Connection

from vlmbench.domain import Decoding, Request
from vlmbench.models.servers.model import load_server

SERVERS = ("slots, then 429", "slower with each")


class Slots:
    """Answers in so many slots; `refuses` what finds none free, or lets it wait."""

    def __init__(self, slots: int, seconds: float, *, refuses: bool) -> None:
        self.slots, self.seconds, self.refuses = asyncio.Semaphore(slots), seconds, refuses
        self.chance = random.Random(5)

    async def status(self) -> int:
        if self.refuses and self.slots.locked():
            return 429
        async with self.slots:
            await asyncio.sleep(self.seconds * self.chance.uniform(0.5, 1.5))
        return 200

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if b"ontent-" in line and b"ength" in line
                )
                await reader.readexactly(length)
                status = await self.status()
                writer.write(reply(status))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def reply(status: int) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}
    document = {"choices": [choice], "usage": {"prompt_tokens": 600, "completion_tokens": 2}}
    body = json.dumps(document if status == 200 else {"error": {"message": "no slot is free"}}).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status, len(body), body,
    )  # fmt: skip


def serve(slots: int, seconds: float, refuses: bool, ready: Connection) -> None:
    async def forever() -> None:
        server = await asyncio.start_server(Slots(slots, seconds, refuses=refuses).talk, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def rate(port: int, questions: int, fixed: int | None) -> tuple[float, dict[str, float]]:
    """Answers a second, and what the model counted."""
    model = load_server(f"openai:m@http://127.0.0.1:{port}/v1", concurrency=fixed)
    asked = [Request(id=str(i), group=str(i), parts=("?",), decoding=Decoding()) for i in range(questions)]
    started = time.perf_counter()
    answers = list(model.generate(asked, {}))
    seconds = time.perf_counter() - started
    lost = sum(answer.finish == "error" for answer in answers)
    return (questions - lost) / seconds, {**model.timing["concurrency"], "lost": lost}


def measure(name: str, args: argparse.Namespace) -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(args.slots, args.seconds, name == SERVERS[0], theirs), daemon=True
    )
    server.start()
    try:
        port = ours.recv()
        print(f"{name} ({args.slots} slots), load {os.getloadavg()[0]:.1f}", flush=True)
        rates = {}
        for fixed in (*args.fixed, None):
            rates[fixed], found = rate(port, args.questions, fixed)
            what = "found out" if fixed is None else f"fixed at {fixed}"
            print(
                f"  {what:<14} {rates[fixed]:6.2f} answers/s, {found['refused']} refused, "
                f"{found['lost']} lost, settled on {found['settled']}, highest {found['highest']}",
                flush=True,
            )
        best = max(value for fixed, value in rates.items() if fixed is not None)
        print(f"  found out / best fixed: {rates[None] / best:.2f}", flush=True)
    finally:
        server.terminate()
        server.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=1.0, help="of an answer, on average")
    parser.add_argument("--questions", type=int, default=1200)
    parser.add_argument("--fixed", type=int, nargs="+", default=[4, 8, 16, 24, 32, 64, 128])
    args = parser.parse_args()
    for name in SERVERS:
        measure(name, args)


if __name__ == "__main__":
    main()
