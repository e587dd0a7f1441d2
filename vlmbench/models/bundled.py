"""The model that ships with vlmbench."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from vlmbench.errors import ModelError


def demo_folder() -> Path:
    """The folder of the demo model, an ordinary Hugging Face LLaVA of about a million parameters."""
    folder = Path(str(files("vlmbench.models"))) / "demo"
    if not (folder / "config.json").exists():
        raise ModelError(
            "this installation comes without the demo model.",
            file=folder,
            fix="Reinstall vlmbench from its wheel.",
        )
    return folder
