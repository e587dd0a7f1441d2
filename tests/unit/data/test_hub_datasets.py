"""Datasets by name, from a server that speaks as the hubs do."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import TOKEN, HubServer, Repository, serving_hub

from vlmbench.data.hub.dataset import HubDataset, open_hub_dataset
from vlmbench.data.hub.reference import parse_hub_reference
from vlmbench.errors import DataError, UnknownName, UsageError, UserError

NAMES = [f"data/test-{number:05}-of-00003.parquet" for number in range(3)]
"""The shards of the usual dataset."""


def parquet(first: int, rows: int = 300) -> bytes:
    noise = random.Random(first)
    columns = {
        "index": range(first, first + rows),
        "question": [noise.randbytes(8).hex() for _ in range(rows)],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), sink)
    return sink.getvalue()


SHARDS = {name: parquet(number) for number, name in enumerate(NAMES)}
CARD = b"---\nlicense: mit\n---\nA set.\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path)
        yield server


def opened(name: str) -> HubDataset:
    return open_hub_dataset(parse_hub_reference(name), quiet=True)


def content(dataset: HubDataset) -> list[bytes]:
    return [shard.read_bytes() for shard in dataset.shards(quiet=True)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf:o/n/test", ("hf", "o/n", None, None, "test")),
        ("hf:o/n:c-1@v1.0/dev", ("hf", "o/n", "c-1", "v1.0", "dev")),
        ("hf:o/n@refs/convert/parquet/test", ("hf", "o/n", None, "refs/convert/parquet", "test")),
        ("ms:o/n/train", ("ms", "o/n", None, None, "train")),
    ],
)
def test_a_reference_has_five_parts(text: str, parts: tuple[str | None, ...]) -> None:
    found = parse_hub_reference(text)
    assert (found.hub, found.repository, found.config, found.revision, found.split) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    "text", ["hf:o/n", "hf:n/", "hf:o/../n/test", "hf:o/n@/test", "hf:o n/x/test", "hf:"]
)
def test_a_reference_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape("hf:OWNER/NAME[:CONFIG][@REVISION]/SPLIT")):
        parse_hub_reference(text)


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_a_split_comes_whole_and_is_locked_to_a_commit(hub: HubServer, kind: str) -> None:
    commit = hub.add("o/n", {**SHARDS, "README.md": CARD, "data/train-00000-of-00001.parquet": b"other"})
    dataset = opened(f"{kind}:o/n/test")
    assert (dataset.commit, dataset.config, dataset.format) == (commit, "default", "parquet")
    assert [file.path for file in dataset.files] == NAMES
    assert content(dataset) == list(SHARDS.values())
    assert {file.digest for file in dataset.files} == {
        f"sha256:{hashlib.sha256(shard).hexdigest()}" for shard in SHARDS.values()
    }


def test_files_are_known_by_their_content_and_not_by_the_commit(hub: HubServer) -> None:
    hub.add("o/n", SHARDS)
    first = opened("hf:o/n/test")
    hub.add("o/n", {**SHARDS, "notes.txt": b"new"})
    second = opened("hf:o/n/test")
    assert (first.commit != second.commit, first.files == second.files) == (True, True)
    hub.add("o/n", {**SHARDS, NAMES[1]: parquet(99)})
    assert opened("hf:o/n/test").files != first.files
    assert opened(f"hf:o/n@{first.commit}/test").files == first.files


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_who_stops_early_downloads_the_first_shards_only(hub: HubServer, kind: str) -> None:
    hub.add("o/n", SHARDS)
    shards = opened(f"{kind}:o/n/test").shards(quiet=True)
    assert next(shards).read_bytes() == SHARDS[NAMES[0]]
    shards.close()
    sent = [asked.path + asked.query.get("FilePath", "") for asked in hub.asked if asked.method == "GET"]
    bodies = [path for path in sent if "/cdn/" in path or path.endswith("parquet")]
    assert len(bodies) == 1


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_the_second_use_downloads_nothing(hub: HubServer, kind: str) -> None:
    hub.add("o/n", SHARDS)
    first = content(opened(f"{kind}:o/n/test"))
    hub.asked.clear()
    assert content(opened(f"{kind}:o/n/test")) == first
    assert len(hub.asked) == 1  # which commit it is now
    hub.asked.clear()
    commit = opened(f"{kind}:o/n/test").commit
    opened(f"{kind}:o/n@{commit}/test")
    hub.asked.clear()
    assert content(opened(f"{kind}:o/n@{commit}/test")) == first
    assert hub.asked == []


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    hub: HubServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a piece that breaks, the Hugging Face client keeps whole chunks, usually of 10 MB.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    hub.add("o/n", SHARDS)
    dataset = opened(f"{kind}:o/n/test")
    hub.cut[:] = [1500, 1000]
    assert content(dataset) == list(SHARDS.values())
    ranges = [asked.headers["range"] for asked in hub.asked if "range" in asked.headers]
    assert ranges == ["bytes=1500-", "bytes=2500-"]


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_a_shard_with_other_bytes_is_an_error_that_names_it(hub: HubServer, kind: str) -> None:
    hub.add("o/n", SHARDS)
    good = SHARDS[NAMES[1]]
    hub.altered[NAMES[1]] = good[:500] + b"XXXX" + good[504:]
    shards = opened(f"{kind}:o/n/test").shards(quiet=True)
    assert next(shards).read_bytes() == SHARDS[NAMES[0]]
    with pytest.raises(DataError, match=rf"{NAMES[1]} of {kind}:o/n/test is broken"):
        next(shards)
    hub.altered.clear()
    assert content(opened(f"{kind}:o/n/test")) == list(SHARDS.values())


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_what_was_used_before_needs_no_network(
    hub: HubServer, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("o/n", SHARDS)
    content(opened(f"{kind}:o/n/test"))
    hub.down = True
    assert content(open_hub_dataset(parse_hub_reference(f"{kind}:o/n/test"))) == list(SHARDS.values())
    assert "the hub cannot be asked now" in capsys.readouterr().err
    hub.asked.clear()
    _offline(monkeypatch)
    assert content(opened(f"{kind}:o/n/test")) == list(SHARDS.values())
    with pytest.raises(DataError, match="HF_HUB_OFFLINE forbids"):
        opened(f"{kind}:o/other/test")
    assert hub.asked == []


def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_without_a_network_the_error_names_the_ways_out(hub: HubServer) -> None:
    hub.server_close()
    with pytest.raises(DataError, match=r"cannot be reached .*HF_ENDPOINT.*`ms:o/n/test`"):
        opened("hf:o/n/test")
    with pytest.raises(DataError, match=r"cannot be reached .*MODELSCOPE_ENDPOINT"):
        opened("ms:o/n/test")


def test_the_card_says_which_files_belong_together(hub: HubServer) -> None:
    card = """---
configs:
- config_name: art
  data_files: [{split: test, path: a/*}, {split: dev, path: [b/1.jsonl]}]
- config_name: music
  data_files: m/*
---
"""
    files = {"a/1.jsonl": b"{}", "a/2.jsonl": b"{}", "b/1.jsonl": b"{}", "m/1.jsonl": b"{}"}
    hub.add("o/n", {**files, "README.md": card.encode()})
    assert [file.path for file in opened("hf:o/n:art/test").files] == ["a/1.jsonl", "a/2.jsonl"]
    assert [file.path for file in opened("hf:o/n:art/dev").files] == ["b/1.jsonl"]
    assert opened("hf:o/n:music/train").config == "music"
    with pytest.raises(DataError, match=r"several configs and no default: art, music\. Name one"):
        opened("hf:o/n/test")
    with pytest.raises(UnknownName, match=r"no config of o/n named `arts`\. Did you mean art\?"):
        opened("hf:o/n:arts/test")
    with pytest.raises(
        UnknownName, match=r"no split of o/n \(config art\) named `tset`\. Did you mean test\?"
    ):
        opened("hf:o/n:art/tset")


def test_a_folder_of_pictures_comes_with_its_metadata(hub: HubServer) -> None:
    files = {"test/a.png": b"A", "test/b.png": b"B", "test/metadata.jsonl": b"{}", "train/c.png": b"C"}
    hub.add("o/n", files)
    dataset = opened("hf:o/n/test")
    shards = dataset.shards(quiet=True)
    paths = {file.path: shard for file, shard in zip(dataset.files, shards, strict=True)}
    assert dataset.format == "imagefolder"
    assert sorted(paths) == ["test/a.png", "test/b.png", "test/metadata.jsonl"]
    assert paths["test/metadata.jsonl"].parent / "a.png" == paths["test/a.png"]


def test_the_hubs_own_copy_in_parquet_is_read(hub: HubServer) -> None:
    hub.add("o/n", {"n.py": b"raise SystemExit"})
    copy = {"art/test/0000.parquet": b"a", "art/test/0001.parquet": b"b", "music/test/0000.parquet": b"c"}
    hub.datasets["o/n"].commit(copy, "refs/convert/parquet")
    with pytest.raises(DataError, match=r"n\.py; vlmbench runs no code.*`hf:o/n@refs/convert/parquet/test`"):
        opened("hf:o/n/test")
    assert content(opened("hf:o/n:art@refs/convert/parquet/test")) == [b"a", b"b"]
    with pytest.raises(DataError, match="several configs"):
        opened("hf:o/n@refs/convert/parquet/test")


def test_a_gated_dataset_needs_a_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("o/n", SHARDS, gated=True)
    dataset = opened("hf:o/n/test")
    with pytest.raises(DataError, match=rf"accepted its terms\. Accept them on {hub.url}/datasets/o/n, then"):
        content(dataset)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "b" * 34)
    with pytest.raises(DataError, match=r"does not accept this machine's token .*hf auth login"):
        content(dataset)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert content(dataset) == list(SHARDS.values())


def test_a_token_is_written_nowhere(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub.add("o/n", SHARDS, private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    content(opened("hf:o/n/test"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:o/missing/test", r"no dataset o/missing on .*, or it is private\. .*`hf auth login`"),
        ("hf:o/n@mian/test", r"no revision of o/n named `mian`\. Did you mean main\?"),
        ("ms:o/missing/test", "no public dataset o/missing"),
        ("ms:o/n@nowhere/test", "no such revision"),
        ("hf:o/empty/test", "no data files that belong to hf:o/empty/test"),
        ("hf:o/zipped/train", r"made of \.zip files"),
        ("hf:o/away/train", "names data outside its repository: /etc/hostname"),
        ("hf:o/wrong/train", r"README\.md: the dataset's card has `configs` that cannot be read"),
        ("hf:o/damaged/train", r"README\.md: the dataset's card is not YAML"),
    ],
)
def test_what_cannot_be_opened_says_why(hub: HubServer, name: str, message: str) -> None:
    def card(configs: object) -> bytes:
        return f"---\nconfigs: {json.dumps(configs)}\n---\n".encode()

    away = card([{"config_name": "x", "data_files": "/etc/hostname"}])
    hub.add("o/n", SHARDS)
    hub.add("o/empty", {"README.md": CARD})
    hub.add("o/zipped", {"pictures.zip": b"PK"})
    hub.add("o/away", {"a.jsonl": b"{}", "README.md": away})
    hub.add("o/wrong", {"a.jsonl": b"{}", "README.md": card([{"config_name": "x", "data_files": 3}])})
    hub.add("o/damaged", {"a.jsonl": b"{}", "README.md": b"---\na: [\n---\n"})
    with pytest.raises(UserError, match=message):
        opened(name)


def test_a_large_listing_of_modelscope_comes_in_pages(hub: HubServer) -> None:
    hub.datasets["o/n"] = Repository()
    hub.datasets["o/n"].commit({f"part-{number:04}.jsonl": b"{}" for number in range(450)}, "master")
    assert len(opened("ms:o/n/train").files) == 450


@pytest.mark.parametrize(("kind", "place"), [("hf", "HF_HOME"), ("ms", "VLMBENCH_HOME")])
def test_a_set_larger_than_the_disk_is_refused_before_anything_comes(
    hub: HubServer, kind: str, place: str
) -> None:
    hub.add("o/n", SHARDS)
    hub.sizes[NAMES[1]] = 5 * 10**18
    with pytest.raises(
        DataError, match=rf"{kind}:o/n/test needs 5,000,000\.0 TB, and .* are free\. `--limit 50` .*{place}"
    ):
        content(opened(f"{kind}:o/n/test"))
    assert hub.served == 0
