"""The numbers of an image processor's description, bounded before a picture is prepared with them.

A height of a billion costs minutes and gigabytes before anything fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError

_BOUNDS = {
    "height": (1, 20_000), "width": (1, 20_000), "image_grid_pinpoints": (1, 20_000),
    "shortest_edge": (1, 2**31), "longest_edge": (1, 2**31),
    "patch_size": (1, 1024), "merge_size": (1, 1024), "temporal_patch_size": (1, 1024),
    "image_mean": (-1000, 1000), "image_std": (-1000, 1000), "rescale_factor": (-1000, 1000),
}  # fmt: skip
"""By name, the least and the most. Some processors give edges as a number of pixels."""


def check_picture_values(settings: Any, file: Path) -> None:
    """Refuse values that no image processor has; names without a bound are left to transformers."""
    for name, value in _leaves(settings, ""):
        if name not in _BOUNDS or value is None:
            continue
        least, most = _BOUNDS[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not least <= value <= most:
            what = f"this is not a number from {least:,} to {most:,}."
            raise ModelError(what, file=file, key=name, fix="Copy it from the model's source.")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every value that is no list or object, with the name it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value
