"""From a recipe's mixture to batches: tokens, pictures, an order over ranks, and a loader for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

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
    return Feed(
        dataset=dataset,
        specs=specs,
        pictures=pictures,
        features=features,
        pad=plain.pad_id,
        loader=_loader(recipe, dataset, plain, how),
        notes=tuple(_notes(specs, sets)),
    )


def _notes(specs: Sequence[TokenSpec], sets: Sequence[TokenFile]) -> Iterator[str]:
    for spec, made in zip(specs, sets, strict=True):
        # A note quotes ids from the file.
        yield from (visible(f"{spec.file.name}: {line}", _SHOWN) for line in made.notes.lines())


def _loader(recipe: Recipe, dataset: LlavaDataset, plain: Collator, how: RankSettings) -> EpochLoader:
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
    return EpochLoader(
        samples,
        batch_sampler=_batches(recipe, dataset, sampler_of(shards, lengths, data.window, spread)),
        collate_fn=ErrorCollator(collate),
        num_workers=data.workers,
        prefetch_factor=PREFETCHED if data.workers else None,
        pin_memory=data.pin_memory and not how.cpu,
        persistent_workers=data.workers > 0,
        # The default generator is the model's own, for dropout.
        generator=torch.Generator().manual_seed(recipe.seed),
    )


def _batches(recipe: Recipe, dataset: LlavaDataset, sampler: ShuffledSampler) -> Batches:
    """Those of this rank; where pictures must be fetched, with what fetches them."""
    batch, arrivals = recipe.schedule.batch, dataset.arrivals
    if arrivals is None or not isinstance(sampler, WindowedSampler):
        return Batches(sampler, batch)
    arrivals.store.check_room(dataset.shards, recipe.data.window)
    fetcher = ShardFetcher(
        arrivals, dataset.shards, lambda epoch: sampler.windows(epoch).shards, recipe.schedule.epochs
    )
    return StreamedBatches(sampler, batch, fetcher, max(PREFETCHED * recipe.data.workers, 1))


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

    def end(self) -> None:
        """No more batches are asked for."""


class StreamedBatches(Batches):
    """The same; each tells a fetcher which shards are read and which come next."""

    sampler: WindowedSampler

    def __init__(self, sampler: WindowedSampler, batch: int, fetcher: ShardFetcher, in_flight: int) -> None:
        """`in_flight`: as many batches may be asked for while the first of them is not loaded yet."""
        super().__init__(sampler, batch)
        self._fetcher, self._in_flight = fetcher, in_flight

    def __iter__(self) -> Iterator[list[int]]:
        epoch, samples = self.sampler.epoch, self.batch_size * self.sampler.spread.world
        windows = self.sampler.windows(epoch)
        for number, batch in enumerate(super().__iter__()):
            oldest = max(number - self._in_flight + 1, 0)
            first, last = windows.at(oldest * samples), windows.at((oldest + 1) * samples - 1)
            newest = windows.at((number + 1) * samples - 1)
            self._fetcher.reached(Position(epoch, first, last, newest))
            yield batch

    def end(self) -> None:
        """Nothing is fetched from now on."""
        self._fetcher.end()


class EpochLoader(DataLoader[Any]):
    """torch's loader with the epoch's order, which the loop sets."""

    def set_epoch(self, epoch: int) -> None:
        """The order of that epoch."""
        self._batches.set_epoch(epoch)

    def end(self) -> None:
        """No more batches are asked for."""
        self._batches.end()

    @property
    def _batches(self) -> Batches:
        batches: Any = self.batch_sampler
        return cast("Batches", batches)


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
