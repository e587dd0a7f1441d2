"""What this installation is: its version, and its name in the package index, where `vlmbench` is another."""

from __future__ import annotations

import sys
from pathlib import Path

__version__ = "0.1.0"

DISTRIBUTION = "vlmbench-suite"
"""What pip installs; the package to import and the command are `vlmbench`."""

NAMESAKE_FIX = f"Run: pip uninstall vlmbench && pip install --force-reinstall --no-deps {DISTRIBUTION}"


def namesake() -> str | None:
    """The version of another project's distribution `vlmbench` in this environment; None where there is none.

    It installs a command of the same name into the same folder. `importlib.metadata` would take longer to
    import than this takes to look, and this runs at every start.
    """
    for folder in sys.path:
        for info in Path(folder).glob("vlmbench-*.dist-info"):
            if not _ours(info):
                return info.stem.removeprefix("vlmbench-")
    return None


def _ours(info: Path) -> bool:
    """Whether this project wrote that: it was called `vlmbench` in its first months."""
    try:
        return "vlmbench.__main__:main" in (info / "entry_points.txt").read_text("utf-8")
    except OSError:
        return False
