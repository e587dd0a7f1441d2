"""From a recipe's mixture to batches: tokens, pictures, an order over ranks, and a loader for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from vlmbench.checkpoints.assemble import image_processor_of
from vlmbench.errors import VlmbenchError
from vlmbench.plain_text import visible
from vlmbench.trainers.data.batches import Collator, PackedCollator, TrainingSample
from vlmbench.trainers.data.dataset import LlavaDataset, TrainingPictures, mixture, token_specs
from vlmbench.trainers.data.generated import as_llava, folder_of
from vlmbench.trainers.data.prepare import TokenSpec, shared_tokens
from vlmbench.trainers.data.progress import StderrProgress, quiet
from vlmbench.trainers.data.samplers import ShuffledSampler, Spread
from vlmbench.trainers.data.shards.arrivals import Position, ShardFetcher
from vlmbench.trainers.data.token_file import TokenFile
from vlmbench.trainers.data.windows import WindowedSampler, packed, sampler_of
from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.recipe.model import Data, Recipe, Source
from vlmbench.trainers.training.handoff import wait_for_file
from vlmbench.trainers.training.start import Start

FAILED = "failed"
BROKEN = "broken_pictures.jsonl"
"""In the work folder."""
_SHOWN = 300
"""Characters of a note."""
PREFETCHED = 2
"""Batches that each loading process works ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The batches, and what they are made of."""

    dataset: LlavaDataset
    specs: tuple[TokenSpec, ...]
    pictures: TrainingPictures
    features: int
    pad: int
    loader: EpochLoader
    notes: tuple[str, ...]
    """Sentences on what was cut or left out of the data."""
    fetcher: ShardFetcher | None = None
    """Of streamed sources whose pictures are not here."""

    @property
    def micro_batches(self) -> int:
        """Of an epoch, on each rank."""
        return len(self.loader)


def make_feed(recipe: Recipe, start: Start, how: RankSettings, work_dir: Path, home: Path | None) -> Feed:
    """The loader of this rank; rank 0 tokenises, the others wait for its file."""
    features = start.llava.feature_count()
    specs = tuple(token_specs(recipe, start.tokenizer, features))
    sets = [
        shared_tokens(
            spec,
            leader=how.first,
            home=home,
            progress=StderrProgress(spec.file.name) if how.first else quiet,
        )
        for spec in specs
    ]
    pictures = TrainingPictures(processor=image_processor_of(start.llava.vision), square=recipe.data.square)
    dataset = mixture(recipe, sets, pictures, work_dir / BROKEN, home)
    token = start.llava.image_token_id
    pad = start.llava.language.tokenizer.pad_token_id
    plain = Collator(
        pad_id=start.tokenizer.pad if pad is None else int(pad),
        image_token=-1 if token is None else token,
        features=features,
        blank=pictures.blank(),
    )
    loader, fetcher = _loader(recipe, dataset, plain, how)
    return Feed(
        dataset=dataset,
        specs=specs,
        pictures=pictures,
        features=features,
        pad=plain.pad_id,
        loader=loader,
        notes=tuple(_notes(specs, sets)),
        fetcher=fetcher,
    )


def _notes(specs: Sequence[TokenSpec], sets: Sequence[TokenFile]) -> Iterator[str]:
    for spec, made in zip(specs, sets, strict=True):
        # A note quotes ids from the file.
        yield from (visible(f"{spec.file.name}: {line}", _SHOWN) for line in made.notes.lines())


def _loader(
    recipe: Recipe, dataset: LlavaDataset, plain: Collator, how: RankSettings
) -> tuple[EpochLoader, ShardFetcher | None]:
    import torch

    schedule, data = recipe.schedule, recipe.data
    spread = Spread(
        batch=schedule.batch * schedule.accumulation, world=how.world, rank=how.rank, seed=recipe.seed
    )
    samples: Any = ErrorsAsValues(dataset)
    collate: Any = plain
    shards = dataset.shard_numbers
    lengths = dataset.modality_lengths() if data.sampler == "length-grouped" and not data.packing else None
    if data.packing:
        rows = packed(shards, dataset.expanded_lengths(plain.features), room(recipe, plain.features))
        samples, collate = PackedRows(samples, rows), PackedCollator(plain=plain)
        shards = shards[[row[0] for row in rows]]
    sampler = sampler_of(shards, lengths, data.window, spread)
    fetcher = _fetcher(recipe, dataset, sampler)
    batches = Batches(sampler, schedule.batch)
    if fetcher is not None and isinstance(sampler, WindowedSampler):
        batches = StreamedBatches(sampler, schedule.batch, fetcher, max(PREFETCHED * data.workers, 1))
    loader = EpochLoader(
        samples,
        batch_sampler=batches,
        collate_fn=ErrorCollator(collate),
        num_workers=data.workers,
        prefetch_factor=PREFETCHED if data.workers else None,
        pin_memory=data.pin_memory and not how.cpu,
        persistent_workers=data.workers > 0,
        # The default generator is the model's own, for dropout.
        generator=torch.Generator().manual_seed(recipe.seed),
    )
    return loader, fetcher


def _fetcher(recipe: Recipe, dataset: LlavaDataset, sampler: ShuffledSampler) -> ShardFetcher | None:
    """What brings the shards of streamed sources; None where all pictures are here."""
    if dataset.arrivals is None or not isinstance(sampler, WindowedSampler):
        return None
    dataset.arrivals.store.check_room(dataset.shards, recipe.data.window)
    return ShardFetcher(
        dataset.arrivals, dataset.shards, lambda epoch: sampler.windows(epoch).shards, recipe.schedule.epochs
    )


def room(recipe: Recipe, features: int) -> int:
    """Tokens of a packed row: as long as the longest sample may become."""
    return recipe.data.max_positions or recipe.data.max_length - 1 + features


class Batches:
    """A sampler's indices in batches; the loop sets the epoch through it."""

    def __init__(self, sampler: ShuffledSampler, batch: int) -> None:
        self.sampler, self.batch_size, self.drop_last = sampler, batch, False

    @property
    def batch_sampler(self) -> Batches:
        """Itself: accelerate looks here for what it wrapped to skip batches."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """The order of that epoch."""
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        indices = list(self.sampler)
        return (indices[at : at + self.batch_size] for at in range(0, len(indices), self.batch_size))

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)


class StreamedBatches(Batches):
    """The same, and what fetches shards knows which of them are read and which come next."""

    def __init__(self, sampler: WindowedSampler, batch: int, fetcher: ShardFetcher, in_flight: int) -> None:
        """`in_flight`: as many batches may be asked for while the first of them is not loaded yet."""
        super().__init__(sampler, batch)
        self._windowed, self._fetcher, self._in_flight, self._epoch = sampler, fetcher, in_flight, 0

    def set_epoch(self, epoch: int) -> None:
        """The order of that epoch."""
        super().set_epoch(epoch)
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        windows, samples = self._windowed.windows(self._epoch), self.batch_size * self.sampler.spread.world
        for number, batch in enumerate(super().__iter__()):
            oldest = max(number - self._in_flight + 1, 0)
            first, last = windows.at(oldest * samples), windows.at((oldest + 1) * samples - 1)
            newest = windows.at((number + 1) * samples - 1)
            self._fetcher.reached(Position(self._epoch, first, last, newest))
            yield batch


class EpochLoader(DataLoader[Any]):
    """torch's loader with the epoch's order, which the loop sets."""

    def set_epoch(self, epoch: int) -> None:
        """The order of that epoch."""
        batches: Any = self.batch_sampler
        batches.set_epoch(epoch)


class ErrorsAsValues:
    """The data set; errors for the user are returned, since raised in a worker they would lose their type."""

    def __init__(self, dataset: LlavaDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> TrainingSample | VlmbenchError:
        try:
            return self._dataset[index]
        except VlmbenchError as error:
            return error


class PackedRows:
    """Rows of several samples."""

    def __init__(self, samples: ErrorsAsValues, rows: Sequence[Sequence[int]]) -> None:
        self._samples, self._rows = samples, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> list[TrainingSample | VlmbenchError]:
        return [self._samples[place] for place in self._rows[index]]


class ErrorCollator:
    """A batch, or the first failure among its samples."""

    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]:
        """One batch."""
        flat = [one for sample in samples for one in (sample if isinstance(sample, list) else [sample])]
        failed = next((one for one in flat if isinstance(one, VlmbenchError)), None)
        batch: dict[str, Any] = {FAILED: failed} if failed is not None else self._collate(samples)
        return batch


def with_files(recipe: Recipe, *, leader: bool, home: Path | None = None) -> Recipe:
    """The recipe with a LLaVA file for every source; rank 0 writes those that are generated or converted."""

    def filed(source: Source) -> Source:
        if source.kind != "llava" and not leader:
            wait_for_file(folder_of(source, recipe.seed, home))
        made: Source = as_llava(source, recipe.seed, home, recipe.data.store)
        return made

    data: Data = replace(recipe.data, sources=tuple(map(filed, recipe.data.sources)))
    return replace(recipe, data=data)
