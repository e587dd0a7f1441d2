"""What limits, tiles and the filter are called in each family's image processor.

A `Flag` reads a value of ours from a loaded processor, and words another one as the processor's own settings.
These are what transformers' processors take as attributes and as arguments of a call, so vLLM takes them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vlmbench.errors import ModelUsageError

RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers."""
Settings = dict[str, Any]
"""By the image processor's own names."""


@dataclass(frozen=True, slots=True)
class Flag:
    """How a family sets and states one of min_pixels, max_pixels, tiles and resample."""

    write: Callable[[Any, Any, Any], Settings]
    """From image processor, model configuration and value to the family's settings."""
    read: Callable[[Any], Any]
    """From the settings that hold, as attributes, to the value."""


def flags_of_family(pictures: Any) -> Mapping[str, Flag]:
    """The flags that this image processor has."""
    kind = type(pictures).__name__
    family = next((flags for start, flags in _FAMILIES.items() if kind.startswith(start)), {})
    return {**family, "resample": Flag(_resample, _filter)}


def _resample(pictures: Any, config: Any, value: str) -> Settings:
    if getattr(pictures, "resample", None) is None:
        raise ModelUsageError(f"{type(pictures).__name__} resizes nothing.", key="--resample")
    return {"resample": RESAMPLE.index(value)}


def _filter(held: Any) -> str | None:
    """The filter's name; torchvision's processors may have a word of its own in place of Pillow's number."""
    used = getattr(held, "resample", None)
    if used is None:
        return None
    return RESAMPLE[used] if isinstance(used, int) else str(getattr(used, "value", used))


def _edge(key: str) -> Flag:
    """A limit of pixels that the family keeps in `size`, under a name that sounds like an edge."""

    def write(pictures: Any, config: Any, value: int) -> Settings:
        return {"size": {**dict(pictures.size), key: value}}

    return Flag(write, lambda held: held.size[key])


def _square_edge(pictures: Any, config: Any, value: int) -> Settings:
    """No side longer than that of a square of so many pixels."""
    return {"size": {"longest_edge": math.isqrt(value)}}


def tile_of_grids(held: Any) -> tuple[int, int]:
    """Height and width of a tile of LLaVA-NeXT's and LLaVA-OneVision's grids."""
    tile: dict[str, int] = dict(held.crop_size or held.size)
    side = tile.get("shortest_edge", 0)
    return tile.get("height", side), tile.get("width", side)


def _tiles_in(grid: tuple[int, int], held: Any) -> int:
    height, width = tile_of_grids(held)
    return -(-grid[0] // height) * -(-grid[1] // width)


def _grids(pictures: Any, config: Any, value: int) -> Settings:
    """Only the grids of at most so many tiles; the model has to know the same ones."""
    counts = [_tiles_in(grid, pictures) for grid in pictures.image_grid_pinpoints]
    pairs = zip(counts, pictures.image_grid_pinpoints, strict=True)
    kept = [list(grid) for count, grid in pairs if count <= value]
    if not kept:
        raise ModelUsageError(f"the smallest of this model's grids has {min(counts)} tiles.", key="--tiles")
    return {"image_grid_pinpoints": kept}


def _most_in_grids(held: Any) -> int:
    return max(_tiles_in(grid, held) for grid in held.image_grid_pinpoints)


def _splits(pictures: Any, config: Any, value: int) -> Settings:
    """So many tiles a side that the square holds no more than that; the picture as a whole comes on top."""
    side, tile = math.isqrt(value), pictures.max_image_size["longest_edge"]
    return {"do_image_splitting": side > 1, "size": {"longest_edge": side * tile}}


def _most_splits(held: Any) -> int:
    side = math.ceil(held.size["longest_edge"] / held.max_image_size["longest_edge"])
    return side * side if held.do_image_splitting else 1


def _patches(pictures: Any, config: Any, value: int) -> Settings:
    fewest = min(pictures.min_patches, value)
    return {"crop_to_patches": True, "max_patches": value, "min_patches": fewest}


def _crops(pictures: Any, config: Any, value: int) -> Settings:
    """Pan and scan, off as published; its crops come on top of the picture as a whole."""
    if value == 1:
        return {"do_pan_and_scan": False}
    return {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": value}


def _image_tiles(pictures: Any, config: Any, value: int) -> Settings:
    most = config.vision_config.max_num_tiles
    if value > most:
        raise ModelUsageError(f"this model was made for at most {most} tiles.", key="--tiles")
    return {"max_image_tiles": value}


def _slices(pictures: Any, config: Any, value: int) -> Settings:
    return {"slice_mode": True, "max_slice_nums": value}


_PIXELS = {"min_pixels": _edge("shortest_edge"), "max_pixels": _edge("longest_edge")}
_GRIDS = {"tiles": Flag(_grids, _most_in_grids)}
_SPLITS = {"tiles": Flag(_splits, _most_splits)}
_FAMILIES: Mapping[str, Mapping[str, Flag]] = {
    "Qwen2VLImageProcessor": _PIXELS,
    "Glm4vImageProcessor": _PIXELS,
    "Glm46VImageProcessor": _PIXELS,
    "LlavaNextImageProcessor": _GRIDS,
    "LlavaOnevisionImageProcessor": _GRIDS,
    "Idefics3ImageProcessor": _SPLITS,
    "SmolVLMImageProcessor": _SPLITS,
    "GotOcr2ImageProcessor": {
        "tiles": Flag(_patches, lambda held: held.max_patches if held.crop_to_patches else 1)
    },
    "Gemma3ImageProcessor": {
        "tiles": Flag(_crops, lambda held: held.pan_and_scan_max_num_crops if held.do_pan_and_scan else 1)
    },
    "PixtralImageProcessor": {"max_pixels": Flag(_square_edge, lambda held: held.size["longest_edge"] ** 2)},
    "MllamaImageProcessor": {"tiles": Flag(_image_tiles, lambda held: held.max_image_tiles)},
    "MiniCPMV4_6ImageProcessor": {
        "tiles": Flag(_slices, lambda held: held.max_slice_nums if held.slice_mode else 1)
    },
}
"""By how the image processor's class is called; Qwen2-VL's serves 2.5 and 3, GOT-OCR2's serves InternVL."""
