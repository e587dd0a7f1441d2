"""The product's own road from file to table equals the original toolkit's tables, exactly."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from golden_cases import CHOICE_CASES, SCORING, read_json, read_lines

from vlmbench.cli.main import main
from vlmbench.data.table import open_table
from vlmbench.domain import ImageRef, Request, Response, RuleSet, Sample
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark

CASES = CHOICE_CASES
GENERATIONS: dict[RuleSet, str | None] = {
    "vlmevalkit": None,
    "vlmevalkit-2025-08": "2025-08",
    "vlmevalkit-2024": "2024",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("home")
    return functools.cache(lambda case: open_table(SCORING / case / "data.tsv", home=home))


def answers_of(case: str) -> dict[str, Response]:
    lines = read_lines(SCORING / case / "predictions.jsonl")
    texts = {str(line["index"]): line["prediction"] for line in lines}
    return {i: Response(id=i, text="None" if t is None else t, finish="stop") for i, t in texts.items()}


def expected_records(case: str, generation: str | None) -> list[dict[str, Any]]:
    expected = read_json(SCORING / case / "expected.json")
    part = expected if generation is None else expected["older_matching_rules"][generation]
    records: list[dict[str, Any]] = part["metrics"]["records"]
    return records


@pytest.mark.parametrize("case", CASES)
def test_tables_equal_vlmevalkit_in_every_generation(case: str, tables: Any) -> None:
    benchmark: Any = load_benchmark(CASES[case])
    samples = tuple(benchmark.samples(tables(case).rows()))
    scores, _ = score_under_all(benchmark, samples, answers_of(case))
    for rules, generation in GENERATIONS.items():
        records = benchmark.vlmevalkit_records(samples, scores, rules)["records"]
        assert records == expected_records(case, generation)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rules", GENERATIONS)
def test_score_prints_that_toolkits_table(
    case: str, rules: RuleSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        "--data",
        str(SCORING / case / "data.tsv"),
        "--predictions",
        str(SCORING / case / "predictions.jsonl"),
    ]
    code = main(["score", "--bench", CASES[case], *files, "--rules", rules, "--format", "vlmevalkit"])
    assert code == 0
    assert json.loads(capsys.readouterr().out)["records"] == expected_records(case, GENERATIONS[rules])


@pytest.mark.parametrize("case", CASES)
def test_prompts_equal_the_default_and_both_wrappers(case: str, tables: Any) -> None:
    benchmark = load_benchmark(CASES[case])
    from vlmbench.answers.toolkits import samples_as_read

    samples = {s.id: s for s in samples_as_read(list(benchmark.samples(tables(case).rows())), "vlmevalkit")}
    prompts = read_json(SCORING / case / "expected.json")["prompts"]
    assert prompts
    for expected in prompts:
        sample = samples[str(expected["index"])]
        assert shape_of(benchmark.request(sample, "vlmevalkit"), sample) == parts_of(expected["default"])
        assert shape_of(benchmark.request(sample, "llava"), sample) == parts_of(expected["llava"])
        # That wrapper sends one text after the first picture, whatever its message says.
        first = [(0, "image"), *[p for p in parts_of(expected["llava_xtuner"]) if p[1] != "image"]]
        assert shape_of(benchmark.request(sample, "llava-xtuner"), sample) == first


def shape_of(request: Request, sample: Sample) -> list[tuple[int | str, str]]:
    """Pictures as their place in the row, texts as they are."""
    return [
        (sample.images.index(p.digest), "image") if isinstance(p, ImageRef) else (p, "text")
        for p in request.parts
    ]


def parts_of(message: list[Mapping[str, str]]) -> list[tuple[int | str, str]]:
    """The same of a golden message, whose pictures are named `7_2.jpg`, or `7.png` where there is one."""
    return [
        (place_of(part["value"]), "image") if part["type"] == "image" else (part["value"], "text")
        for part in message
    ]


def place_of(name: str) -> int:
    stem = Path(name).stem
    return int(stem.rsplit("_", 1)[1]) - 1 if "_" in stem else 0
