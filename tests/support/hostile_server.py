"""A server on loopback that says to each connection exactly what it is given, byte by byte, HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

Said = Callable[[], Iterable[bytes]]
"""The bytes of one reply, as they are sent."""


def reply(*, status: str = "200 OK", body: Iterable[bytes] = (), **headers: str) -> Said:
    """A reply of these headers, chunked, its body a chunk at a time."""

    def said() -> Iterator[bytes]:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        yield f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n{lines}\r\n".encode()
        for piece in body:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"

    return said


@contextlib.contextmanager
def hostile_server(said: Said) -> Iterator[str]:
    """Its address; each connection is read once, gets the reply, and is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 20)
            for piece in said():
                if gone.is_set():
                    return
                connection.sendall(piece)
            # Closed with bytes unread, TCP would reset the connection, and the reply might be lost.
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(2)
            while connection.recv(1 << 20):
                pass

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        gone.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
