"""A run that resumes from an earlier checkpoint removes the later ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.trainers.evaluation import candidates
from vlmbench.trainers.training import checkpoints
from vlmbench.trainers.training.checkpoints import begins_at, discard_after


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    """Checkpoints and candidates at 2, 4, 6 and 8, two of them models already and asked."""
    for step in (2, 4, 6, 8):
        folder = checkpoints.place(tmp_path, step)
        folder.mkdir()
        (folder / checkpoints.FACTS).write_text("{}", "utf-8")
        made = "step" if step < 6 else "trained"
        (tmp_path / "candidates" / f"{made}-{step}").mkdir(parents=True)
        (tmp_path / "runs" / f"step-{step}" / "CCBench").mkdir(parents=True)
    return tmp_path


def test_checkpoints_candidates_and_runs_beyond_the_step_are_dropped_and_told(work_dir: Path) -> None:
    (work_dir / "runs" / "model").mkdir()
    assert "of 6, 8: this run resumes from step 4" in (discard_after(work_dir, 4) or "")
    assert [folder.name for folder in checkpoints.whole(work_dir)] == ["checkpoint-2", "checkpoint-4"]
    assert [candidate.step for candidate in candidates(work_dir)] == [2, 4]
    assert sorted(run.name for run in (work_dir / "runs").iterdir()) == ["model", "step-2", "step-4"]
    assert discard_after(work_dir, 4) is None


def test_a_run_begins_where_its_checkpoint_was_written(work_dir: Path) -> None:
    (work_dir / "chosen").symlink_to("checkpoint-6")
    assert begins_at(work_dir, work_dir / "chosen") == 6
    assert begins_at(work_dir, "latest") == 8
    assert begins_at(work_dir, None) == 0


def test_the_checkpoint_just_written_stays_whatever_others_there_are(tmp_path: Path) -> None:
    for step in (6, 8, 2):
        checkpoints.open_aside(tmp_path, step)
        written = checkpoints.settle(tmp_path, step, {}, 2)
        assert written in checkpoints.whole(tmp_path)
    assert [folder.name for folder in checkpoints.whole(tmp_path)] == ["checkpoint-2", "checkpoint-8"]
