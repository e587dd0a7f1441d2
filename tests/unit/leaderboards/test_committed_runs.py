"""What the published page is built from: answers for every figure, small, nothing of the machine's clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from repository import ROOT

COMMITTED = ROOT / "tests" / "committed_runs"
RANKED = sorted(file.parent for file in COMMITTED.rglob("scores.jsonl"))


@pytest.mark.parametrize("run", RANKED, ids=lambda run: str(run.relative_to(COMMITTED)))
def test_every_scored_row_of_a_ranked_run_has_its_answer_and_no_clock(run: Path) -> None:
    answers, scores = (
        [json.loads(line) for line in (run / name).read_text("utf-8").splitlines()]
        for name in ("responses.jsonl", "scores.jsonl")
    )
    assert {answer["id"] for answer in answers} == {score["id"] for score in scores}
    assert {answer["seconds"] for answer in answers} == {None}


def test_they_stay_small() -> None:
    assert len(RANKED) == 4
    assert sum(file.stat().st_size for file in COMMITTED.rglob("*")) < 1_000_000


def test_the_published_page_is_built_with_what_its_figures_open_into() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text("utf-8"))
    lines = "\n".join(step.get("run", "") for step in workflow["jobs"]["build"]["steps"]).splitlines()
    builds = [line for line in lines if "leaderboard build" in line]
    assert builds
    assert all("--reports" in line for line in builds)
