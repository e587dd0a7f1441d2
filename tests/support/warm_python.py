"""A Python for processes that tests start by the dozen: what they import takes seconds, and is imported once.

`warm_python()` gives a folder with the programs `python` and `vlmbench`. For who starts one it is the process
with its session, signals, output and exit code; the work is done by a fork of a process that has imported
everything. The environment is that of the start, but for what is read on import.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_NUMBER = struct.Struct("!q")


@contextlib.contextmanager
def warm_python(*modules: str, env: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A folder of programs that have these modules already, imported in this environment or the test's."""
    # The path of a socket is short, and a test's folder is not.
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        door = Path(folder, "door")
        for name, first in (("python", ""), ("vlmbench", "-m vlmbench")):
            program = Path(folder, name)
            call = f'exec "{sys.executable}" -ISE "{__file__}" "{door}" {first} "$@"'
            program.write_text(f"#!/bin/sh\n{call}\n", "utf-8")
            program.chmod(0o755)
        with subprocess.Popen([sys.executable, __file__, "--serve", str(door), *modules], env=env) as server:
            try:
                while not door.exists():
                    assert server.poll() is None
                    time.sleep(0.05)
                yield Path(folder)
            finally:
                server.kill()


def serve(door: str, modules: Sequence[str]) -> dict[str, Any]:
    """Start a fork for each that knocks. Only the forks return, with what they are to run."""
    for module in modules:
        __import__(module)
    assert threading.active_count() == 1, "a fork would have one of these threads"
    # Else each fork writes it again.
    sys.stdout.flush()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{door}.new")
    listener.listen()
    Path(f"{door}.new").rename(door)
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fileobj is not listener:
                _end(watched, key)
                continue
            connection, _ = listener.accept()
            header, files, _, _ = socket.recv_fds(connection, _NUMBER.size, 3)
            asked: dict[str, Any] = json.loads(_exactly(connection, _NUMBER.unpack(header)[0]))
            process = os.fork()
            if process == 0:
                _only_these_files(files, [connection, *(key.fileobj for key in watched.get_map().values())])
                watched.close()
                return asked
            for file in files:
                os.close(file)
            connection.sendall(_NUMBER.pack(process))
            ended = os.pidfd_open(process)
            for watch in (connection, ended):
                watched.register(watch, selectors.EVENT_READ, (process, connection, ended))


def _only_these_files(files: Sequence[int], others: Sequence[Any]) -> None:
    """A fork has the input and output of its starter, and nothing else of the server's."""
    for other in others:
        os.close(other) if isinstance(other, int) else other.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)


def _end(watched: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """A fork has ended, and its starter hears how; or the starter has been killed, and the fork is too."""
    if key.fileobj not in watched.get_map():
        return
    process, connection, ended = key.data
    if key.fileobj is connection:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(OSError):
        connection.sendall(_NUMBER.pack(status))
    for watch in (connection, ended):
        watched.unregister(watch)
    connection.close()
    os.close(ended)


def run(asked: dict[str, Any]) -> None:
    """What Python does with such arguments."""
    os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    first, *rest = asked["arguments"]
    sys.path[0] = asked["folder"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


def knock(door: str, arguments: Sequence[str]) -> int:
    """Have this run by a fork, and end as it does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(door)
    asked = {"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}
    message = json.dumps(asked).encode()
    socket.send_fds(connection, [_NUMBER.pack(len(message))], [0, 1, 2])
    connection.sendall(message)
    process = _NUMBER.unpack(_exactly(connection, _NUMBER.size))[0]
    for number in PASSED_ON:
        signal.signal(number, lambda passed, _frame: os.kill(process, passed))
    code = os.waitstatus_to_exitcode(_NUMBER.unpack(_exactly(connection, _NUMBER.size))[0])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        assert more, "the other side is gone"
        found += more
    return found


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        run(serve(sys.argv[2], sys.argv[3:]))
    else:
        sys.exit(knock(sys.argv[1], sys.argv[2:]))
