"""Several workers, each with an engine of its own: the same answers as anybody's."""

from __future__ import annotations

import json
from pathlib import Path

from test_vllm_cli import run


def test_two_workers_answer_as_one_process_does(tmp_path: Path) -> None:
    few = ("--limit", "24", "--max-new-tokens", "8")
    said = run(tmp_path / "two", "vllm:demo", *few, "--devices", "2", "--device", "cpu")
    assert said == run(tmp_path / "one", "demo", *few)
    timing = json.loads((tmp_path / "two" / "results.json").read_text("utf-8"))["timing"]
    assert (timing["workers"], timing["replaced"], timing["left_out"]) == (2, 0, 0)
