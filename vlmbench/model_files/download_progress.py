"""The bars of the hub's client as one line of ours: bytes, rate and time left."""

from __future__ import annotations

import io
import threading
from typing import Any

from vlmbench.terminal.progress import Progress


def bars_shown_by(progress: Progress) -> Any:
    """A class of bars for the hub's client that draw nothing; what has most bytes is shown."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    lock = threading.Lock()
    most = 0.0

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            # A bar that is disabled does not count, either.
            super().__init__(*args, **{**options, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal most
            drawn: bool | None = super().update(n)
            with lock:
                if self.unit == "B" and self.n > most:
                    most = self.n
                    progress.update(most / 1e6, total=self.total / 1e6 if self.total else None)
            return drawn

    return Bar
