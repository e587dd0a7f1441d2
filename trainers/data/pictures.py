"""Pictures of training data: opened when needed, padded to a square if asked, made ready for the tower."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import DataError, ModelError
from vlmbench.images import open_picture, pad_to_square
from vlmbench.trainers.data.lfs_check import ENOUGH, refuse_stand_in

from .policy import Policy

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Reads pictures as a tower's image processor wants them."""

    processor: Any
    square: bool
    """Pad to a square in the processor's mean colour before all else."""

    def load(self, folder: Path, names: Sequence[str]) -> torch.Tensor:
        """The pictures of one record: (pictures, channels, height, width)."""
        opened = [read_picture(folder / name) for name in names]
        if self.square:
            colour = mean_colour(self.processor.image_mean)
            opened = [pad_to_square(one, colour) for one in opened]
        pixels: torch.Tensor = self.processor(opened, return_tensors="pt")["pixel_values"]
        return pixels

    def blank(self) -> torch.Tensor:
        """A picture of zeros in the processor's size: (channels, height, width)."""
        import torch

        size = getattr(self.processor, "crop_size", None) or self.processor.size
        side = size.get("height", size.get("shortest_edge"))
        return torch.zeros(3, side, size.get("width", side))


def mean_colour(mean: Sequence[float]) -> tuple[int, int, int]:
    """The colour of padding, cut off as in the original tools: CLIP's is (122, 116, 104)."""
    red, green, blue = (int(value * 255) for value in mean)
    return red, green, blue


def read_picture(path: Path) -> Image:
    """The picture as RGB; missing or broken is a DataError that names it."""
    try:
        data = path.read_bytes()
        refuse_stand_in(data[:ENOUGH], path)
        return open_picture(data)
    except OSError as error:
        raise DataError(f"the picture cannot be read: {error.strerror}.", file=path) from None
    except ValueError:
        raise DataError(f"no path can be {str(path)!a}.") from None
    except DataError as error:
        raise DataError(error.what, file=path, fix=error.fix) from None


def load_image_processor(folder: str | Path) -> Any:
    """A model folder's image processor in its Pillow form: pixels do not depend on what is installed."""
    from transformers import AutoImageProcessor

    auto: Any = AutoImageProcessor
    try:
        return auto.from_pretrained(str(folder), backend="pil")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the image processor cannot be read: {' '.join(str(error).split())[:300]}", file=folder
        ) from error


@dataclass(slots=True, kw_only=True)
class BrokenPictures:
    """Counts and lists pictures that could not be read, over all loading processes of a rank."""

    policy: Policy
    list_file: Path | None = None
    """One JSON line a picture."""
    _count: Any = field(default_factory=lambda: multiprocessing.get_context("spawn").Value("q", 0))

    def take(self, record: str, error: DataError) -> str:
        """Count it; raises where the policy says stop. Returns what to say of it."""
        with self._count.get_lock():
            self._count.value += 1
            count = self._count.value
        if self.list_file is not None:
            line = json.dumps({"record": record, "problem": str(error)}, ensure_ascii=False)
            # Opened for appending, a short line is written in one piece, whoever else writes.
            with self.list_file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        self.policy.check(count, DataError(f"record {record}: {error}"))
        return f"{record}: {error}"

    @property
    def count(self) -> int:
        """How many there were."""
        return int(self._count.value)
