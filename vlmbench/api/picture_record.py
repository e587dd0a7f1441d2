"""How large a model saw each picture: picture_tokens.jsonl, one line a picture of the run.

    {"picture": "9f…", "width": 1280, "height": 720, "tokens": 1196, "patches": 4784}

`width` and `height` are what the processor is given; `patches` counts what it cuts the picture into, tiles or
the tower's patches, as its family does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.domain import ImageSource, Run
from vlmbench.errors import UserError
from vlmbench.images import picture_size
from vlmbench.prompts import prompt_style
from vlmbench.store import write_text

PICTURE_TOKENS = "picture_tokens.jsonl"


def write_picture_tokens(run: Run, folder: Path, images: ImageSource, model: Any) -> None:
    """Write the file, of a model that counts a picture's tokens."""
    measure = getattr(model, "picture_tokens", None)
    sizes = dict(_sizes(run, images)) if measure is not None else {}
    counts = measure(list(sizes.values())) if measure is not None and sizes else None
    if counts is None:
        return
    lines = [
        {"picture": digest, "width": width, "height": height, "tokens": tokens, "patches": patches}
        for (digest, (width, height)), (tokens, patches) in zip(sizes.items(), counts, strict=True)
    ]
    write_text(folder / PICTURE_TOKENS, "".join(json.dumps(line) + "\n" for line in lines))


def _sizes(run: Run, images: ImageSource) -> Iterator[tuple[str, tuple[int, int]]]:
    is_square = prompt_style(run.spec.style).image_fit == "square"
    asked = (digest for sample in run.samples if sample.problem is None for digest in sample.images)
    for digest in dict.fromkeys(asked):
        try:
            width, height = picture_size(images[digest])
        except UserError:  # its row's error names it
            continue
        yield digest, (max(width, height),) * 2 if is_square else (width, height)
