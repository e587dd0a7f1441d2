"""The order of streamed sets: shards are shuffled, and samples within a window of shards."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vlmbench.trainers.data.batches import pack
from vlmbench.trainers.data.samplers import LengthGroupedSampler, Lengths, ShuffledSampler, Spread
from vlmbench.trainers.data.windows import NOWHERE, WindowedSampler, packed, sampler_of

SHARDS = np.repeat(np.arange(10), 7)
LENGTHS = np.random.default_rng(0).integers(1, 90, len(SHARDS)) * np.where(np.arange(len(SHARDS)) % 3, 1, -1)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_a_window_of_all_shards_is_the_order_of_a_stored_set(lengths: Lengths | None, epoch: int) -> None:
    spread = Spread(batch=4, world=3, rank=1, seed=5)
    streamed = WindowedSampler(SHARDS, 10, spread, lengths)
    stored = ShuffledSampler(70, spread) if lengths is None else LengthGroupedSampler(lengths, spread)
    for sampler in (streamed, stored):
        sampler.set_epoch(epoch)
    assert streamed.order() == stored.order()
    assert list(streamed) == list(stored)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_an_epoch_has_every_sample_once_and_each_window_only_its_shards(lengths: Lengths | None) -> None:
    sampler = WindowedSampler(SHARDS, 3, Spread(batch=1, seed=1), lengths)
    order, windows = sampler.order(), sampler.windows(0)
    assert sorted(order) == list(range(70))
    assert windows.ends == (21, 42, 63, 70)
    assert [windows.at(place) for place in (0, 20, 21, 69, 75)] == [0, 0, 1, 3, 3]
    begin = 0
    for shards, end in zip(windows.shards, windows.ends, strict=True):
        assert {int(SHARDS[index]) for index in order[begin:end]} == set(shards)
        begin = end
    assert order[:21] != sorted(order[:21])
    sampler.set_epoch(1)
    assert sampler.windows(1).shards != windows.shards


def test_the_last_step_is_filled_up_from_the_last_window() -> None:
    sampler = WindowedSampler(SHARDS, 3, Spread(batch=8, world=2, seed=1))
    more = sampler.order()[70:]
    assert len(more) == 10
    assert {int(SHARDS[index]) for index in more} == set(sampler.windows(0).shards[-1])


def test_ranks_share_the_order_and_any_place_in_it_can_be_taken_up() -> None:
    ranks = [WindowedSampler(SHARDS, 3, Spread(batch=2, world=2, rank=rank, seed=3)) for rank in (0, 1)]
    whole = ranks[0].order()
    assert [index for pair in zip(*ranks, strict=True) for index in pair] == whole
    for rank in ranks:
        rank.set_epoch(0, start=30)
    assert [index for pair in zip(*ranks, strict=True) for index in pair] == whole[30:]


def test_samples_that_are_not_streamed_are_spread_over_all_windows() -> None:
    shards = np.concatenate([SHARDS, np.full(40, NOWHERE)])
    sampler = WindowedSampler(shards, 2, Spread(batch=1, seed=4))
    order, windows = sampler.order(), sampler.windows(0)
    assert sorted(order) == list(range(110))
    counts = Counter(windows.at(place) for place, index in enumerate(order) if index >= 70)
    assert counts == dict.fromkeys(range(5), 8)


def test_packed_rows_hold_samples_of_one_shard() -> None:
    lengths = np.abs(LENGTHS)
    rows = packed(SHARDS, lengths, 100)
    assert sorted(index for row in rows for index in row) == list(range(70))
    assert all(len({int(SHARDS[index]) for index in row}) == 1 for row in rows)
    assert all(sum(int(lengths[index]) for index in row) <= 100 for row in rows)
    assert packed(np.full(70, NOWHERE), lengths, 100) == pack(lengths, 100)


def test_a_mixture_without_streamed_sources_keeps_its_order() -> None:
    none, spread = np.full(70, NOWHERE), Spread(batch=2)
    assert type(sampler_of(none, None, 3, spread)) is ShuffledSampler
    assert type(sampler_of(none, LENGTHS, 3, spread)) is LengthGroupedSampler
