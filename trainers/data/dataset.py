"""The data set of a recipe: token rows of its sources, with the pictures of each row read when asked for.

specs = token_specs(recipe, tokenizer, features)      one token set a source, made by `prepare`
data = mixture(recipe, token_files, pictures)         a data set for torch's DataLoader
"""

from __future__ import annotations

import json
import multiprocessing
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.errors import DataError
from vlmbench.images import open_picture, pad_to_square
from vlmbench.model_files.processor import mean_colour
from vlmbench.templates import template
from vlmbench.trainers.data.batches import TrainingSample
from vlmbench.trainers.data.encoding import Limit, Style
from vlmbench.trainers.data.generated import as_llava
from vlmbench.trainers.data.prepare import TokenSpec
from vlmbench.trainers.data.records import Policy
from vlmbench.trainers.data.shards.arrivals import Arrivals
from vlmbench.trainers.data.shards.spans import stored_bytes
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streamed_shard import StreamedShard
from vlmbench.trainers.data.shards.streaming import streamed_shards
from vlmbench.trainers.data.token_file import TokenFile, TokenRow
from vlmbench.trainers.data.windows import NOWHERE

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vlmbench.trainers.data.tokenizer import PieceTokenizer
    from vlmbench.trainers.recipe.model import Recipe, Source, Wording

_TRIES = 100


def token_specs(recipe: Recipe, tokenizer: PieceTokenizer, features: int) -> list[TokenSpec]:
    """One set a source, in the order of the recipe. `features` are those of one picture."""
    data = recipe.data
    return [
        TokenSpec(
            file=files_of(source, recipe.seed)[0],
            tokenizer=tokenizer,
            style=style_of(recipe.wording),
            limit=Limit(ids=data.max_length, positions=data.max_positions, features=features),
            placement=data.placement,
            subset=source.most,
            seed=recipe.seed,
            bad_records=policy_of(recipe),
        )
        for source in data.sources
    ]


def mixture(
    recipe: Recipe,
    tokens: Sequence[TokenFile],
    pictures: TrainingPictures,
    broken_list: Path | None = None,
    home: Path | None = None,
) -> LlavaDataset:
    """The data set of the token files made from `token_specs`. `broken_list`: a file for broken pictures."""
    parts: list[MixturePart] = []
    for source, made in zip(recipe.data.sources, tokens, strict=True):
        file, images = files_of(source, recipe.seed)
        shards = streamed_shards(file) if source.stream else ()
        parts.append(MixturePart(tokens=made, images=images, shards=shards))
    broken = BrokenPictures(policy=policy_of(recipe), list_file=broken_list)
    return LlavaDataset(parts, pictures, broken, ShardStore(recipe.data.store, home))


def files_of(source: Source, seed: int = 0, store: float | None = None) -> tuple[Path, Path]:
    """Annotation file and folder of pictures: the file's own if none is named. Shapes are drawn now.

    `store`: GB that a streamed source may take.
    """
    source = as_llava(source, seed, store=store)
    if source.annotations is None:
        raise DataError("a source needs an annotation file.", key="annotations")
    file = Path(source.annotations).expanduser()
    return file, file.parent if source.images is None else Path(source.images).expanduser()


def style_of(wording: Wording) -> Style:
    """How conversations are written under this recipe."""
    return Style(
        template=template(wording.template),
        system=wording.system,
        preamble=wording.preamble,
        separator=wording.separator,
        bos=wording.bos,
        keep=wording.keep,
    )


def policy_of(recipe: Recipe) -> Policy:
    """What the recipe does with records and pictures that cannot be used."""
    return Policy(action=recipe.data.broken, limit=recipe.data.broken_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixturePart:
    """One tokenised set and the folder of its pictures."""

    tokens: TokenFile
    images: Path
    shards: tuple[StreamedShard, ...] = ()
    """Of a streamed set, in the order of its records."""

    def shard_places(self) -> NDArray[np.int64]:
        """The shard of each row, by its place among `shards`; NOWHERE where the set is not streamed."""
        if not self.shards:
            return np.full(len(self.tokens), NOWHERE)
        ends = np.cumsum([shard.records for shard in self.shards])
        return np.searchsorted(ends, self.tokens.records())


class LlavaDataset:
    """A map-style data set of several token files."""

    def __init__(
        self,
        parts: Sequence[MixturePart],
        pictures: TrainingPictures,
        broken: BrokenPictures | None = None,
        store: ShardStore | None = None,
    ) -> None:
        self.parts = tuple(parts)
        self.shards = [shard for part in parts for shard in part.shards]
        self.shard_numbers = _numbered(self.parts)
        """The shard of each sample, by its place in `shards`."""
        fetched = store is not None and any(shard.in_store for shard in self.shards)
        self.arrivals = Arrivals(store) if store is not None and fetched else None
        self.broken = broken or BrokenPictures(policy=Policy())
        self._pictures = pictures
        self._ends = list(accumulate(len(part.tokens) for part in parts))
        # Shared with the loading processes, so that each broken record is read and counted once.
        self._known_broken: Any = multiprocessing.get_context("spawn").RawArray("b", max(len(self), 1))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> TrainingSample:
        """The sample. A broken picture is replaced by the next sound sample, if the policy allows it:
        so batches keep their size, ranks keep step, and the same data gives the same batches again.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        skipped: list[str] = []
        first, count = self._alike(index)
        for step in range(min(count, _TRIES)):
            place = first + (index - first + step) % count
            if self._known_broken[place]:
                continue
            row, folder = self.row(place)
            try:
                with self._here(place) if row.images else nullcontext():
                    pixels = self._pictures.load(folder, row.images) if row.images else None
            except DataError as error:
                skipped.append(self.broken.take(row.id, error))
                self._known_broken[place] = 1
                continue
            ids, labels = row.ids.astype(np.int64), row.labels.astype(np.int64)
            return TrainingSample(id=row.id, ids=ids, labels=labels, pixels=pixels, skipped=tuple(skipped))
        raise DataError(f"{_TRIES} records in a row, from record {index} on, have broken pictures.")

    def _alike(self, index: int) -> tuple[int, int]:
        """First and number of the samples that may replace this one: all, or those of its shard."""
        if self.arrivals is None:
            return 0, len(self)
        number = bisect_right(self._ends, index)
        start = self._ends[number - 1] if number else 0
        own = self.shard_numbers[start : self._ends[number]]
        first, end = (np.searchsorted(own, own[index - start], side) for side in ("left", "right"))
        return start + int(first), int(end - first)

    def _here(self, index: int) -> AbstractContextManager[None]:
        """Wait for the sample's shard."""
        number = self.shard_numbers[index]
        if self.arrivals is None or number == NOWHERE:
            return nullcontext()
        return self.arrivals.holding(self.shards[number])

    def row(self, index: int) -> tuple[TokenRow, Path]:
        """The tokens of a sample, and the folder of its pictures."""
        number = bisect_right(self._ends, index)
        part = self.parts[number]
        return part.tokens[index - (self._ends[number - 1] if number else 0)], part.images

    def modality_lengths(self) -> NDArray[np.int64]:
        """Lengths with a picture as one token, negative for records without one."""
        return np.concatenate([part.tokens.modality_lengths() for part in self.parts])

    def expanded_lengths(self, features: int) -> NDArray[np.int64]:
        """Lengths as the model sees them."""
        return np.concatenate(
            [part.tokens.lengths() + (features - 1) * part.tokens.pictures() for part in self.parts]
        )


def _numbered(parts: Sequence[MixturePart]) -> NDArray[np.int64]:
    found, before = [np.zeros(0, np.int64)], 0
    for part in parts:
        places = part.shard_places()
        found.append(np.where(places == NOWHERE, NOWHERE, places + before))
        before += len(part.shards)
    return np.concatenate(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPictures:
    """Reads pictures as a tower's image processor wants them."""

    processor: Any
    square: bool
    """Pad to a square in the processor's mean colour before all else."""

    def load(self, folder: Path, names: Sequence[str]) -> torch.Tensor:
        """The pictures of one record: (pictures, channels, height, width)."""
        opened = [read_picture(folder / name) for name in names]
        if self.square:
            colour = mean_colour(self.processor)
            opened = [pad_to_square(one, colour) for one in opened]
        pixels: torch.Tensor = self.processor(opened, return_tensors="pt")["pixel_values"]
        return pixels

    def blank(self) -> torch.Tensor:
        """A picture of zeros in the processor's size: (channels, height, width)."""
        import torch

        size = getattr(self.processor, "crop_size", None) or self.processor.size
        side = size.get("height", size.get("shortest_edge"))
        return torch.zeros(3, side, size.get("width", side))


def read_picture(path: Path) -> Image:
    """The picture as RGB; missing or broken is a DataError that names it."""
    try:
        data = stored_bytes(path)
        check_download(data[:FIRST_BYTES], path)
        return open_picture(data)
    except OSError as error:
        raise DataError(f"the picture cannot be read: {error.strerror}.", file=path) from None
    except ValueError:
        raise DataError(f"no path can be {str(path)!a}.") from None
    except DataError as error:
        raise DataError(error.what, file=path, fix=error.fix) from None


@dataclass(slots=True, kw_only=True)
class BrokenPictures:
    """Counts and lists pictures that could not be read, over all loading processes of a rank."""

    policy: Policy
    list_file: Path | None = None
    """One JSON line a picture."""
    _count: Any = field(default_factory=lambda: multiprocessing.get_context("spawn").Value("q", 0))

    def take(self, record: str, error: DataError) -> str:
        """Count and list it; raises when the policy allows no more. Returns the line to log."""
        with self._count.get_lock():
            self._count.value += 1
            count = self._count.value
        if self.list_file is not None:
            line = json.dumps({"record": record, "problem": str(error)}, ensure_ascii=False)
            # Opened for appending, a short line is written in one piece, even while other processes write.
            with self.list_file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        self.policy.check(count, DataError(f"record {record}: {error}"))
        return f"{record}: {error}"

    @property
    def count(self) -> int:
        """Broken pictures so far."""
        return int(self._count.value)
