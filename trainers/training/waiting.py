"""A process that waits for what another writes, without a collective that could time out."""

from __future__ import annotations

from pathlib import Path

from vlmbench.errors import UserError
from vlmbench.files import heartbeat

PATIENCE = 1800.0


def wait_for(path: Path, patience: float = PATIENCE) -> None:
    """Return once the file or folder is there."""

    def late(_: float) -> UserError:
        return UserError(
            f"the first process did not write this within {patience:.0f} s.",
            file=path,
            fix="Look at its output; VLMBENCH_HOME must be a folder that every process sees.",
        )

    heartbeat.wait_for(lambda _: path.exists() or None, path, late, patience=patience)
