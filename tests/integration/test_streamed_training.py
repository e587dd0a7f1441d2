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


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    return write_records(tmp_path / "data", SHARDS * EACH)


@pytest.fixture
def hub(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The records as parquet on a hub."""
    with serving_hub() as server:
        server.add_folder("owner/name", parquet(tmp_path / "hub", data))
        server.use(monkeypatch, tmp_path / "hub-home")
        monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
        yield server


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


def words(model: Path, data: Path, source: str | None, work_dir: Path, *more: str) -> list[str]:
    """`vlmbench train` on these records, or on another source of them."""
    named = [] if source is None else [f"data.sources=[{source}]"]
    sets = settings(model, data, "data.workers=0", "saving.every=1", *named, *more)
    return ["train", "demo_lora", "--work-dir", str(work_dir), *(w for one in sets for w in ("--set", one))]


def losses(work_dir: Path) -> list[Any]:
    return [(reading["loss"], reading["grad_norm"]) for reading in read_metrics(work_dir)]


def learned(model: Path, data: Path, source: str | None, work_dir: Path, *more: str) -> list[Any]:
    """The loss and the gradient of every step."""
    assert main(words(model, data, source, work_dir, *more)) == 0
    return losses(work_dir)


def store_size(home: Path) -> int:
    found = 0
    for folder, _, files in os.walk(home / "stream"):
        for name in files:
            with suppress(OSError):
                found += Path(folder, name).stat().st_size
    return found


@contextmanager
def measured(home: Path) -> Iterator[list[int]]:
    """The bytes of the store, again and again."""
    sizes: list[int] = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            sizes.append(store_size(home))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


def of_tars(hub: HubServer, data: Path, folder: Path) -> str:
    hub.add_folder("owner/tars", tars(folder, data))
    return NAMED.replace("name", "tars")


WINDOWS = ("data.window=2", "data.store=0.0001")
"""100 kB: two windows of .tar have 82, the eight shards 164."""


def test_a_window_of_all_shards_learns_what_the_stored_set_learns(
    tiny_model: Callable[[str], Path], data: Path, hub: HubServer, tmp_path: Path
) -> None:
    model = tiny_model("llava")
    stored = NAMED.replace(", stream: true", "")
    expected = learned(model, data, stored, tmp_path / "stored", "schedule.max_steps=2")
    assert len(expected) == 2
    assert learned(model, data, NAMED, tmp_path / "run", "schedule.max_steps=2") == expected
    # What the hub's client has downloaded is not asked for again.
    assert sum(path.startswith("/cdn/") for path in hub.paths()) == SHARDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("tar", ("data.workers=2", "data.sampler=length-grouped", "model.language.lora.dropout=0.2")),
        ("parquet", ("data.workers=1", "data.packing=true", "data.max_positions=150")),
    ],
)
def test_the_store_stays_within_its_limit_and_a_killed_training_goes_on_with_the_next_sample(
    tiny_model: Callable[[str], Path],
    data: Path,
    hub: HubServer,
    tmp_path: Path,
    kind: str,
    more: tuple[str, ...],
) -> None:
    limit = 100_000 if kind == "tar" else 20_000
    more = (*WINDOWS[:1], f"data.store={limit / 1e9}", "schedule.batch=2", *more)
    model, home = tiny_model("llava"), tmp_path / "home"
    source = of_tars(hub, data, tmp_path / "tars") if kind == "tar" else NAMED
    with measured(home) as sizes:
        expected = learned(model, data, source, tmp_path / "whole", *more)
    assert len(expected) >= 6
    assert limit * 0.5 < max(sizes) <= limit
    command = [sys.executable, "-m", "vlmbench", *words(model, data, source, tmp_path / "killed", *more)]
    environment = os.environ | hub.environment(tmp_path / "other") | {"VLMBENCH_HOME": str(home)}
    killed = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    while not (tmp_path / "killed/checkpoint-4").is_dir():
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    shutil.rmtree(home / "stream")
    with measured(home) as sizes:
        assert main([*words(model, data, source, tmp_path / "killed", *more), "--resume"]) == 0
    assert losses(tmp_path / "killed") == expected
    assert max(sizes) <= limit


@pytest.mark.slow
def test_two_processes_share_a_store_and_learn_what_one_learns(
    tiny_model: Callable[[str], Path], data: Path, hub: HubServer, tmp_path: Path
) -> None:
    model, source = tiny_model("llava"), of_tars(hub, data, tmp_path / "tars")
    expected = learned(model, data, source, tmp_path / "one", *WINDOWS)
    shutil.rmtree(tmp_path / "home/stream")
    hub.asked.clear()
    command = words(model, data, source, tmp_path / "two", *WINDOWS, "schedule.accumulation=1")
    environment = os.environ | hub.environment(tmp_path / "other") | {"VLMBENCH_HOME": str(tmp_path / "home")}
    with measured(tmp_path / "home") as sizes:
        subprocess.run(
            [sys.executable, "-m", "vlmbench", *command, "--nproc", "2"],
            cwd=tmp_path,
            env=environment | {"OMP_NUM_THREADS": "1"},
            check=True,
            timeout=300,
        )
    found = losses(tmp_path / "two")
    assert [loss for loss, _ in found] == pytest.approx([loss for loss, _ in expected], rel=1e-4)
    assert max(sizes) <= 100_000
    # Each of two epochs reads every shard once for both processes; what the first leaves, the second keeps.
    assert SHARDS <= sum(path.startswith("/cdn/") for path in hub.paths()) <= 2 * SHARDS


def test_a_shard_that_is_gone_from_the_hub_stops_the_training_with_its_name(
    tiny_model: Callable[[str], Path],
    data: Path,
    hub: HubServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, source = tiny_model("llava"), of_tars(hub, data, tmp_path / "tars")
    (files,) = hub.datasets["owner/tars"].commits.values()

    def remove() -> None:
        while not (tmp_path / "run/checkpoint-1").is_dir():
            time.sleep(0.005)
        files.clear()

    remover = threading.Thread(target=remove)
    remover.start()
    assert main(words(model, data, source, tmp_path / "run", *WINDOWS)) == 1
    remover.join()
    found = capsys.readouterr().err
    assert "hf:owner/tars/train: the shard data/train-0000" in found
    assert "--resume" in found
    assert whole(tmp_path / "run")


def test_a_store_that_is_too_small_is_refused_before_the_first_step(
    tiny_model: Callable[[str], Path],
    data: Path,
    hub: HubServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = of_tars(hub, data, tmp_path / "tars")
    more = ("data.window=2", "data.store=0.00005")
    assert main(words(tiny_model("llava"), data, source, tmp_path / "run", *more)) == 1
    found = capsys.readouterr().err
    assert "may take 50 kB here; 4 that are needed at once take up to 82 kB." in found
    assert "--set data.window=N" in found
    assert not (tmp_path / "run/checkpoint-1").exists()


def test_the_plan_says_what_is_downloaded_and_counts_what_was_read(
    tiny_model: Callable[[str], Path],
    data: Path,
    hub: HubServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = words(tiny_model("llava"), data, NAMED, tmp_path / "run", "data.store=0.5")
    assert main([*command, "--plan"]) == 0
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
    assert main([*command, "--plan"]) == 0
    assert "48 (" in capsys.readouterr().out
    assert (
        main([*words(tiny_model("llava"), data, f"{{annotations: {data}, stream: true}}", tmp_path / "x")])
        == 2
    )
    assert "only shards are streamed" in capsys.readouterr().err
