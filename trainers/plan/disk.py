"""What the shards of a source cost the network and the disk, without downloading them."""

from __future__ import annotations

from vlmbench.data.disk import home_folder, in_bytes
from vlmbench.errors import DataError
from vlmbench.trainers.data.shards.shard_list import hub_dataset, set_name
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streamed_shard import FACTS
from vlmbench.trainers.data.shards.streaming import shards_to_stream
from vlmbench.trainers.recipe.model import Data, Source


def known_rows(source: Source) -> int | None:
    """Of a hub's dataset: as its card says, or as was counted when its text was read."""
    rows = hub_dataset(source).rows
    if rows is not None or not source.stream:
        return rows
    records, shards = home_folder() / "records", shards_to_stream(source, home_folder())
    if not all((records / shard.key / FACTS).is_file() for shard in shards):
        return None
    return sum(shard.with_facts(records / shard.key).records for shard in shards)


def streaming_note(source: Source, data: Data) -> str | None:
    """What a streamed source reads, and what it keeps on the disk."""
    if not source.stream:
        return None
    try:
        shards = shards_to_stream(source, home_folder(), digests=False)
    except DataError:  # the plan says so already
        return None
    size = in_bytes(sum(shard.size for shard in shards))
    read = "read in place" if source.files else "downloaded in each epoch, and their text once before"
    kept = ""
    if any(shard.in_store for shard in shards):
        store = ShardStore(data.store)
        kept = f"; up to {in_bytes(store.limit)} of pictures stay in {store.root}"
    return f"{set_name(source)} is streamed: {len(shards):,} shards ({size}) are {read}{kept}"
