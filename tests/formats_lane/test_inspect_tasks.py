"""Our benchmarks as inspect_ai's tasks, found by name and run by inspect_ai itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vlmbench.api.run.benchmark_data import DataOptions, open_data
from vlmbench.api.score import score
from vlmbench.errors import DataError
from vlmbench.registry import load_benchmark

TEXTS = ("A", "B. ", "The answer is (C).", "D", "I cannot see it", "a or b", "None", "")
PROVIDER = """
from inspect_ai._cli.main import main
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi

@modelapi(name="ours")
def ours():
    class Ours(ModelAPI):
        async def generate(self, input, tools, tool_choice, config):
            return ModelOutput.from_content(self.model_name, "B")
    return Ours

main()
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def run_task(name: str, seen: list[Any] | None = None, **arguments: Any) -> Any:
    """The log of a task, asked of inspect_ai's own stub of a model, which answers by the question's text."""
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    right = {} if name == "benchmark" else right_answers(name)

    def reply(messages: list[Any], *_: Any) -> ModelOutput:
        if seen is not None:
            seen.append(messages)
        asked = messages[-1].text
        # Two questions in three are answered right in every rotation, the others somehow.
        number = sum(asked.partition("Options:")[0].encode())
        text = right[asked] if asked in right and number % 3 else TEXTS[number % len(TEXTS)]
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=reply)
    (log,) = inspect_eval(
        f"vlmbench/{name}", model=model, task_args=arguments, log_format="json", display="none"
    )
    assert log.status == "success", log.error
    return log


def right_answers(name: str) -> dict[str, str]:
    """The letter of every question, by the text it is asked with."""
    benchmark = load_benchmark(name)
    try:
        samples = benchmark.samples(open_data(benchmark, DataOptions()).rows)
    except DataError:
        return {}
    asked = [(benchmark.request(sample, "vlmevalkit").parts, sample.references) for sample in samples]
    return {"".join(p for p in parts if isinstance(p, str)): found[0] for parts, found in asked if found}


def headline(log: Any) -> tuple[str, float]:
    (score,) = log.results.scores
    return next((name, found.value) for name, found in score.metrics.items())


def scored(log: Any, bench: str, rules: str) -> tuple[str, float]:
    """What `vlmbench score` makes of the same answers, taken from inspect_ai's log."""
    file = Path(log.location.removeprefix("file://"))
    found = score(predictions=file, bench=bench, rules=rules, allow_missing=True)
    return found.headline.name, found.headline.value


@pytest.mark.parametrize("rules", ["strict", "vlmevalkit", "xtuner"])
def test_the_headline_is_that_of_vlmbench_score(rules: str) -> None:
    log = run_task("Shapes_DEV_EN", rules=rules, limit=40)
    assert headline(log) == scored(log, "Shapes_DEV_EN", rules)
    assert log.eval.task == "vlmbench/Shapes_DEV_EN"
    assert log.eval.task_args["rules"] == rules
    assert 0 < headline(log)[1] < 1


def test_a_question_goes_out_with_its_picture_in_our_words() -> None:
    seen: list[Any] = []
    log = run_task("Shapes_DEV_EN", seen, limit=4)
    benchmark = load_benchmark("Shapes_DEV_EN")
    samples = {s.id: s for s in benchmark.samples(open_data(benchmark, DataOptions()).rows)}
    parts = [[part.type for part in messages[0].content] for messages in seen]
    assert parts == [["image", "text"]] * len(log.samples)
    requests = [benchmark.request(samples[str(sample.id)], "vlmevalkit") for sample in log.samples]
    words = ["".join(part for part in request.parts if isinstance(part, str)) for request in requests]
    assert sorted(messages[0].text for messages in seen) == sorted(words)
    assert seen[0][0].content[0].image.startswith("data:image/png;base64,")
    assert log.plan.config.max_tokens == requests[0].decoding.max_new_tokens


def test_a_limit_takes_whole_groups() -> None:
    log = run_task("Shapes_DEV_EN", limit=4)
    groups = {sample.metadata["group"] for sample in log.samples}
    assert (len(groups), len(log.samples) > 4) == (4, True)
    assert headline(log)[1] * 4 in range(5)


def test_a_tsv_of_ones_own_is_a_task_too() -> None:
    Path("own.tsv").write_text("index\tquestion\tA\tB\tanswer\n0\tOne?\tx\ty\tA\n1\tTwo?\tx\ty\tB\n", "utf-8")
    log = run_task("benchmark", bench="own.tsv")
    assert [sample.target for sample in log.samples] == [["A"], ["B"]]
    assert headline(log) == scored(log, "own.tsv", "strict")


@pytest.mark.parametrize(
    ("bench", "arguments", "message"),
    [
        ("Shapes_DEV_EN", {"rules": "strikt"}, "Did you mean strict?"),
        ("Shapes_TEST_EN", {}, "withheld"),
        ("MMVet", {}, "judge"),
        ("MMBench_DEV_EN", {}, "vlmbench data get MMBench_DEV_EN"),
    ],
)
def test_what_cannot_be_run_says_why(bench: str, arguments: dict[str, Any], message: str) -> None:
    from inspect_ai._util.error import PrerequisiteError

    with pytest.raises(PrerequisiteError) as caught:
        run_task(bench, **arguments)
    assert message in str(caught.value.message)


def test_the_command_line_finds_a_benchmark_by_name() -> None:
    command = [
        "eval",
        "vlmbench/Shapes_DEV_EN",
        "--model",
        "ours/b",
        "-T",
        "rules=vlmevalkit",
        "-T",
        "limit=3",
    ]
    more = ["--display", "none", "--log-format", "json", "--log-dir", "logs"]
    done = subprocess.run(
        [sys.executable, "-c", PROVIDER, *command, *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = Path("logs").glob("*.json")
    log = json.loads(file.read_text("utf-8"))
    assert (log["status"], log["eval"]["task"]) == ("success", "vlmbench/Shapes_DEV_EN")
    assert log["eval"]["task_args"]["limit"] == 3
