"""What a verb leaves for the page of a CI job."""

from __future__ import annotations

import os
from pathlib import Path

from vlmbench.cli._shared.console import complain
from vlmbench.store import make_folder, write_text


def write_markdown(file: Path | None, text: str) -> None:
    """To that file, if any, and to the end of the file that GITHUB_STEP_SUMMARY names, where it is set."""
    if file is not None:
        make_folder(file.parent)
        write_text(file, text)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as page:
                page.write(text)
        except OSError as error:
            complain(f"GITHUB_STEP_SUMMARY cannot be written: {error}")
