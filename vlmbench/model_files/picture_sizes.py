"""How large a model sees a picture of some width and height: the size after resizing, its tiles, its tokens.

No picture is opened or resized for this. The sizes come from the functions by which transformers' processors
resize; where a family has none, or none is known here, they are None.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from vlmbench.model_files.picture_families import tile_of_grids
from vlmbench.model_files.picture_options import HeldSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """A picture as the processor is given it."""

    width: int
    height: int
    is_alone: bool = True
    """The only picture of its prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPicture:
    """A picture as the model sees it."""

    width: int | None = None
    height: int | None = None
    """After resizing, padding included; of a picture in tiles, of their grid; None where it is not known."""
    tiles: int | None = None
    """How many pictures the vision tower gets, the whole one on top of its tiles included."""
    tokens: int | None = None
    """In the prompt; None where the processor does not count them."""


Shape = tuple[int, int, int]
"""Width, height and tiles."""
Resize = Callable[[HeldSettings, int, int], Shape]
"""From settings, width and height."""


def seen_pictures(processor: Any, shown: Sequence[ShownPicture]) -> list[SeenPicture]:
    """The pictures as the model of this processor sees them."""
    held = HeldSettings(processor)
    return [_seen(held, picture) for picture in shown]


def _seen(held: HeldSettings, shown: ShownPicture) -> SeenPicture:
    resize = next((found for start, found in _FAMILIES.items() if held.kind.startswith(start)), None)
    count: Callable[[HeldSettings, int, int], int | None] = _counted
    if held.kind.startswith("LlavaOnevisionImageProcessor") and not shown.is_alone:
        resize, count = _padded_square, _tower_tokens
    elif resize is _sliced:
        count = _slice_tokens
    elif held.do_pan_and_scan:
        count = _crop_tokens
    shape = None if resize is None or held.do_resize is False else _tried(resize, held, shown)
    width, height, tiles = shape or (None, None, None)
    return SeenPicture(width=width, height=height, tiles=tiles, tokens=_tried(count, held, shown))


def _tried(
    function: Callable[[HeldSettings, int, int], T], held: HeldSettings, shown: ShownPicture
) -> T | None:
    """What the function returns; None where it fails.

    Processors differ in what they can count, and refuse some pictures (200 times as wide as high); no answer
    depends on it.
    """
    try:
        return function(held, shown.width, shown.height)
    except Exception:
        return None


def _counted(held: HeldSettings, width: int, height: int) -> int:
    counts = held.processor._get_num_multimodal_tokens(image_sizes=[[height, width]])
    return int(counts["num_image_tokens"][0])


def _crop_tokens(held: HeldSettings, width: int, height: int) -> int:
    """The processor's own count knows no crops."""
    _, _, pictures = _cropped(held, width, height)
    return _counted(held, width, height) * pictures


def _tower_tokens(held: HeldSettings, width: int, height: int) -> int:
    """Of a picture in one tile, and one that ends it; without the class token of a tower that has one."""
    has_class_token = held.processor.vision_feature_select_strategy == "default"
    return int(held.processor.num_image_tokens + 1 - has_class_token)


def _module(pictures: Any) -> Any:
    """Where the processor's functions for sizes stand."""
    return sys.modules[type(pictures).__module__]


def _fixed(held: HeldSettings, width: int, height: int) -> Shape:
    size = held.crop_size if held.do_center_crop and held.crop_size else held.size
    return size["width"], size["height"], 1


def _within_pixels(held: HeldSettings, width: int, height: int) -> Shape:
    limits = {"min_pixels": held.size["shortest_edge"], "max_pixels": held.size["longest_edge"]}
    factor = held.patch_size * held.merge_size
    if held.kind.startswith("Glm"):
        frames = held.temporal_patch_size  # a still picture counts once a frame
        limits |= {"num_frames": frames, "temporal_factor": frames}
    tall, wide = _module(held.pictures).smart_resize(height=height, width=width, factor=factor, **limits)
    return wide, tall, 1


def _gridded(held: HeldSettings, width: int, height: int) -> Shape:
    tall, wide = _module(held.pictures).select_best_resolution((height, width), held.image_grid_pinpoints)
    tile_tall, tile_wide = tile_of_grids(held)
    return wide, tall, -(-tall // tile_tall) * -(-wide // tile_wide) + 1


def _padded_square(held: HeldSettings, width: int, height: int) -> Shape:
    tall, wide = tile_of_grids(held)
    return wide, tall, 1


def _split(held: HeldSettings, width: int, height: int) -> Shape:
    _, rows, columns = held.pictures.get_number_of_image_patches(height, width, {})
    tile = held.max_image_size["longest_edge"]
    return max(1, columns) * tile, max(1, rows) * tile, rows * columns + 1


def _in_patches(held: HeldSettings, width: int, height: int) -> Shape:
    tall, wide = held.size["height"], held.size["width"]
    columns = rows = 1
    if held.crop_to_patches:
        find = _module(held.pictures).get_optimal_tiled_canvas
        columns, rows = find((height, width), (tall, wide), held.min_patches, held.max_patches)
    count = columns * rows
    return columns * wide, rows * tall, count + (count > 1)


def _cropped(held: HeldSettings, width: int, height: int) -> Shape:
    crops = 0
    if held.do_pan_and_scan:
        names = ("min_crop_size", "max_num_crops", "min_ratio_to_activate")
        settings = {f"pan_and_scan_{name}": getattr(held, f"pan_and_scan_{name}") for name in names}
        crops = len(held.pictures.pan_and_scan(_empty(width, height), **settings))
    return held.size["width"], held.size["height"], 1 + crops


def _within_edge(held: HeldSettings, width: int, height: int) -> Shape:
    edge, patch = held.size["longest_edge"], held.patch_size
    sides = (patch, patch) if isinstance(patch, int) else (patch["height"], patch["width"])
    if (merged := getattr(held.processor, "spatial_merge_size", None)) is not None:
        sides = (held.processor.patch_size * merged,) * 2  # the processor hands it on with each call
    find = _module(held.pictures).get_resize_output_image_size
    tall, wide = find(_empty(width, height), (edge, edge), sides, "channels_first")
    return wide, tall, 1


def _canvas(held: HeldSettings, width: int, height: int) -> Shape:
    tile = held.size["height"]
    find = _module(held.pictures).get_optimal_tiled_canvas
    tall, wide = find(
        image_height=height, image_width=width, max_image_tiles=held.max_image_tiles, tile_size=tile
    )
    return int(wide), int(tall), int(tall // tile) * int(wide // tile)


def _sliced(held: HeldSettings, width: int, height: int) -> Shape:
    grid, whole, slices = _slicing(held, width, height)
    tall, wide = slices or whole
    return wide, tall, 1 + (grid[0] * grid[1] if grid else 0)


def _slice_tokens(held: HeldSettings, width: int, height: int) -> int:
    """Of the whole picture and its slices; the marks around them are not counted."""
    _, *shown = _slicing(held, width, height)
    pixels = sum(tall * wide for tall, wide in filter(None, shown))
    return int(pixels) // int(held.patch_size) ** 2 // (4 if held.downsample_mode == "4x" else 16)


Side = tuple[int, int]


def _slicing(held: HeldSettings, width: int, height: int) -> tuple[Side | None, Side, Side | None]:
    """Rows and columns of slices; height and width of the whole picture, and of all slices together."""
    size, most = (height, width), held.scale_resolution
    grid = held.pictures.get_sliced_grid(size, held.max_slice_nums, most) if held.slice_mode else None
    whole = held.pictures.find_best_resize(size, most, held.patch_size, allow_upscale=grid is None)
    if grid is None:
        return None, whole, None
    return grid, whole, held.pictures.get_refine_size(size, grid, most, held.patch_size, allow_upscale=True)


def _empty(width: int, height: int) -> Any:
    """An array of a picture's shape that takes no memory."""
    import numpy as np

    return np.broadcast_to(np.zeros((3, 1, 1), np.uint8), (3, height, width))


_FAMILIES: Mapping[str, Resize] = {
    "CLIPImageProcessor": _fixed,
    "LlavaImageProcessor": _fixed,
    "SiglipImageProcessor": _fixed,
    "BlipImageProcessor": _fixed,
    "Qwen2VLImageProcessor": _within_pixels,
    "Glm4vImageProcessor": _within_pixels,
    "Glm46VImageProcessor": _within_pixels,
    "LlavaNextImageProcessor": _gridded,
    "LlavaOnevisionImageProcessor": _gridded,
    "Idefics3ImageProcessor": _split,
    "SmolVLMImageProcessor": _split,
    "GotOcr2ImageProcessor": _in_patches,
    "Gemma3ImageProcessor": _cropped,
    "PixtralImageProcessor": _within_edge,
    "MllamaImageProcessor": _canvas,
    "MiniCPMV4_6ImageProcessor": _sliced,
}
"""By how the image processor's class is called, as for the flags."""
