"""Where downloads, caches and digests live."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """`VLMBENCH_HOME`, or `~/.cache/vlmbench`."""
    named = os.environ.get("VLMBENCH_HOME")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "vlmbench"
