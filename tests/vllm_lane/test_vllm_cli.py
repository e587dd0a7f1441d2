"""The command line with vLLM behind it: stopped, continued, and the same answers as anybody's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VLMBENCH = str(Path(sys.executable).with_name("vlmbench"))
BENCH = "Shapes_DEV_EN"


def run(out: Path, model: str, *more: str) -> dict[str, str]:
    """Answers by index of a finished run."""
    command = [VLMBENCH, "run", "--model", model, "--bench", BENCH, "--out", str(out), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {line["id"]: line["text"] for line in lines(out)}


def lines(out: Path) -> list[dict[str, Any]]:
    file = out / "responses.jsonl"
    text = file.read_text("utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def test_ctrl_c_leaves_in_seconds_and_the_same_command_continues(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [
        VLMBENCH,
        "run",
        "--model",
        "vllm:demo",
        "--bench",
        BENCH,
        "--out",
        str(out),
        "--batch-size",
        "1",
    ]
    stopped = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 900
    while not lines(out) and stopped.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    pressed = time.monotonic()
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130, said
    assert time.monotonic() - pressed < 20
    assert "Every answer so far is kept" in said
    assert "Traceback" not in said
    kept = {line["id"]: line["text"] for line in lines(out)}
    assert kept
    whole = run(out, "vllm:demo")
    assert kept.items() <= whole.items()
    assert whole == run(tmp_path / "hf", "demo")


def test_a_served_model_is_asked_as_its_folder_is_answers_alike_and_is_compared(
    served: str, tmp_path: Path
) -> None:
    few = ("--max-new-tokens", "8", "--limit", "20")
    # A server keeps the space that this tokenizer writes before a word.
    said = {name: text.strip() for name, text in run(tmp_path / "served", served, *few).items()}
    hf = run(tmp_path / "hf", "demo", *few)
    assert said == hf
    responses = run(tmp_path / "responses", served.replace("openai:", "responses:"), *few, "--limit", "3")
    assert 3 <= len(responses) < len(hf)
    assert {name: text.strip() for name, text in responses.items()}.items() <= hf.items()
    folders = [tmp_path / name for name in ("served", "hf", "responses")]
    facts = [json.loads((folder / "run.json").read_text("utf-8"))["facts"] for folder in folders]
    assert [one["style"] for one in facts] == ["llava"] * 3
    assert len({one["prompts"] for one in facts}) == 1
    command = [VLMBENCH, "compare", *map(str, folders[:2])]
    compared = subprocess.run(command, capture_output=True, text=True)
    assert compared.returncode == 0, compared.stderr


def test_another_backend_may_not_continue_a_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(out, "demo", "--limit", "2")
    facts = json.loads((out / "run.json").read_text("utf-8"))
    facts["facts"]["model"]["kind"] = "vllm"
    (out / "run.json").write_text(json.dumps(facts), "utf-8")
    command = [VLMBENCH, "run", "--model", "demo", "--bench", BENCH, "--out", str(out), "--limit", "2"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--fresh" in refused.stderr


def engines_of(process: int) -> list[int]:
    """vLLM's engine processes that this one started."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    return [int(pid) for pid, parent, name in rows if int(parent) == process and "EngineCore" in name]


def test_a_killed_engine_ends_the_run_and_keeps_its_answers(tmp_path: Path) -> None:
    command = [VLMBENCH, "run", "--model", "vllm:demo", "--bench", BENCH, "--out", str(tmp_path)]
    killed = subprocess.Popen([*command, "--batch-size", "1"], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 900
    while not lines(tmp_path) and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    for engine in engines_of(killed.pid):
        os.kill(engine, signal.SIGKILL)
    said = killed.communicate(timeout=120)[1]
    assert killed.returncode == 1, said
    assert "vLLM's engine has died" in said
    assert "the same command continues" in said
    assert "Traceback" not in said
    kept = lines(tmp_path)
    # What was with the engine when it died has no answer; nothing of it counts as a model's error.
    assert kept
    assert {line["finish"] for line in kept} <= {"stop", "length"}


def test_two_workers_answer_as_one_process_does(tmp_path: Path) -> None:
    few = ("--limit", "24", "--max-new-tokens", "8")
    said = run(tmp_path / "two", "vllm:demo", *few, "--devices", "2", "--device", "cpu")
    assert said == run(tmp_path / "one", "demo", *few)
    timing = json.loads((tmp_path / "two" / "results.json").read_text("utf-8"))["timing"]
    assert (timing["workers"], timing["replaced"], timing["left_out"]) == (2, 0, 0)
