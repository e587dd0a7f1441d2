"""A run with --limit of a hub's dataset: it fetches the texts and the pictures that it shows, and no more."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets_made import png
from hub_server import HubServer, serving_hub

import vlmbench
from vlmbench.cli.main import main
from vlmbench.data.sources.limited.split import no_pictures
from vlmbench.data.sources.opening import open_dataset

ROWS, SHARDS = 400, 2
NAME = "hf:o/big/test"
RUN = ["run", "--model", "echo:B", "--bench", NAME]


def picture(number: int) -> bytes:
    """A picture that shows, with bytes behind its end as large as a photograph's."""
    return png("red") + random.Random(number).randbytes(20_000)


def shard(rows: range, picture_of: Any = picture, **options: Any) -> bytes:
    columns = {
        "question": [f"Which colour is thing {n}?" for n in rows],
        "options": [["red", "blue", "green"] for _ in rows],
        "answer": [n % 3 for n in rows],
        "category": [f"kind {n % 7}" for n in rows],
        "image": [{"bytes": picture_of(n), "path": f"{n}.png"} for n in rows],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=50, **options)
    return sink.getvalue()


PAGES = {
    "write_page_index": True,
    "use_dictionary": ["question", "answer", "category", "image.path"],
    "write_batch_size": 1,
    "data_page_size": 1,
}
"""As `datasets` writes pictures: plain, in many pages, with an index of them."""
DICTIONARY = {"write_page_index": True, "write_batch_size": 1, "data_page_size": 1, "compression": "zstd"}
"""The first megabyte of each row group's pictures is a dictionary, as pyarrow does unless it is forbidden."""


def files(**options: Any) -> dict[str, bytes]:
    each = ROWS // SHARDS
    return {
        f"data/test-{n:05}-of-{SHARDS:05}.parquet": shard(range(n * each, (n + 1) * each), **options)
        for n in range(SHARDS)
    }


def pictures_of(result: vlmbench.RunResult) -> list[tuple[str, tuple[str, ...]]]:
    """Rows and the digests of what they show."""
    samples = result.samples().reset_index()
    return list(zip(samples["index"], samples["pictures"], strict=True))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.chdir(tmp_path)
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path / "home")
        yield server


def locked(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text())["facts"]
    return facts


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_limited_run_moves_few_bytes_and_is_the_run_of_the_whole_download(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = files(**PAGES)
    hub.add("o/big", made)
    assert main([*RUN, "--limit", "14", "--out", "part"]) == 0
    assert hub.served < 0.1 * sum(map(len, made.values()))
    said = capsys.readouterr().err
    assert re.search(rf"{NAME}: reads [\d.]+ kB of 8\.\d MB \(\d\.\d%\): .*the pictures of 14 rows\n", said)
    assert "downloading" not in said
    hub.use(monkeypatch, tmp_path / "other machine")
    assert main(["data", "get", NAME]) == 0
    assert main([*RUN, "--limit", "14", "--out", "whole"]) == 0
    assert locked(tmp_path / "part") == locked(tmp_path / "whole")
    for name in ("pictures.jsonl", "scores.jsonl"):
        assert lines(tmp_path / "part" / name) == lines(tmp_path / "whole" / name)
    assert len(lines(tmp_path / "part" / "pictures.jsonl")) == 14


@pytest.mark.parametrize("options", [{}, DICTIONARY], ids=["row groups", "dictionary"])
def test_files_without_a_page_index_and_with_dictionaries_give_the_same_pictures(
    hub: HubServer, options: dict[str, Any]
) -> None:
    hub.add("o/big", files(**options))
    result = vlmbench.evaluate("echo:B", NAME, limit=5, progress=False)
    shown = dict(pictures_of(result))
    assert shown == {n: (hashlib.sha256(picture(int(n))).hexdigest(),) for n in shown}
    assert len(shown) == 5
    assert hub.served < hub.size("o/big")


def test_a_run_grows_from_the_part_into_the_whole_and_keeps_its_answers(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("o/big", files(**PAGES))
    assert main([*RUN, "--limit", "7"]) == 0
    before = hub.served
    assert main([*RUN, "--limit", "14"]) == 0
    assert hub.served - before < before
    parts = tmp_path / "home" / "vlmbench" / "hub" / "parts"
    assert len(list(parts.iterdir())) == SHARDS
    assert main(RUN) == 0
    assert hub.served > hub.size("o/big")
    assert list(parts.iterdir()) == []
    run = tmp_path / "runs" / "echo_B" / "big_test"
    assert json.loads((run / "results.json").read_text())["partial"] is False
    assert len(lines(run / "responses.jsonl")) == ROWS
    assert json.loads((run / "results.json").read_text())["timing"]["kept_from_before"] == 14
    assert main(["data", "check", NAME]) == 0
    capsys.readouterr()


def test_a_second_limited_run_fetches_nothing_and_its_page_has_the_pictures(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlmbench.report.page.questions import prompts_of
    from vlmbench.report.runs import open_run

    hub.add("o/big", files(**PAGES))
    assert main([*RUN, "--limit", "7"]) == 0
    before = hub.served
    assert main([*RUN, "--limit", "7", "--fresh"]) == 0
    hub.down = True
    run = open_run(tmp_path / "runs" / "echo_B" / "big_test")
    questions = run.questions
    assert (questions.missing, len(questions.samples)) == ("", 7)
    assert all(questions.images[d] for s in questions.samples for d in s.images)
    assert prompts_of(run).note == "not proven"
    assert hub.served == before


def test_the_prompts_of_a_whole_run_are_verified(hub: HubServer, tmp_path: Path) -> None:
    from vlmbench.report.page.questions import prompts_of
    from vlmbench.report.runs import open_run

    hub.add("o/big", files(**PAGES))
    assert main(RUN) == 0
    assert prompts_of(open_run(tmp_path / "runs" / "echo_B" / "big_test")).note is None


def test_an_interrupted_reading_goes_on_where_it_stopped(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlmbench.data.hub.remote_file._ATTEMPTS", 1)
    hub.add("o/big", files(**PAGES))
    assert main(["show", NAME]) == 0
    outline = hub.served
    hub.cut[:] = [0] * 1000
    hub.cut[:5] = [1 << 30] * 5
    assert main([*RUN, "--limit", "14"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    hub.cut.clear()
    came = hub.served - outline
    assert main([*RUN, "--limit", "14"]) == 0
    again = hub.served
    hub.asked.clear()
    assert came > 0
    assert main([*RUN, "--limit", "14", "--fresh"]) == 0
    assert hub.served == again
    assert not [asked for asked in hub.asked if "range" in asked.headers]


def test_a_damaged_row_group_in_the_middle_is_an_error_that_names_the_file(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    made = files(**DICTIONARY)
    hub.add("o/big", made)
    name, content = next(iter(made.items()))
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(1)
    place = group.column(0).dictionary_page_offset
    hub.altered[name] = content[:place] + b"\xff" * 64 + content[place + 64 :]
    assert main([*RUN, "--limit", "14"]) == 1
    assert f"{name} of {NAME} is damaged or of another format: " in capsys.readouterr().err
    hub.altered.clear()
    assert main([*RUN, "--limit", "14"]) == 0


def test_a_picture_that_is_none_is_an_error_of_its_row_in_both(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"data/test-00000-of-00001.parquet": shard(range(60), lambda n: b"none" * 999, **PAGES)}
    hub.add("o/big", made)
    for name, broken in (("good", -1), ("one", 3)):
        columns = shard(range(60), lambda n, b=broken: b"none" * 999 if n == b else picture(n), **PAGES)
        hub.add("o/big", {"data/test-00000-of-00001.parquet": columns})
        for out, home in (("part", "home"), ("whole", "other")):
            hub.use(monkeypatch, tmp_path / home / name)
            if out == "whole":
                assert main(["data", "get", NAME]) == 0
            code = main([*RUN, "--limit", "50", "--out", f"{out}-{name}"])
            assert code == (0 if name == "good" else 4)
        part, whole = tmp_path / f"part-{name}", tmp_path / f"whole-{name}"
        assert locked(part) == locked(whole)
        assert lines(part / "scores.jsonl") == lines(whole / "scores.jsonl")


def test_a_server_that_ignores_ranges_sends_the_whole_split(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.ranges = False
    hub.add("o/big", files(**PAGES))
    assert main([*RUN, "--limit", "7"]) == 0
    said = capsys.readouterr().err
    assert said.count("the server sends whole files only, so the whole split is downloaded") == 1


def test_show_reads_the_texts_and_three_pictures(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    made = files(**PAGES)
    hub.add("o/big", made)
    assert main(["show", NAME]) == 0
    shown = capsys.readouterr().out
    assert "Which colour is thing 2?" in shown
    assert hub.served < 0.1 * hub.size("o/big")


def test_rotations_of_a_limited_run_show_the_pictures_of_their_rows(hub: HubServer) -> None:
    hub.add("o/big", files(**PAGES))
    result = vlmbench.evaluate("echo:B", NAME, limit=4, circular=True, progress=False)
    shown = [(int(index) % 1_000_000, digests) for index, digests in pictures_of(result)]
    assert len(shown) == 12
    assert all(digests == (hashlib.sha256(picture(n)).hexdigest(),) for n, digests in shown)


def test_pictures_in_a_column_of_texts_come_whole_and_once(hub: HubServer) -> None:
    texts = [base64.b64encode(picture(n)).decode() for n in range(50)]
    sink = io.BytesIO()
    pq.write_table(pa.table({"question": ["Which?"] * 50, "answer": ["red"] * 50, "image": texts}), sink)
    hub.add("o/big", {"data/test.parquet": sink.getvalue()})
    result = vlmbench.evaluate("echo:red", NAME, limit=5, progress=False)
    assert [len(digests) for _, digests in pictures_of(result)] == [1] * 5
    assert hub.served < 1.1 * hub.size("o/big")


def test_the_commit_of_a_split_that_comes_whole_is_asked_once(hub: HubServer) -> None:
    hub.add("o/lines", {"test.jsonl": b'{"question": "Which?", "answer": "red"}'})
    open_dataset("hf:o/lines/test", {}, choose=no_pictures)
    assert hub.paths().count("/api/datasets/o/lines") == 1


def test_jsonl_and_a_limit_that_admits_all_rows_come_whole(hub: HubServer) -> None:
    rows = [{"question": f"Which {n}?", "answer": "red"} for n in range(20)]
    hub.add("o/lines", {"test.jsonl": "\n".join(map(json.dumps, rows)).encode()})
    assert vlmbench.evaluate("echo:red", "hf:o/lines/test", limit=5, progress=False).headline.value == 1.0
    hub.add("o/big", files(**PAGES))
    result = vlmbench.evaluate("echo:B", NAME, limit=ROWS, progress=False)
    assert len(result.samples()) == ROWS
