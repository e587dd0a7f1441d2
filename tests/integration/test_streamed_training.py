"""A training on a streamed set: pictures come shard by shard into a store of limited size."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_server import HubServer, serving_hub
from record_sets import columns, llava_records, webdataset, write_parquet, write_tar
from small_trainings import settings, write_records

from vlmbench.cli.main import main
from vlmbench.trainers.training.checkpoints import whole
from vlmbench.trainers.training.metrics import read_metrics

SHARDS, EACH = 8, 6
NAMED = "{hf: owner/name, split: train, stream: true}"


def parquet(folder: Path, data: Path) -> Path:
    rows = []
    for record in llava_records(data):
        picture = {"bytes": record["bytes"], "path": None} if "bytes" in record else None
        rows.append({**columns(record), "image": picture})
    for number in range(SHARDS):
        file = folder / f"data/train-{number:05}-of-{SHARDS:05}.parquet"
        write_parquet(file, rows[number * EACH : (number + 1) * EACH])
    return folder


def tars(folder: Path, data: Path) -> Path:
    records = llava_records(data)
    for number in range(SHARDS):
        file = folder / f"data/train-{number:05}.tar"
        write_tar(file, webdataset(records[number * EACH : (number + 1) * EACH]))
    return folder


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """`vlmbench train` of a tiny model on records that a hub has, in work folders of one folder."""

    model: Path
    data: Path
    hub: HubServer
    folder: Path
    home: Path

    def tars(self) -> str:
        """The records as a source of .tar on the hub."""
        self.hub.add_folder("owner/tars", tars(self.folder / "tars", self.data))
        return NAMED.replace("name", "tars")

    def words(self, source: str, run: str, *more: str) -> list[str]:
        sets = settings(
            self.model, self.data, "data.workers=0", "saving.every=1", f"data.sources=[{source}]", *more
        )
        flags = [word for setting in sets for word in ("--set", setting)]
        return ["train", "demo_lora", "--work-dir", str(self.folder / run), *flags]

    def learned(self, source: str, run: str, *more: str) -> list[Any]:
        """The loss and the gradient of every step."""
        assert main(self.words(source, run, *more)) == 0
        return losses(self.folder / run)

    def begun(self, words: list[str], **more: str) -> subprocess.Popen[bytes]:
        """A process of its own, as on another machine: nothing is downloaded yet, but to the store."""
        environment = os.environ | self.hub.environment(self.folder / "other") | more
        environment |= {"VLMBENCH_HOME": str(self.home)}
        command = [sys.executable, "-m", "vlmbench", *words]
        return subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True)


@pytest.fixture
def trainings(
    tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trainings]:
    """The records are parquet on a hub."""
    data, home = write_records(tmp_path / "data", SHARDS * EACH), tmp_path / "home"
    with serving_hub() as hub:
        hub.add_folder("owner/name", parquet(tmp_path / "hub", data))
        hub.use(monkeypatch, tmp_path / "hub-home")
        monkeypatch.setenv("VLMBENCH_HOME", str(home))
        yield Trainings(model=tiny_model("llava"), data=data, hub=hub, folder=tmp_path, home=home)


def losses(work_dir: Path) -> list[Any]:
    return [(reading["loss"], reading["grad_norm"]) for reading in read_metrics(work_dir)]


def stored(home: Path) -> dict[Path, int]:
    """The size of each file of the store."""
    found = {}
    for folder, _, files in os.walk(home / "stream"):
        for file in (Path(folder, name) for name in files):
            with suppress(OSError):
                found[file] = file.stat().st_size
    return found


@contextmanager
def measured(home: Path) -> Iterator[list[int]]:
    """The bytes of the store, again and again."""
    sizes: list[int] = [0]
    over = threading.Event()

    def watch() -> None:
        before: dict[Path, int] = {}
        while not over.wait(0.002):
            now = stored(home)
            # Else a file that is moved, or makes way for another, while the store is listed counts with both.
            if now.keys() == before.keys():
                sizes.append(sum(before.values()))
            before = now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


WINDOWS = ("data.window=2", "data.store=0.0001")
"""100 kB: two windows of .tar have 82, the eight shards 164."""


def test_a_window_of_all_shards_learns_what_the_stored_set_learns(trainings: Trainings) -> None:
    stored = NAMED.replace(", stream: true", "")
    expected = trainings.learned(stored, "stored", "schedule.max_steps=2")
    assert len(expected) == 2
    assert trainings.learned(NAMED, "run", "schedule.max_steps=2") == expected
    # What the hub's client has downloaded is not asked for again.
    assert sum(path.startswith("/cdn/") for path in trainings.hub.paths()) == SHARDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("tar", ("data.workers=2", "data.sampler=length-grouped", "model.language.lora.dropout=0.2")),
        ("parquet", ("data.workers=1", "data.packing=true", "data.max_positions=150")),
    ],
)
def test_the_store_stays_within_its_limit_and_a_killed_training_goes_on_with_the_next_sample(
    trainings: Trainings, tmp_path: Path, kind: str, more: tuple[str, ...]
) -> None:
    limit = 100_000 if kind == "tar" else 20_000
    more = ("data.window=2", f"data.store={limit / 1e9}", "schedule.batch=2", *more)
    source = trainings.tars() if kind == "tar" else NAMED
    with measured(trainings.home) as sizes:
        expected = trainings.learned(source, "whole", *more)
    assert len(expected) >= 6
    assert limit * 0.5 < max(sizes) <= limit
    words = trainings.words(source, "killed", *more)
    killed = trainings.begun(words)
    while not (tmp_path / "killed/checkpoint-4").is_dir():
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    shutil.rmtree(trainings.home / "stream")
    with measured(trainings.home) as sizes:
        assert main([*words, "--resume"]) == 0
    assert losses(tmp_path / "killed") == expected
    assert max(sizes) <= limit


@pytest.mark.slow
def test_two_processes_share_a_store_and_learn_what_one_learns(trainings: Trainings, tmp_path: Path) -> None:
    source = trainings.tars()
    expected = trainings.learned(source, "one", *WINDOWS)
    shutil.rmtree(trainings.home / "stream")
    trainings.hub.asked.clear()
    words = trainings.words(source, "two", *WINDOWS, "schedule.accumulation=1")
    with measured(trainings.home) as sizes:
        assert trainings.begun([*words, "--nproc", "2"], OMP_NUM_THREADS="1").wait(300) == 0
    found = losses(tmp_path / "two")
    assert [loss for loss, _ in found] == pytest.approx([loss for loss, _ in expected], rel=1e-4)
    assert max(sizes) <= 100_000
    # Each of two epochs reads every shard once for both processes; what the first leaves, the second keeps.
    assert SHARDS <= sum(path.startswith("/cdn/") for path in trainings.hub.paths()) <= 2 * SHARDS


def test_a_shard_that_is_gone_from_the_hub_stops_the_training_with_its_name(
    trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = trainings.tars()
    (files,) = trainings.hub.datasets["owner/tars"].commits.values()

    def remove() -> None:
        while not (tmp_path / "run/checkpoint-1").is_dir():
            time.sleep(0.005)
        files.clear()

    remover = threading.Thread(target=remove)
    remover.start()
    assert main(trainings.words(source, "run", *WINDOWS)) == 1
    remover.join()
    found = capsys.readouterr().err
    assert "hf:owner/tars/train: the shard data/train-0000" in found
    assert "--resume" in found
    assert whole(tmp_path / "run")


def test_a_store_that_is_too_small_is_refused_before_the_first_step(
    trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("data.window=2", "data.store=0.00005")
    assert main(trainings.words(trainings.tars(), "run", *more)) == 1
    found = capsys.readouterr().err
    assert "may take 50 kB here; 4 that are needed at once take up to 82 kB." in found
    assert "--set data.window=N" in found
    assert not (tmp_path / "run/checkpoint-1").exists()


def test_the_plan_says_what_is_downloaded_and_counts_what_was_read(
    trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*trainings.words(NAMED, "run", "data.store=0.5"), "--plan"]
    assert main(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "hf:owner/name/train is streamed: 8 shards (" in shown
    assert (
        "are downloaded in each epoch, and their text once before; up to 500.0 MB of pictures stay in"
        in shown
    )
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"base: demo_lora\ndata: {{sources: [{NAMED}]}}\n")
    assert main(["data", "check", str(recipe), "--format", "json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["records"], report["text_only"], report["pictures"]) == (48, 16, 32)
    assert main(command) == 0
    assert "48 (" in capsys.readouterr().out


def test_a_file_of_records_is_not_streamed(trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(trainings.words(f"{{annotations: {trainings.data}, stream: true}}", "run")) == 2
    assert "only shards are streamed" in capsys.readouterr().err
