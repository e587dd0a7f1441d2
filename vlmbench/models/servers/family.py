"""What a server's list of models says about one of them: the family, and the colour that pads its pictures.

vLLM names the folder or hub id that it serves (`root`). Where that folder lies on this machine, its own files
decide, as they do for a model in this process; elsewhere the name does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.files.json_files import object_or_none
from vlmbench.images import CLIP_MEAN
from vlmbench.model_files.folder import PROCESSOR_FILES
from vlmbench.model_files.processor import colour_of
from vlmbench.prompts import ChosenStyle, style_of_names, style_of_type

Entry = Mapping[str, Any]


def style_of_served(name: str, listed: Sequence[Entry]) -> ChosenStyle:
    """The style of the model that the server calls `name`."""
    entries = list(_entries(name, listed))
    for folder in _folders(entries):
        kind = (object_or_none(folder / "config.json") or {}).get("model_type")
        if isinstance(kind, str):
            return style_of_type(kind)
    known_as = [entry.get(key) for entry in entries for key in ("root", "id")]
    return style_of_names([*(one for one in known_as if isinstance(one, str)), name])


def padding_of_served(name: str, listed: Sequence[Entry]) -> tuple[int, int, int]:
    """The mean colour of its image processor; CLIP's where no file here says."""
    for folder in _folders(_entries(name, listed)):
        for file in reversed(PROCESSOR_FILES):
            settings = object_or_none(folder / file) or {}
            settings = settings.get("image_processor", settings)
            if isinstance(settings, dict) and "image_mean" in settings:
                return colour_of(settings["image_mean"])
    return CLIP_MEAN


def _entries(name: str, listed: Sequence[Entry]) -> Iterator[Entry]:
    """The model's own entry, then that of the model which its adapter was trained on."""
    for _ in range(2):
        entry = next((entry for entry in listed if entry.get("id") == name), None)
        if entry is None:
            return
        yield entry
        name = str(entry.get("parent") or "")


def _folders(entries: Iterator[Entry] | Sequence[Entry]) -> Iterator[Path]:
    roots = (entry.get("root") for entry in entries)
    return (Path(root) for root in roots if isinstance(root, str) and root and "\0" not in root)
