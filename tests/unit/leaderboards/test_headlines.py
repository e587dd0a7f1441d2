"""A headline that is no mean of rows is what comparisons and boards test, by each picture's share in it."""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tiny_models import picture

from vlmbench.benchmarks.mme import PERCEPTION
from vlmbench.cli.main import main
from vlmbench.domain import Benchmark, Metric, Sample, Score
from vlmbench.leaderboards.board.bands import NO_MEAN
from vlmbench.leaderboards.compare.units import draws_of, shares
from vlmbench.registry import load_benchmark
from vlmbench.stats import clustered_difference

SPLITS = ("adversarial", "popular", "random")


def pope(number: int) -> Sample:
    return _sample(number, number // 6, category=SPLITS[number % 3])


def mme(number: int) -> Sample:
    return _sample(number, number // 2, category=PERCEPTION[number // 2 % len(PERCEPTION)])


def _sample(number: int, shown: int, category: str) -> Sample:
    return Sample(
        id=str(number),
        question="?",
        group=str(shown),
        images=(f"p{shown}",),
        references=(("Yes", "No")[number * 7919 % 11 % 2],),
        categories={"category": category},
    )


def answered(samples: Sequence[Sample], skill: float, seed: int) -> list[Score]:
    """Each picture is as hard for all of its questions."""
    chance, scores = random.Random(seed), []
    hard = {sample.group: chance.random() for sample in samples}
    for sample in samples:
        truth = sample.references[0]
        right = chance.random() < skill * (0.4 + 0.6 * hard[sample.group])
        said = truth if right else {"Yes": "No", "No": "Yes"}[truth]
        scores.append(
            Score(
                id=sample.id,
                group=sample.group,
                rules="strict",
                value=float(right),
                extracted=said,
                reason="x",
            )
        )
    return scores


@pytest.mark.parametrize(("name", "sample"), [("POPE", pope), ("MME", mme)])
def test_the_test_of_shares_is_the_test_of_headlines(name: str, sample: Callable[[int], Sample]) -> None:
    benchmark = load_benchmark(name)
    samples = [sample(number) for number in range(300)]
    runs = [answered(samples, skill, seed) for skill, seed in ((0.9, 1), (1.0, 2))]
    one, two = (headline(benchmark, samples, scores) for scores in runs)
    draws = draws_of((one, two))
    worth = [shares(metric, draws) for metric in (one, two)]
    assert [math.fsum(each) / len(draws) for each in worth] == pytest.approx([one.value, two.value])
    found = clustered_difference(*worth, draws)
    assert found.value == pytest.approx((two.value or 0) - (one.value or 0))
    assert found.stderr == pytest.approx(jackknife(benchmark, samples, runs), rel=0.1)


def headline(benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score]) -> Metric:
    return next(iter(benchmark.metrics(samples, scores, "strict")))


def jackknife(benchmark: Benchmark, samples: Sequence[Sample], runs: Sequence[Sequence[Score]]) -> float:
    """The error of the difference, from leaving out each picture in turn."""
    left = []
    pictures = dict.fromkeys(sample.images for sample in samples)
    for out in pictures:
        kept = [place for place, sample in enumerate(samples) if sample.images != out]
        one, two = (
            headline(benchmark, [samples[i] for i in kept], [scores[i] for i in kept]) for scores in runs
        )
        left.append((two.value or 0) - (one.value or 0))
    mean = math.fsum(left) / len(left)
    return math.sqrt((len(left) - 1) / len(left) * math.fsum((value - mean) ** 2 for value in left))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """POPE by a model that says yes to all, and by a careful one: more right answers, and a lower F1."""
    folder = tmp_path_factory.mktemp("pope")
    chance = random.Random(1)
    rows, careful = ["index\timage\tquestion\tanswer\tcategory"], []
    for number in range(300):
        png = base64.b64encode(picture(8, 8, number // 6)).decode()
        truth = chance.choice(("Yes", "No"))
        rows.append(f"{number}\t{png}\tIs it there?\t{truth}\t{SPLITS[number % 3]}")
        said = "Yes" if truth == "Yes" and chance.random() < 0.45 else "No"
        careful.append(json.dumps({"index": str(number), "prediction": said}))
    (folder / "data").mkdir()
    (folder / "data" / "POPE.tsv").write_text("\n".join(rows) + "\n")
    (folder / "careful.jsonl").write_text("\n".join(careful))
    for name, model in (("eager", "echo:Yes"), ("careful", f"echo:@{folder}/careful.jsonl")):
        flags = [
            "--data-dir",
            str(folder / "data"),
            "--accept-local-data",
            "--out",
            str(folder / "runs" / name),
        ]
        assert main(["run", "--model", model, "--bench", "POPE", *flags]) == 0
    return folder


@pytest.mark.parametrize("data", [True, False], ids=["with the file", "from the runs' own tables"])
def test_f1_is_compared_and_gated_as_f1(runs: Path, data: bool, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data-dir", str(runs / "data")] if data else []
    command = ["compare", str(runs / "runs/eager"), str(runs / "runs/careful"), *flags]
    assert main([*command, "--format", "json", "--gate", "1"]) == 3
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert found["measure"] == "mean F1 of the splits"
    assert found["first"]["value"] == pytest.approx(found["first"]["headline"])
    assert found["difference"]["value"] < 0 < found["by_row"]["difference"]["value"]
    assert main(command) == 0
    assert "points of mean F1 of the splits" in capsys.readouterr().out


def test_a_board_is_ordered_and_tested_by_f1(runs: Path, tmp_path: Path) -> None:
    board = built(runs / "runs", tmp_path / "out")
    places = {entry["name"]: entry["places"]["POPE"] for entry in board["measured"]}
    assert list(places) == ["echo:Yes", "echo:@careful.jsonl"]
    assert [place["ranks"] for place in places.values()] == [[1, 2], [1, 2]]
    assert places["echo:@careful.jsonl"]["p"] > 0.05


def test_without_what_moves_it_a_board_claims_no_places(runs: Path, tmp_path: Path) -> None:
    for name in ("eager", "careful"):
        kept = tmp_path / "runs" / name
        kept.mkdir(parents=True)
        for file in ("run.json", "results.json", "scores.jsonl"):
            (kept / file).write_bytes((runs / "runs" / name / file).read_bytes())
    board = built(tmp_path / "runs", tmp_path / "out")
    assert {entry["places"]["POPE"]["untested"] for entry in board["measured"]} == {NO_MEAN}


def built(runs: Path, out: Path) -> dict[str, list[dict[str, dict[str, dict[str, object]]]]]:
    assert main(["leaderboard", "build", "--runs", str(runs), "--out", str(out), "--no-published"]) == 0
    board: dict[str, list[dict[str, dict[str, dict[str, object]]]]] = json.loads(
        (out / "leaderboard.json").read_text("utf-8")
    )
    return board
