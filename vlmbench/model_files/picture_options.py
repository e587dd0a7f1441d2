"""How large a model sees a picture: limits, resampling and tiles, set in its own image processor.

    --min-pixels, --max-pixels    a picture is enlarged or reduced until its pixels lie within
    --tiles                       a large picture is cut into at most so many
    --resample                    the filter that resizes it

Each family has its own words for these, or none: what it has none for is refused by name. Without a flag the
folder's own settings hold, which are the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlmbench.errors import ModelError, UsageError

RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By Pillow's numbers."""
Setter = Callable[[Any, Any, int], None]
"""From image processor, model configuration and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """What is to be set; None leaves the folder's own setting."""

    min_pixels: int | None = None
    max_pixels: int | None = None
    tiles: int | None = None
    resample: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def checked(self) -> PictureOptions:
        """These options; refused where they contradict each other."""
        if self.resample is not None and self.resample not in RESAMPLE:
            raise UsageError(f"`{self.resample}` is none of {', '.join(RESAMPLE)}.", key="--resample")
        for name in ("min_pixels", "max_pixels", "tiles"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"`{value}` is not a whole number from 1.", key=flag_of(name))
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise UsageError(
                f"at least {self.min_pixels} pixels and at most {self.max_pixels} contradict each other.",
                key="--min-pixels",
            )
        return self


AS_PUBLISHED = PictureOptions()


def set_pictures(processor: Any, config: Any, options: PictureOptions) -> None:
    """Set the options in a loaded processor, and in its model's configuration where that has a part in it."""
    pictures, kind = processor.image_processor, type(processor.image_processor).__name__
    known = _setters(kind)
    for name, value in options.checked().given.items():
        if name not in known:
            can = ", ".join(map(flag_of, known)) or "no such flag"
            raise ModelError(
                f"this model's {kind} has no such setting.", key=flag_of(name), fix=f"Its family has {can}."
            )
        known[name](pictures, config, value)


def picture_facts(processor: Any) -> dict[str, Any]:
    """The settings that hold, by the image processor's own names."""
    pictures = processor.image_processor
    found: dict[str, Any] = {name: getattr(pictures, name, None) for name in _SHOWN}
    if (used := found["resample"]) is not None:
        # torchvision's processors may have a word of its own in place of Pillow's number.
        found["resample"] = RESAMPLE[used] if isinstance(used, int) else str(getattr(used, "value", used))
    plain = {name: dict(value) if hasattr(value, "longest_edge") else value for name, value in found.items()}
    return {name: value for name, value in plain.items() if value is not None}


_SHOWN = (
    "size",
    "crop_size",
    "resample",
    "max_image_size",
    "do_image_splitting",
    "image_grid_pinpoints",
    "crop_to_patches",
    "min_patches",
    "max_patches",
    "do_pan_and_scan",
    "pan_and_scan_max_num_crops",
    "max_image_tiles",
    "max_slice_nums",
)


def _setters(kind: str) -> Mapping[str, Setter]:
    family = next((setters for start, setters in _FAMILIES.items() if kind.startswith(start)), {})
    return {**family, "resample": _resample}


def flag_of(name: str) -> str:
    """The option's flag."""
    return f"--{name.replace('_', '-')}"


def _resample(pictures: Any, config: Any, value: Any) -> None:
    if getattr(pictures, "resample", None) is None:
        raise ModelError(f"{type(pictures).__name__} resizes nothing.", key="--resample")
    pictures.resample = type(pictures.resample)(RESAMPLE.index(value))


def _size(key: str) -> Setter:
    def setter(pictures: Any, config: Any, value: int) -> None:
        pictures.size = type(pictures.size)(**{**dict(pictures.size), key: value})

    return setter


def _edge(pictures: Any, config: Any, value: int) -> None:
    """No side longer than that of a square of so many pixels."""
    pictures.size = type(pictures.size)(longest_edge=math.isqrt(value))


def _grids(pictures: Any, config: Any, value: int) -> None:
    """Only the grids of at most so many tiles; the model has to know the same ones."""
    tile = pictures.crop_size or pictures.size
    area = tile["height"] * tile["width"]
    kept = [list(grid) for grid in pictures.image_grid_pinpoints if grid[0] * grid[1] <= value * area]
    if not kept:
        least = min(height * width // area for height, width in pictures.image_grid_pinpoints)
        raise ModelError(f"the smallest of this model's grids has {least} tiles.", key="--tiles")
    pictures.image_grid_pinpoints = config.image_grid_pinpoints = kept


def _splits(pictures: Any, config: Any, value: int) -> None:
    """So many tiles a side that the square holds no more than that; the picture as a whole comes on top."""
    side = math.isqrt(value)
    pictures.do_image_splitting = side > 1
    pictures.size = type(pictures.size)(longest_edge=side * pictures.max_image_size["longest_edge"])


def _patches(pictures: Any, config: Any, value: int) -> None:
    pictures.max_patches, pictures.min_patches = value, min(pictures.min_patches, value)


def _image_tiles(pictures: Any, config: Any, value: int) -> None:
    most = config.vision_config.max_num_tiles
    if value > most:
        raise ModelError(f"this model was made for at most {most} tiles.", key="--tiles")
    pictures.max_image_tiles = value


def _slices(pictures: Any, config: Any, value: int) -> None:
    pictures.max_slice_nums = value


_FAMILIES: Mapping[str, Mapping[str, Setter]] = {
    "Qwen2VLImageProcessor": {"min_pixels": _size("shortest_edge"), "max_pixels": _size("longest_edge")},
    "LlavaNextImageProcessor": {"tiles": _grids},
    "LlavaOnevisionImageProcessor": {"tiles": _grids},
    "Idefics3ImageProcessor": {"tiles": _splits},
    "SmolVLMImageProcessor": {"tiles": _splits},
    "GotOcr2ImageProcessor": {"tiles": _patches},
    "PixtralImageProcessor": {"max_pixels": _edge},
    "MllamaImageProcessor": {"tiles": _image_tiles},
    "MiniCPMVImageProcessor": {"tiles": _slices},
}
"""By how the image processor's class is called; Qwen2-VL's serves 2.5 and 3, GOT-OCR2's serves InternVL."""
