"""A program in a terminal of its own, typed at and read like by a person."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """What is shown on the screen, and the keyboard."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process, self._screen = process, screen
        self.raw = ""
        self._read_to = 0

    def until(self, text: str, seconds: float = 60) -> str:
        """What appears up to this text, without colours; an error if it does not appear."""
        deadline = time.monotonic() + seconds
        while True:
            new = _STYLE.sub("", self.raw[self._read_to :])
            if text in new:
                # Colours never stand inside the texts that are waited for.
                self._read_to = self.raw.index(text, self._read_to) + len(text)
                return new[: new.index(text) + len(text)]
            if time.monotonic() > deadline or not self._more():
                raise AssertionError(f"`{text}` does not appear: {self.raw!r}")

    def type(self, text: str) -> None:
        """Press these keys, and Enter."""
        os.write(self._screen, f"{text}\r".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, a moment after what was read: a prompt is shown before it listens."""
        time.sleep(0.3)
        os.write(self._screen, b"\x03")

    def end(self, seconds: float = 120) -> int:
        """Wait until the program has ended; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self._more()
        while self._more():
            pass
        return self.process.wait(timeout=10)

    def _more(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], 0.2)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def terminal(
    command: Sequence[str], *, columns: int = 80, env: dict[str, str], stdout: int | None = None
) -> Iterator[Terminal]:
    """Run a command in a terminal of so many columns; `stdout` may lead elsewhere."""
    screen, keyboard = pty.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=keyboard,
        stdout=keyboard if stdout is None else stdout,
        stderr=keyboard,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(screen)
