"""How many samples a shard has, and what the first ones are like: for plans, without reading pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.data.sources.records import FileRecords
from vlmbench.data.sources.webdataset import broken_shard, sample_key, tar_members
from vlmbench.errors import DataError
from vlmbench.trainers.data.json_stream import count_records
from vlmbench.trainers.data.shards.convert import first_layout, place_of
from vlmbench.trainers.data.shards.layouts import ShownConversation, conversation, pictures_in
from vlmbench.trainers.data.shards.pictures import picture_values
from vlmbench.trainers.data.shards.readers import read_shard, shard_format

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import RecordMap

_FIRST = 64
"""Samples from which the length of all is estimated."""


def count_samples(shard: Path) -> int:
    """From the footer of parquet, the batches of Arrow, the headers of tar, the records of JSON."""
    kind = shard_format(shard)
    if kind == "json":
        return count_records(shard)
    if kind == "tar":
        return sum(1 for _ in groupby(tar_members(shard), lambda member: sample_key(member.name)))
    if kind == "arrow":
        return sum(1 for _ in FileRecords(shard, (shard,)).rows(()))
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(shard).num_rows)
    except (ValueError, OSError) as error:  # as pyarrow raises them
        raise broken_shard(shard, str(error)[:200]) from error


def first_conversations(shard: Path, given: RecordMap) -> Iterator[ShownConversation | DataError]:
    """The first records of a set as training would read them, or why it would not."""
    layout = first_layout(shard, given, shard.parent)
    for sample in islice(read_shard(shard), _FIRST):
        place = place_of(sample, shard, shard.parent)
        held = pictures_in(sample.columns, layout)
        try:
            if sample.problem is not None:
                raise sample.problem
            pictures = picture_values(held, sample.members, place)
            yield conversation(sample.columns, layout, pictures, place)
        except DataError as error:
            yield error
