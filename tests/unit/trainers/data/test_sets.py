"""Tokenised sets on disk: made once for each content, by one process, while others wait."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_tokenizer

from vlmbench.errors import DataError
from vlmbench.templates import template
from vlmbench.trainers.data.encoding import Limit, Style
from vlmbench.trainers.data.prepare import TokenSpec, folder_of, open_tokens, prepare, shared_tokens
from vlmbench.trainers.data.progress import TokenisingPace
from vlmbench.trainers.data.records import Policy
from vlmbench.trainers.data.token_file import ROWS, TokenFile
from vlmbench.trainers.data.tokenizer import PieceTokenizer, from_transformers


@pytest.fixture(scope="module")
def tokenizer() -> PieceTokenizer:
    return from_transformers(make_tokenizer())


def write(file: Path, count: int, **first: Any) -> Path:
    said = [{"from": "human", "value": "what colour?"}, {"from": "gpt", "value": "blue"}]
    records: list[Any] = [{"id": n, "conversations": [*said] * (1 + n % 3)} for n in range(count)]
    records[0] |= first
    file.write_text(json.dumps(records), "utf-8")
    return file


def spec(file: Path, tokenizer: PieceTokenizer, **more: Any) -> TokenSpec:
    style = Style(template=template("vicuna"))
    return TokenSpec(file=file, tokenizer=tokenizer, style=style, limit=Limit(ids=100), **more)


@pytest.fixture
def wanted(tmp_path: Path, tokenizer: PieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> TokenSpec:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    return spec(write(tmp_path / "own.json", 2000), tokenizer)


def ids_of(tokens: TokenFile) -> list[tuple[str, list[int], list[int]]]:
    return [(row.id, row.ids.tolist(), row.labels.tolist()) for row in tokens]


def test_one_process_and_several_make_the_same(wanted: TokenSpec, tmp_path: Path) -> None:
    told: list[tuple[TokenisingPace, bool]] = []

    def progress(pace: TokenisingPace, *, done: bool = False) -> None:
        told.append((pace, done))

    alone = prepare(wanted, tmp_path / "alone", workers=1)
    many = prepare(wanted, tmp_path / "many", workers=2, progress=progress)
    assert ids_of(alone) == ids_of(many)
    assert [row.id for row in alone] == [str(n) for n in range(2000)]
    assert told[-1] == (TokenisingPace(2000, alone.facts["tokens"], 1.0), True)
    assert alone.lengths().tolist() == [len(row.ids) for row in alone]


def test_it_is_made_once_for_each_content(wanted: TokenSpec, tokenizer: PieceTokenizer) -> None:
    folder = prepare(wanted).folder
    made = (folder / ROWS).stat().st_mtime_ns
    assert (prepare(wanted).folder / ROWS).stat().st_mtime_ns == made
    other = [
        spec(wanted.file, from_transformers(make_tokenizer("<new>"))),
        spec(wanted.file, tokenizer, subset=5),
        spec(wanted.file, tokenizer, placement="as_written"),
        spec(write(wanted.file.with_name("more.json"), 2001), tokenizer),
    ]
    keys = {one.key for one in [wanted, *other]}
    assert len(keys) == 5
    same = spec(wanted.file.rename(wanted.file.with_name("renamed.json")), tokenizer)
    assert same.key == wanted.key


def test_a_torn_set_is_made_again(wanted: TokenSpec) -> None:
    tokens = prepare(wanted)
    before = ids_of(tokens)[:3]
    with (tokens.folder / ROWS).open("ab") as file:
        file.truncate(1000)
    assert open_tokens(wanted) is None
    assert ids_of(prepare(wanted))[:3] == before
    assert [path.name for path in tokens.folder.parent.iterdir() if path.is_dir()] == [wanted.key]


def test_a_subset_is_drawn_by_its_seed(wanted: TokenSpec, tokenizer: PieceTokenizer) -> None:
    drawn = {
        seed: [row.row for row in prepare(spec(wanted.file, tokenizer, subset=30, seed=seed))]
        for seed in (1, 2)
    }
    assert len(set(drawn[1])) == 30
    assert drawn[1] == sorted(drawn[1])
    assert drawn[1] != drawn[2]


def test_bad_records_stop_it_or_are_counted(wanted: TokenSpec, tokenizer: PieceTokenizer) -> None:
    file = write(wanted.file.with_name("bad.json"), 10, conversations="none")
    with pytest.raises(DataError, match=r"bad.json, row 1.*must be a list"):
        prepare(spec(file, tokenizer))
    skipping = spec(file, tokenizer, bad_records=Policy(action="skip", limit=1))
    assert prepare(skipping).notes.lines() == ["cannot be used: 1 (row 1)"]
    with pytest.raises(DataError, match="more than 0 could not be used"):
        prepare(spec(file, tokenizer, bad_records=Policy(action="skip", limit=0)), file.parent)


def test_nothing_to_train_on_is_said(wanted: TokenSpec, tokenizer: PieceTokenizer) -> None:
    file = write(wanted.file.with_name("empty.json"), 1, conversations=[])
    with pytest.raises(DataError, match=r"not one record.*no turn: 1 \(0\)"):
        prepare(spec(file, tokenizer))


def test_a_file_that_changes_meanwhile_is_not_kept(wanted: TokenSpec) -> None:
    def meddle(pace: TokenisingPace, *, done: bool = False) -> None:
        if not done:
            wanted.file.write_text(wanted.file.read_text("utf-8") + " ", "utf-8")

    with pytest.raises(DataError, match="changed while it was being read"):
        prepare(wanted, progress=meddle)
    assert open_tokens(wanted) is None


# Waiting ---------------------------------------------------------------------------------------------


def lead(wanted: TokenSpec, delay: float, workers: int = 1) -> None:
    """A first rank that takes its time."""

    def slowly(pace: TokenisingPace, *, done: bool = False) -> None:
        if not done:
            time.sleep(delay)

    shared_tokens(wanted, leader=True, workers=workers, progress=slowly)


def in_a_process(*args: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(target=lead, args=args)
    process.start()
    return process


def children(process: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == process and b"spawn_main" in status.with_name("cmdline").read_bytes():
                found.append(int(status.parent.name))
    return found


def gone(process: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_others_wait_for_the_first(wanted: TokenSpec) -> None:
    first = in_a_process(wanted, 0.2)
    tokens = shared_tokens(wanted, leader=False)
    first.join()
    assert len(tokens) == 2000
    assert not list(folder_of(wanted).parent.glob(".*.beat"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")
def test_a_killed_first_process_is_noticed(wanted: TokenSpec) -> None:
    first = in_a_process(wanted, 60.0, 2)
    patience = time.monotonic() + 30
    while len(workers := children(first.pid)) < 2 and time.monotonic() < patience:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert len(workers) == 2
    with pytest.raises(DataError, match="no sign of life"):
        shared_tokens(wanted, leader=False, patience=0.5)
    # What it left behind is in nobody's way, and no process of its own goes on.
    assert all(gone(worker) for worker in workers)
    assert len(shared_tokens(wanted, leader=True)) == 2000


def test_a_failure_reaches_the_others_in_its_own_words(wanted: TokenSpec, tokenizer: PieceTokenizer) -> None:
    bad = spec(write(wanted.file.with_name("bad.json"), 3, conversations=1), tokenizer)
    with pytest.raises(DataError, match="must be a list"):
        shared_tokens(bad, leader=True)
    with pytest.raises(DataError, match=r"has failed: .*must be a list"):
        shared_tokens(bad, leader=False, patience=0.2)


def test_a_first_process_that_never_comes_is_noticed(wanted: TokenSpec) -> None:
    with pytest.raises(DataError, match="no sign of life"):
        shared_tokens(wanted, leader=False, start_patience=0.3)
