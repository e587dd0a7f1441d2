"""A picture's size, tiles and tokens are those that transformers' processor makes of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlmbench.model_files.picture_options import (
    PictureOptions,
    picture_facts,
    picture_line,
    set_pictures,
)
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture, seen_pictures

SIZES = [(40, 300), (300, 40), (64, 64), (333, 251), (1000, 700), (700, 1100)]
SHOWN = [ShownPicture(width=width, height=height) for width, height in SIZES]
Made = tuple[int, int, int]
"""Width, height and tiles."""


def of_grid(found: Any, held: Any) -> Made:
    _, rows, columns = found["image_grid_thw"][0].tolist()
    return columns * held.patch_size, rows * held.patch_size, 1


def of_tiles(found: Any, held: Any) -> Made:
    """All tiles of one picture; their arrangement is not in what the processor puts out."""
    shape = np.asarray(found["pixel_values"]).shape
    return shape[-1], shape[-2], int(np.prod(shape[:-3]))


def of_rows(found: Any, held: Any) -> Made:
    width, height, tiles = of_tiles(found, held)
    rows, columns = found["rows"][0][0], found["cols"][0][0]
    return max(1, columns) * width, max(1, rows) * height, tiles


def of_slices(found: Any, held: Any) -> Made:
    rows, columns = found["grids"][0]
    tall, wide = (int(side) * held.patch_size for side in found["target_sizes"][-1])
    return max(1, columns) * wide, max(1, rows) * tall, int(found["num_patches_per_image"][0])


FAMILIES: list[tuple[str, str, dict[str, Any], Callable[[Any, Any], Made]]] = [
    ("clip", "CLIPImageProcessorPil", {}, of_tiles),
    ("siglip", "SiglipImageProcessorPil", {}, of_tiles),
    ("llava", "LlavaImageProcessorPil", {}, of_tiles),
    ("qwen2_vl", "Qwen2VLImageProcessorPil", {"min_pixels": 50_000, "max_pixels": 100_000}, of_grid),
    ("glm4v", "Glm4vImageProcessorPil", {"min_pixels": 50_000, "max_pixels": 100_000}, of_grid),
    ("glm46v", "Glm46VImageProcessorPil", {}, of_grid),
    ("idefics3", "Idefics3ImageProcessorPil", {"tiles": 4}, of_rows),
    ("idefics3", "Idefics3ImageProcessorPil", {"tiles": 1}, of_rows),
    ("smolvlm", "SmolVLMImageProcessorPil", {}, of_rows),
    ("pixtral", "PixtralImageProcessorPil", {"max_pixels": 90_000}, of_tiles),
    ("minicpmv4_6", "MiniCPMV4_6ImageProcessorPil", {"tiles": 4}, of_slices),
]


def processor_of(module: str, name: str) -> Any:
    """The family's image processor with its published settings, in a processor without any."""
    found = importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}")
    return SimpleNamespace(image_processor=getattr(found, name)())


def shape(seen: SeenPicture) -> Made | None:
    found = (seen.width, seen.height, seen.tiles)
    return None if None in found else found  # type: ignore[return-value]


@pytest.mark.parametrize(("module", "name", "given", "read"), FAMILIES)
def test_sizes_are_those_of_the_familys_own_processor(
    module: str, name: str, given: dict[str, Any], read: Callable[[Any, Any], Made]
) -> None:
    processor = processor_of(module, name)
    set_pictures(processor, SimpleNamespace(), PictureOptions(**given))
    pictures = processor.image_processor
    more = {"return_row_col_info": True} if read is of_rows else {}
    made = [read(pictures([Image.new("RGB", size)], **more), pictures) for size in SIZES]
    assert [shape(seen) for seen in seen_pictures(processor, SHOWN)] == made


@pytest.mark.parametrize(
    ("module", "name", "given", "defaults"),
    [
        ("llava_next", "LlavaNextImageProcessorPil", {}, {}),
        ("llava_onevision", "LlavaOnevisionImageProcessorPil", {"tiles": 6}, {}),
        ("got_ocr2", "GotOcr2ImageProcessorPil", {"tiles": 6}, {}),
        ("mllama", "MllamaImageProcessorPil", {"tiles": 2}, {}),
        ("gemma3", "Gemma3ImageProcessorPil", {}, {"do_pan_and_scan": False}),
        (
            "gemma3",
            "Gemma3ImageProcessorPil",
            {"tiles": 3},
            {
                "do_pan_and_scan": False,
                "pan_and_scan_min_crop_size": 64,
                "pan_and_scan_max_num_crops": 4,
                "pan_and_scan_min_ratio_to_activate": 1.2,
            },
        ),
    ],
)
def test_tiles_are_as_many_as_the_familys_own_processor_cuts(
    module: str, name: str, given: dict[str, Any], defaults: dict[str, Any]
) -> None:
    processor = processor_of(module, name)
    processor.valid_processor_kwargs = type("Taken", (), {"_defaults": {"images_kwargs": defaults}})
    config = SimpleNamespace(vision_config=SimpleNamespace(max_num_tiles=4))
    set_pictures(processor, config, PictureOptions(**given))
    pictures, kept = processor.image_processor, processor.valid_processor_kwargs._defaults["images_kwargs"]
    seen = seen_pictures(processor, SHOWN)
    for size, found in zip(SIZES, seen, strict=True):
        made = pictures([Image.new("RGB", size)], **kept)
        count = made["num_tiles"][0][0] if module == "mllama" else of_tiles(made, pictures)[2]
        assert found.tiles == count
        tile = np.asarray(made["pixel_values"]).shape[-1]
        in_grid = -(-(found.width or 0) // tile) * -(-(found.height or 0) // tile)
        assert count in (in_grid, in_grid + 1) or module == "gemma3"
    is_cut = module != "gemma3" or bool(given)
    assert (len({found.tiles for found in seen}) > 1) == is_cut


def test_nothing_is_said_of_a_family_that_is_not_known() -> None:
    processor = processor_of("aria", "AriaImageProcessorPil")
    assert seen_pictures(processor, SHOWN[:1]) == [SeenPicture()]


def test_a_picture_that_the_processor_refuses_has_no_size() -> None:
    processor = processor_of("qwen2_vl", "Qwen2VLImageProcessorPil")
    assert seen_pictures(processor, [ShownPicture(width=3000, height=3)]) == [SeenPicture()]


def test_several_pictures_of_one_prompt_are_not_cut_by_llava_onevision() -> None:
    processor = processor_of("llava_onevision", "LlavaOnevisionImageProcessorPil")
    processor.num_image_tokens, processor.vision_feature_select_strategy = 729, "full"
    pair = [ShownPicture(width=1000, height=700, is_alone=is_alone) for is_alone in (False, True)]
    beside, alone = seen_pictures(processor, pair)
    assert (shape(beside), beside.tokens) == ((384, 384, 1), 730)
    assert (alone.tiles or 0) > 1


@pytest.mark.parametrize(
    ("module", "name", "line"),
    [
        ("clip", "CLIPImageProcessorPil", "resample bicubic, size shortest edge 224, crop size 224x224"),
        ("qwen2_vl", "Qwen2VLImageProcessorPil", "min pixels 3136, max pixels 1003520, resample bicubic"),
        ("glm4v", "Glm4vImageProcessorPil", "min pixels 12544, max pixels 11760000, resample bicubic"),
        ("llava_onevision", "LlavaOnevisionImageProcessorPil", "tiles 36, resample bicubic, size 384x384"),
        (
            "idefics3",
            "Idefics3ImageProcessorPil",
            "tiles 16, resample lanczos, size longest edge 1456, max image size longest edge 364",
        ),
        ("pixtral", "PixtralImageProcessorPil", "max pixels 1048576, resample bicubic"),
        ("mllama", "MllamaImageProcessorPil", "tiles 4, resample bilinear, size 224x224"),
        ("gemma3", "Gemma3ImageProcessorPil", "tiles 1, resample bilinear, size 224x224"),
        ("minicpmv4_6", "MiniCPMV4_6ImageProcessorPil", "tiles 9, resample bicubic"),
    ],
)
def test_the_line_that_a_run_prints_has_the_familys_published_settings(
    module: str, name: str, line: str
) -> None:
    assert picture_line(picture_facts(processor_of(module, name))) == line
