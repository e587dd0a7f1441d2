"""A page in a browser, and everything that happened on it that should not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
