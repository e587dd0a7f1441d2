"""A training on shards or on a hub's dataset learns what it learns from the same records as LLaVA's JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_server import serving_hub
from record_sets import (
    as_messages,
    columns,
    llava_records,
    webdataset,
    write_jsonl,
    write_parquet,
    write_tar,
)
from safetensors.torch import load_file
from small_trainings import settings, write_records

from vlmbench.cli.main import main
from vlmbench.trainers.chain import FINISHED
from vlmbench.trainers.training.metrics import read_metrics

SHORT = ("schedule.max_steps=3", "saving.every=1", "model.language.lora.dropout=0.2")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    return write_records(tmp_path / "data")


def words(model: Path, data: Path, source: str | None, work_dir: Path) -> list[str]:
    """`vlmbench train` with these records, or with another source of them."""
    sets = [*settings(model, data, *SHORT), *([] if source is None else [f"data.sources=[{source}]"])]
    return ["train", "demo_lora", "--work-dir", str(work_dir), *(w for one in sets for w in ("--set", one))]


def learned(model: Path, data: Path, source: str | None, work_dir: Path) -> list[Any]:
    """The loss and the gradient of every step."""
    assert main(words(model, data, source, work_dir)) == 0
    return [(reading["loss"], reading["grad_norm"]) for reading in read_metrics(work_dir)]


def parquet(folder: Path, data: Path) -> str:
    rows = []
    for record in llava_records(data):
        picture = {"bytes": record["bytes"], "path": None} if "bytes" in record else None
        rows.append({**columns(record), "image": picture})
    write_parquet(folder / "train-0.parquet", rows[:10])
    write_parquet(folder / "train-1.parquet", rows[10:])
    return f"{{files: {folder}/train-*.parquet}}"


def messages(folder: Path, data: Path) -> str:
    rows = []
    for record in llava_records(data):
        images = [record["image"]] if "image" in record else []
        rows.append({**as_messages(record), "images": images})
    file = write_jsonl(folder / "a.jsonl", rows)
    return f"{{files: {file}, images: {data.parent}/pictures}}"


def tars(folder: Path, data: Path) -> str:
    records = llava_records(data)
    write_tar(folder / "shards-000.tar", webdataset(records[:7]))
    write_tar(folder / "shards-001.tar", webdataset(records[7:]))
    return f"{{files: {folder}/shards-*.tar}}"


@pytest.mark.parametrize(
    "make",
    [tars, pytest.param(parquet, marks=pytest.mark.slow), pytest.param(messages, marks=pytest.mark.slow)],
)
def test_losses_are_those_of_the_same_records_as_llavas_json(
    tiny_model: Callable[[str], Path], data: Path, tmp_path: Path, make: Callable[[Path, Path], str]
) -> None:
    model = tiny_model("llava")
    expected = learned(model, data, None, tmp_path / "json")
    assert len(expected) == 3
    assert learned(model, data, make(tmp_path / "shards", data), tmp_path / "run") == expected


def test_a_hubs_dataset_trains_by_name_and_resumes_without_the_hub(
    tiny_model: Callable[[str], Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llava")
    expected = learned(model, data, None, tmp_path / "json")
    parquet(tmp_path / "hub", data)
    shards = {f"data/train-0000{n}-of-00002.parquet": tmp_path / f"hub/train-{n}.parquet" for n in (0, 1)}
    with serving_hub() as hub:
        hub.add("owner/name", {name: file.read_bytes() for name, file in shards.items()})
        hub.use(monkeypatch, tmp_path / "hub-home")
        source = "{hf: owner/name, split: train}"
        assert learned(model, data, source, tmp_path / "run") == expected
        for gone in ("model", "checkpoint-3", "checkpoint-2"):
            shutil.rmtree(tmp_path / "run" / gone, ignore_errors=True)
        hub.down = True
        assert main([*words(model, data, source, tmp_path / "run"), "--resume"]) == 0
    assert [(one["loss"], one["grad_norm"]) for one in read_metrics(tmp_path / "run")] == expected


def test_the_plan_and_the_check_read_shards(
    data: Path, tmp_path: Path, tiny_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source = tars(tmp_path / "tars", data)
    command = words(tiny_model("llava"), data, source, tmp_path / "run")
    assert main([*command, "--plan"]) == 0
    assert "24 (counted)" in capsys.readouterr().out
    assert main(["data", "check", str(tmp_path / "tars/shards-000.tar"), "--format", "json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["records"], report["text_only"], report["pictures"]) == (7, 2, 5)
    shard = tmp_path / "tars/shards-001.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    assert main([*command, "--plan"]) == 0
    assert "shards-001.tar: the shard is broken" in " ".join(capsys.readouterr().out.split())
    assert main(command) == 1
    assert "shards-001.tar: the shard is broken" in capsys.readouterr().err


@pytest.mark.slow
def test_a_training_on_shards_that_is_killed_goes_on_where_it_stopped(
    tiny_model: Callable[[str], Path], data: Path, tmp_path: Path
) -> None:
    model = tiny_model("llava")
    source = tars(tmp_path / "tars", data)
    expected = learned(model, data, source, tmp_path / "whole")
    command = [sys.executable, "-m", "vlmbench", *words(model, data, source, tmp_path / "killed")]
    first = subprocess.Popen(command, cwd=tmp_path, env=dict(os.environ), start_new_session=True)
    while not (tmp_path / "killed/checkpoint-1").is_dir():
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    assert main([*words(model, data, source, tmp_path / "killed"), "--resume"]) == 0
    found = [(one["loss"], one["grad_norm"]) for one in read_metrics(tmp_path / "killed")]
    assert found == expected
    one, other = (
        load_file(tmp_path / name / "model/adapter/adapter_model.safetensors") for name in ("whole", "killed")
    )
    assert all((one[name] == other[name]).all() for name in one)


def test_a_finished_model_of_shards_is_recognised_without_its_stages_record(
    tiny_model: Callable[[str], Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record is written last: a process that is killed just before leaves the model alone."""
    command = words(tiny_model("llava"), data, tars(tmp_path / "tars", data), tmp_path / "run")
    command += ["--set", "schedule.max_steps=1"]
    assert main(command) == 0
    (tmp_path / "run" / FINISHED).unlink()
    assert main(command) == 0
    (tmp_path / "run" / FINISHED).unlink()
    write_tar(tmp_path / "tars/shards-001.tar", webdataset(llava_records(data)[:2]))
    assert main(command) == 1
    assert "shards-*.tar has other contents than it had" in capsys.readouterr().err
