"""Checkpoints that are asked: the best by a test, scores against the step, a process of its own for each."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vlmbench.stats import Difference, paired_difference
from vlmbench.trainers.evaluation import (
    Candidate,
    EvaluationQueue,
    EvaluationTask,
    Value,
    candidates,
    choose,
    keep,
)
from vlmbench.trainers.evaluation.asking import alone, ask
from vlmbench.trainers.evaluation.choosing import is_logged, log_values, reason, results_text, write_best
from vlmbench.trainers.evaluation.demo_shifted_set import write_dusk
from vlmbench.trainers.pipeline import TrainingRequest


def candidate(step: int, folder: Path = Path("work")) -> Candidate:
    return Candidate(step=step, model=folder / "candidates" / f"step-{step}", work_dir=folder)


def value(step: int, share: float | None, benchmark: str = "B") -> Value:
    return Value(
        step=step, benchmark=benchmark, value=share, ci95=(0.1, 0.9), n=9, name="accuracy", run=Path("run")
    )


def answers(right: int, of: int, seed: int = 0) -> list[float]:
    """So many right ones; the easier questions are right for everybody."""
    flips = random.Random(seed).sample(range(of), 4)
    found = [float(number < right) for number in range(of)]
    for place in flips:
        found[place] = 1 - found[place]
    return found


def chosen(*shares: int, of: int = 200) -> int:
    given = {step: answers(right, of, step) for step, right in enumerate(shares, 1)}

    def compare(first: Value, second: Value) -> Difference:
        return paired_difference(given[first.step], given[second.step], range(of))

    pairs = [(candidate(step), value(step, sum(given[step]) / of)) for step in given]
    return choose(pairs, compare).best.candidate.step


def test_the_earliest_that_cannot_be_told_from_the_highest_is_the_best() -> None:
    assert chosen(60, 120, 122, 121) == 2


def test_a_highest_that_is_significantly_better_than_all_before_is_the_best() -> None:
    assert chosen(60, 100, 150) == 3


def test_a_model_that_got_worse_again_is_not_the_best() -> None:
    assert chosen(100, 150, 60) == 2


def test_one_checkpoint_is_the_best_of_one() -> None:
    assert chosen(10) == 1


def test_the_log_has_each_score_once_beside_the_losses(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 5, "loss": 1.5}\n{"step": 6, "lo')
    log_values(tmp_path, [value(5, 0.25), value(5, 0.5, "C")])
    log_values(tmp_path, [value(5, 0.75)])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["step"], line.get("benchmark"), line.get("value")) for line in lines] == [
        (5, None, None),
        (5, "C", 0.5),
        (5, "B", 0.75),
    ]
    assert is_logged(tmp_path, 5, ["B", "C"])
    assert not is_logged(tmp_path, 6, ["B"])


def test_what_was_chosen_stands_with_its_rule(tmp_path: Path) -> None:
    pairs = [(candidate(1), value(1, 0.5)), (candidate(2), value(2, 0.52))]
    found = choose(pairs, lambda a, b: paired_difference([1, 0, 1, 1], [1, 0, 0, 1], range(4)))
    write_best(tmp_path, "B", found)
    document = json.loads((tmp_path / "best.json").read_text())
    assert document["best"]["step"] == 1
    assert document["highest"]["step"] == 2
    assert document["candidates"][0]["less_the_highest"]["adjusted_p"] == 1.0
    assert "paired test" in document["rule"]
    assert "cannot be told apart from step 2" in reason(found)


def test_results_are_a_table_of_the_card() -> None:
    assert "| B | accuracy | 25.0 % | 10.0 – 90.0 | 9 |" in results_text([value(3, 0.25)])
    assert "| no score |" in results_text([value(3, None)])
    points = replace(value(3, 1450.25), unit="points", ci95=(1400.0, 1500.0))
    assert "| B | accuracy | 1450.2 | 1400.0 – 1500.0 | 9 |" in results_text([points])


def test_a_candidate_is_asked_by_the_command_anybody_would_type() -> None:
    words = EvaluationTask(benchmarks=("A", "x/mine.tsv"), limit=4).command(candidate(7), "x/mine.tsv")[1:]
    out = Path("work/runs/step-7/mine")
    assert words[:6] == ["-m", "vlmbench", "run", "--model", "work/candidates/step-7", "--bench"]
    assert words[6:] == ["x/mine.tsv", "--out", str(out), "--limit", "4"]


def test_a_checkpoint_is_kept_until_it_is_a_model(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-7"
    checkpoint.mkdir()
    (checkpoint / "trained.safetensors").write_text("weights")
    kept = candidate(7, tmp_path)
    keep(kept, checkpoint)
    shutil.rmtree(checkpoint)
    assert candidates(tmp_path) == [kept]
    assert (kept.trained / "trained.safetensors").read_text() == "weights"
    question = EvaluationTask(benchmarks=("A",), maker=("-m", "make", "--candidate"))
    assert [command[1:3] for command in question.commands(kept, ["A"])] == [
        ["-m", "make"],
        ["-m", "vlmbench"],
    ]
    kept.model.mkdir()
    assert [command[2] for command in question.commands(kept, ["A"])] == ["vlmbench"]
    assert candidates(tmp_path) == [kept]


def test_a_process_that_was_killed_is_no_success() -> None:
    assert ask([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 128 + 9


def test_who_stops_asking_leaves_no_process_behind(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = (
        f"import os, time; print(os.getpid(), file=open({str(told)!r}, 'w'), flush=True); time.sleep(60)"
    )
    task = EvaluationTask(benchmarks=("A",), maker=("-c", program))
    asker = EvaluationQueue(task, tmp_path / "evaluation.log")
    for step in (1, 2):
        asker.add(candidate(step, tmp_path))
    while not told.is_file() or not told.read_text().endswith("\n"):
        time.sleep(0.01)
    asker.stop()
    asker.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    assert (tmp_path / "evaluation.log").read_bytes() == b""


def test_one_process_asks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    request = TrainingRequest(recipe="mine.yaml", nnodes=2)
    assert request.is_first_process
    monkeypatch.setenv("NODE_RANK", "1")
    assert not request.is_first_process
    monkeypatch.setenv("RANK", "0")
    assert request.is_first_process


def test_who_asks_is_no_rank_of_the_training() -> None:
    environ = {"RANK": "0", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "x", "HOME": "/h", "LOCAL_RANK": "0"}
    assert alone(environ) == {"HOME": "/h"}


def test_the_dusk_table_asks_the_benchmarks_own_questions(tmp_path: Path) -> None:
    from vlmbench.registry import load_benchmark
    from vlmbench.shapes.tables import rows

    file = write_dusk(tmp_path)
    lines = file.read_text("utf-8").splitlines()
    assert len(lines) == len(rows("Shapes_DEV_EN")) + 1
    before = file.stat().st_mtime_ns
    assert write_dusk(tmp_path).stat().st_mtime_ns == before
    assert load_benchmark(str(file)).card.circular
