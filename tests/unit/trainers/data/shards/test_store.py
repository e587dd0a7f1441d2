"""The store of streamed shards: its limit, who makes way, and what names of pictures lead to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hub_server import HubServer, serving_hub
from record_sets import as_messages, columns, write_jsonl, write_parquet, write_tar
from tiny_models import picture

from vlmbench.errors import DataError, UsageError
from vlmbench.trainers.data.checking import Pair, check_pair
from vlmbench.trainers.data.generated import as_llava
from vlmbench.trainers.data.shards import readers
from vlmbench.trainers.data.shards.arrivals import Arrivals
from vlmbench.trainers.data.shards.spans import stored_bytes
from vlmbench.trainers.data.shards.store import GB, ShardStore
from vlmbench.trainers.data.shards.streamed_shard import StreamedShard
from vlmbench.trainers.data.shards.streaming import streamed_shards
from vlmbench.trainers.recipe.model import Source

RECORDS: list[dict[str, Any]] = [
    {
        "id": f"r{n}",
        "conversations": [{"from": "human", "value": f"<image>\nq{n}"}, {"from": "gpt", "value": f"a{n}"}],
        "bytes": picture(40 + n, 30, seed=n),
    }
    for n in range(12)
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def rows(start: int, end: int) -> list[dict[str, Any]]:
    return [columns(r, {"bytes": r["bytes"], "path": "x.png"}) for r in RECORDS[start:end]]


def streamed(folder: Path) -> tuple[Path, Path, tuple[StreamedShard, ...]]:
    """A set of three shards: its records, the folder of its pictures, and its shards."""
    for number in range(3):
        write_parquet(folder / f"train-{number}.parquet", rows(4 * number, 4 * number + 4))
    made = as_llava(Source(files=f"{folder}/train-*.parquet", stream=True), 0)
    file = Path(str(made.annotations))
    return file, Path(str(made.images)), streamed_shards(file)


def test_text_is_read_without_pictures_which_come_with_their_shard(tmp_path: Path, home: Path) -> None:
    file, images, shards = streamed(tmp_path)
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [record["conversations"] for record in records] == [one["conversations"] for one in RECORDS]
    assert not images.exists()
    for place, record in enumerate(records):
        with Arrivals(ShardStore()).holding(shards[place // 4]):
            (name,) = record["image"]
            assert stored_bytes(images / name) == RECORDS[place]["bytes"]


def test_only_the_columns_of_text_are_read(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", rows(0, 2))
    found = [sample.columns for sample in readers.read_texts(file)]
    assert [one["image"] for one in found] == [{"path": "x.png"}] * 2
    raw = write_parquet(tmp_path / "b.parquet", [columns(r) | {"image": r["bytes"]} for r in RECORDS[:2]])
    assert [s.columns["image"] for s in readers.read_texts(raw)] == [r["bytes"] for r in RECORDS[:2]]


def test_what_is_needed_last_makes_way_and_what_is_locked_or_needed_sooner_stays(
    tmp_path: Path, home: Path
) -> None:
    _, _, (a, b, c) = streamed(tmp_path)
    store = ShardStore((a.kept + b.kept) / GB)
    assert store.bring(a, {})
    assert store.bring(b, {})
    assert not store.bring(c, {a.key: 0, b.key: 1, c.key: 2})
    with store.locked(b.key):
        assert store.bring(c, {a.key: 1, b.key: 2, c.key: 0})
    assert [store.has(shard.key) for shard in (a, b, c)] == [False, True, True]
    assert store.bring(a, {a.key: 0, b.key: 1, c.key: 2})
    assert [store.has(shard.key) for shard in (a, b, c)] == [True, True, False]


def test_what_a_killed_process_left_is_removed(tmp_path: Path, home: Path) -> None:
    _, images, (a, _, _) = streamed(tmp_path)
    for left in (".x.part", ".x.unfinished-1"):
        (images / left).mkdir(parents=True)
    store = ShardStore()
    assert store.bring(a, {})
    assert {path.name for path in images.iterdir() if path.is_dir()} == {a.key}


def test_a_store_too_small_for_a_shard_is_an_error(tmp_path: Path, home: Path) -> None:
    _, _, (a, _, _) = streamed(tmp_path)
    with pytest.raises(DataError, match=r"--set data.store=GB"), Arrivals(ShardStore(1e-7)).holding(a):
        pass


@pytest.mark.parametrize("column", ["image", "images"])
def test_base64_in_json_lines_is_streamed_too(tmp_path: Path, home: Path, column: str) -> None:
    import base64

    urls = [f"data:image/png;base64,{base64.b64encode(r['bytes']).decode()}" for r in RECORDS]
    lines = [{**as_messages(r), column: [url]} for r, url in zip(RECORDS, urls, strict=True)]
    made = as_llava(Source(files=str(write_jsonl(tmp_path / "a.jsonl", lines)), stream=True), 0)
    file = Path(str(made.annotations))
    with Arrivals(ShardStore()).holding(streamed_shards(file)[0]):
        for line, record in zip(file.read_text("utf-8").splitlines(), RECORDS, strict=True):
            (name,) = json.loads(line)["image"]
            assert stored_bytes(Path(str(made.images)) / name) == record["bytes"]


def test_picture_files_are_not_streamed(tmp_path: Path, home: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [columns(RECORDS[0]) | {"image": "1.png"}])
    with pytest.raises(UsageError, match=r"names? picture files \(`1.png` in a.jsonl\).*Leave `stream` out"):
        as_llava(Source(files=str(file), stream=True), 0)


def test_shards_of_tar_on_this_disk_are_read_in_place(tmp_path: Path, home: Path) -> None:
    members = [("0.json", json.dumps(columns(RECORDS[0])).encode()), ("0.png", RECORDS[0]["bytes"])]
    shard = write_tar(tmp_path / "s.tar", members)
    made = as_llava(Source(files=str(shard), stream=True), 0)
    (line,) = Path(str(made.annotations)).read_text("utf-8").splitlines()
    (name,) = json.loads(line)["image"]
    assert stored_bytes(Path(str(made.images)) / name) == RECORDS[0]["bytes"]
    assert not (home / "stream").exists()


def test_the_check_reads_every_picture_shard_by_shard(tmp_path: Path, home: Path) -> None:
    broken = rows(0, 4)
    broken[1]["image"] = {"bytes": b"no picture", "path": "x.png"}
    broken[2]["image"] = {"bytes": None, "path": "gone.png"}
    write_parquet(tmp_path / "train-0.parquet", broken)
    write_parquet(tmp_path / "train-1.parquet", rows(4, 8))
    made = as_llava(Source(files=f"{tmp_path}/train-*.parquet", stream=True), 0)
    file = Path(str(made.annotations))
    shards = streamed_shards(file)
    limit = max(shard.kept for shard in shards) / GB
    pair = Pair(annotations=file, images=Path(str(made.images)), shards=shards, store=limit)
    found = check_pair(pair, progress=lambda *_: None)
    assert (found.records, found.pictures) == (8, 8)
    (first, second) = found.notes.ids["broken pictures"]
    assert "#2.0" in first
    assert "gone.png" in second
    assert check_pair(pair, quick=True, progress=lambda *_: None).whole


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A shard of parquet whose pictures are most of it."""
    large = Random(0).randbytes(300_000)
    table = [columns(r, {"bytes": large[n:] + r["bytes"], "path": "x.png"}) for n, r in enumerate(RECORDS)]
    file = write_parquet(tmp_path / "a.parquet", table)
    with serving_hub() as server:
        server.add("owner/name", {"train-0.parquet": file.read_bytes()})
        server.use(monkeypatch, tmp_path / "hub-home")
        yield server


def test_of_a_hubs_parquet_the_text_alone_comes_first(hub: HubServer) -> None:
    made = as_llava(Source(hf="owner/name", split="train", stream=True), 0)
    assert hub.served < 400_000
    (shard,) = streamed_shards(Path(str(made.annotations)))
    assert shard.size > 3_600_000
    assert shard.records == 12
    assert 3_600_000 < shard.unpacked < 3_700_000


@pytest.mark.parametrize("name", ["hf", "ms"])
def test_shards_of_a_hub_that_sends_whole_files_only_are_read_too(
    hub: HubServer, tmp_path: Path, name: str
) -> None:
    hub.ranges = False
    made = as_llava(replace(Source(split="train", stream=True), **{name: "owner/name"}), 0)
    file, images = Path(str(made.annotations)), Path(str(made.images))
    (shard,) = streamed_shards(file)
    with Arrivals(ShardStore()).holding(shard):
        for line, record in zip(file.read_text("utf-8").splitlines(), RECORDS, strict=True):
            (picture_name,) = json.loads(line)["image"]
            assert stored_bytes(images / picture_name).endswith(record["bytes"])
    assert {path.name for path in images.iterdir() if path.is_dir()} == {shard.key}
