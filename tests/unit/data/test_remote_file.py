"""Parts of a hub's file, from a server that speaks as the hubs do."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import TOKEN, HubServer, serving_hub

from vlmbench.data.hub import remote_file
from vlmbench.data.hub.dataset import open_hub_dataset
from vlmbench.data.hub.files import HubUnreachable, RangesIgnored
from vlmbench.data.hub.reference import parse_hub_reference
from vlmbench.data.hub.remote_file import RemoteFile
from vlmbench.errors import DataError

NAME = "data/test-00000-of-00001.parquet"
CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setattr(remote_file.time, "sleep", lambda _: None)
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path)
        server.add("o/n", {NAME: CONTENT})
        yield server


def opened(kind: str = "hf") -> RemoteFile:
    dataset = open_hub_dataset(parse_hub_reference(f"{kind}:o/n/test"), quiet=True)
    return dataset.remote(dataset.files[0])


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_only_the_parts_that_are_read_are_sent_and_only_once(hub: HubServer, kind: str) -> None:
    file = opened(kind)
    assert file.read_at(500_000, 500_100) == CONTENT[500_000:500_100]
    assert hub.served == 100
    assert opened(kind).read_at(499_990, 500_110) == CONTENT[499_990:500_110]
    assert hub.served == 120


def test_near_parts_come_together_and_long_ones_in_pieces(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "_MOST", 200_000)
    file, came = opened(), []
    file.fetch([(0, 10), (1_000, 1_010), (500_000, 900_000)], came.append)
    ranges = {asked.headers["range"] for asked in hub.asked if "range" in asked.headers}
    assert ranges == {"bytes=0-1009", "bytes=500000-699999", "bytes=700000-899999"}
    assert sum(came) == hub.served == 401_010
    assert file.read_at(500_000, 900_000) == CONTENT[500_000:900_000]


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_a_connection_that_breaks_in_a_part_is_taken_up_where_it_broke(hub: HubServer, kind: str) -> None:
    hub.cut[:] = [60_000, 30_000]
    assert opened(kind).read_at(0, 100_000) == CONTENT[:100_000]
    assert hub.served == 100_000


def test_an_interrupted_fetch_goes_on_with_what_is_missing(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "_MOST", 100_000)
    monkeypatch.setattr(remote_file, "_AT_ONCE", 1)
    monkeypatch.setattr(remote_file, "_ATTEMPTS", 1)
    hub.cut[:] = [100_000, 100_000, 0, 0]
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        opened().fetch([(0, 500_000)])
    assert hub.served == 200_000
    hub.cut.clear()
    file = opened()
    file.fetch([(0, 500_000)])
    assert (file.read_at(0, 500_000), hub.served) == (CONTENT[:500_000], 500_000)


@pytest.mark.parametrize("kind", ["hf", "ms"])
def test_a_server_that_ignores_ranges_is_found_out_before_it_has_sent_the_file(
    hub: HubServer, kind: str
) -> None:
    hub.ranges = False
    with pytest.raises(RangesIgnored):
        opened(kind).read_at(100, 200)


def test_a_file_of_another_size_than_listed_is_an_error(hub: HubServer) -> None:
    hub.altered[NAME] = CONTENT[:-1]
    with pytest.raises(DataError, match="the hub lists 1000000 bytes and its server has 999999"):
        opened().read_at(0, 10)


def test_a_hub_that_is_down_a_missing_token_and_offline_mode_have_their_errors(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = opened()
    hub.down = True
    with pytest.raises(HubUnreachable, match="answers 503"):
        file.read_at(0, 10)
    hub.down = False
    hub.datasets["o/n"].gated = True
    with pytest.raises(DataError, match="accepted its terms"):
        file.read_at(0, 10)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert file.read_at(0, 10) == CONTENT[:10]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert file.read_at(0, 10) == CONTENT[:10]
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE forbids"):
        file.read_at(900_000, 900_010)


def test_parquet_is_read_from_the_parts(hub: HubServer) -> None:
    table = pa.table({"n": range(1000), "noise": [random.Random(n).randbytes(900) for n in range(1000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=100)
    hub.add("o/n", {NAME: sink.getvalue()})
    with pq.ParquetFile(opened().opened()) as file:
        assert file.read(["n"])["n"].to_pylist() == list(range(1000))
    assert hub.served < 0.2 * len(sink.getvalue())


def test_discarded_parts_are_fetched_again(hub: HubServer) -> None:
    file = opened()
    file.read_at(0, 100)
    file.discard()
    assert file.read_at(0, 100) == CONTENT[:100]
    assert hub.served == 200
