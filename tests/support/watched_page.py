"""The browser, and a page in it with everything that happened on it that should not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "install it with `apt-get update && apt-get install -y chromium`, or name it in VLMBENCH_CHROMIUM"


def chromium() -> str:
    """The browser's program."""
    named = os.environ.get("VLMBENCH_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(f"there is no Chromium here: {INSTALL}", pytrace=False)
    return found


@dataclass
class Watched:
    """A page, and everything that happened on it that should not."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def see(self, name: str) -> None:
        """Keep a screenshot, where VLMBENCH_SCREENSHOTS names a folder for them."""
        folder = os.environ.get("VLMBENCH_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
