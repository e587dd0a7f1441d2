"""Our benchmarks as lm-eval's tasks, run by lm-eval itself, from the YAML of docs/harnesses.md."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from vlmbench.api.harness_questions import HarnessQuestions
from vlmbench.api.score import score
from vlmbench.domain import Response

PAGE = (ROOT / "docs" / "harnesses.md").read_text("utf-8")
[YAML] = re.findall(r"^```yaml mmbench.yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("rules", ["strict", "vlmevalkit"])
def test_lm_eval_finds_our_headline(rules: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.dummy import DummyLM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    task = YAML.replace("MMBench_DEV_EN", "Shapes_DEV_EN").replace("rules: strict", f"rules: {rules}")
    (tmp_path / "mmbench.yaml").write_text(task + "limit: 20\n", "utf-8")
    asked = HarnessQuestions("Shapes_DEV_EN", rules, limit=20)
    texts = {}
    for number, (sample_id, sample) in enumerate(asked.samples.items()):
        right = int(sample.group) % 3 > 0
        texts[sample_id] = sample.references[0] if right else ("I cannot see it", "B", "")[number % 3]
    seen: list[Any] = []

    class Reader(DummyLM):  # type: ignore[misc]
        MULTIMODAL = True

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            seen.extend(requests)
            return [texts[request.doc["id"]] for request in requests]

    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    found = simple_evaluate(model=Reader(), tasks=["mmbench"], task_manager=manager, bootstrap_iters=0)
    headline = asked.figures({i: Response(id=i, text=text, finish="stop") for i, text in texts.items()})[0]
    assert found["results"]["mmbench"]["headline,none"] == headline.value
    assert headline.value is not None
    assert 0 < headline.value < 1
    tracker = EvaluationTracker(output_path=str(tmp_path / "log"))
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    tracker.save_results_samples(task_name="mmbench", samples=samples["mmbench"])
    (log,) = (tmp_path / "log").rglob("samples_*.jsonl")
    again = score(predictions=log, bench="Shapes_DEV_EN", rules=rules, allow_missing=True)
    assert again.headline.value == headline.value
    words, options, pictures = seen[0].args
    assert words.startswith("<image>Question: ")
    assert options["max_gen_toks"] == asked.decoding.max_new_tokens
    assert [picture.size for picture in pictures["visual"]] == [(96, 96)]


def test_lm_eval_knows_the_options_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval._cli.harness import HarnessCLI

    [line] = re.findall(r"^    lm-eval (run .+)$", PAGE, re.MULTILINE)
    monkeypatch.setattr(sys, "argv", ["lm-eval", *shlex.split(line)])
    found = HarnessCLI().parse_args()
    assert (found.tasks, found.include_path, found.apply_chat_template) == (["mmbench"], ".", True)
