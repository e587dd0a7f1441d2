"""A process that waits for what another writes, without a collective that could time out."""

from __future__ import annotations

import time
from pathlib import Path

from vlmbench.errors import UserError

PATIENCE = 1800.0


def wait_for(path: Path, patience: float = PATIENCE) -> None:
    """Return once it is there."""
    since = time.monotonic()
    while not path.exists():
        if time.monotonic() - since > patience:
            raise UserError(
                f"the first process did not write this within {patience:.0f} s.",
                file=path,
                fix="Look at its output; VLMBENCH_HOME must be a folder that every process sees.",
            )
        time.sleep(0.2)
