"""`--samples`: a run grows and shrinks by draws, survives a kill in the middle, and shows what came out."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vlmbench
from vlmbench.cli.main import main
from vlmbench.draws import draw_ids, draw_of

SAMPLED = ("--set-decoding", "temperature=0.7")
GROUPS, DRAWS = 6, 8


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight draws of every row: right in the first ones of a row, as many as its index says."""
    from vlmbench.api.run.benchmark_data import DataOptions, open_data
    from vlmbench.registry import load_benchmark

    benchmark = load_benchmark("Shapes_DEV_EN")
    table = open_data(benchmark, DataOptions()).table
    lines = []
    for sample in benchmark.samples(table.rows()):
        (right,) = sample.references
        wrong = next(letter for letter in sample.choices if letter != right)
        for number, own in enumerate(draw_ids(sample.id, DRAWS)):
            answer = right if number < int(sample.group) % (DRAWS + 1) else wrong
            lines.append(json.dumps({"index": own, "prediction": answer}))
    file = tmp_path_factory.mktemp("draws") / "answers.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    return file


def run(out: Path, model: object, samples: int, *more: str) -> int:
    flags = ("--limit", str(GROUPS), "--samples", str(samples), "--out", str(out))
    return main(["run", "--model", str(model), "--bench", "Shapes_DEV_EN", *flags, *SAMPLED, *more])


def responses(out: Path) -> dict[str, dict[str, Any]]:
    lines = map(json.loads, (out / "responses.jsonl").read_text("utf-8").splitlines())
    return {line["id"]: line for line in lines}


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text("utf-8"))
    return found


def test_a_run_grows_by_draws_and_keeps_its_answers(answers: Path, tmp_path: Path) -> None:
    assert run(tmp_path, f"echo:@{answers}", 1) == 0
    one = responses(tmp_path)
    locked = json.loads((tmp_path / "run.json").read_text("utf-8"))["facts"]
    assert "draws" not in results(tmp_path)
    assert run(tmp_path, f"echo:@{answers}", 4) == 0
    four = responses(tmp_path)
    assert list(four) == [own for name in one for own in draw_ids(name, 4)]
    assert {name: four[name] for name in one} == one
    assert results(tmp_path)["timing"] | {"seconds": 0, "rows_per_second": 0} == {
        "seconds": 0, "asked": 3 * len(one), "kept_from_before": len(one), "rows_per_second": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["facts"] == locked
    # A smaller number takes the first draws; the others stay for later.
    assert run(tmp_path, f"echo:@{answers}", 2) == 0
    assert responses(tmp_path) == four
    assert results(tmp_path)["timing"]["asked"] == 0
    assert results(tmp_path)["draws"] == {"number": 2, "asked": 2 * len(one), "answered": 2 * len(one)}
    assert len((tmp_path / "scores.jsonl").read_text("utf-8").splitlines()) == 6 * 2 * len(one)


def test_a_killed_run_is_taken_up_draw_by_draw(answers: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert run(whole, f"echo:@{answers}", 4) == 0
    name = next(name for name in list(responses(whole))[20:] if draw_of(name)[1] == 2)
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "vlmbench", "run", "--bench", "Shapes_DEV_EN", "--limit", str(GROUPS)]
    command += ["--model", f"echo:@{answers},!kill={name}", "--samples", "4", "--out", str(killed), *SAMPLED]
    assert subprocess.run(command, capture_output=True, check=False).returncode < 0
    kept = responses(killed)
    assert 0 < len(kept) < len(responses(whole))
    question = draw_of(name)[0]
    assert [own for own in draw_ids(question, 4) if own in kept] == draw_ids(question, 2)
    assert run(killed, f"echo:@{answers}", 4) == 0
    assert (killed / "responses.jsonl").read_bytes() == (whole / "responses.jsonl").read_bytes()
    assert (killed / "scores.jsonl").read_bytes() == (whole / "scores.jsonl").read_bytes()
    assert results(killed)["timing"]["kept_from_before"] == len(kept)


def test_a_failed_draw_leaves_its_question_out_and_the_run_incomplete(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, f"echo:@{answers}", 2) == 0
    name = draw_ids(next(iter(responses(tmp_path))), 3)[2]
    assert run(tmp_path, f"echo:@{answers},!raise={name}", 3) == 4
    found = results(tmp_path)
    assert (found["errors"], found["complete"], found["by_rules"]["strict"]["unscored"]["count"]) == (
        1,
        False,
        1,
    )
    assert found["draws"]["asked"] - found["draws"]["answered"] == 1
    assert "1 rows with errors, 0 not answered" in capsys.readouterr().err
    assert main(["status", str(tmp_path), "--format", "json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["done"], status["errors"]) == (found["draws"]["answered"], 1)
    assert status["total"] == found["draws"]["asked"]


def test_the_table_shows_what_only_several_draws_have(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, f"echo:@{answers}", DRAWS)
    text = capsys.readouterr().out
    assert f"{DRAWS} draws of each" in text
    assert "between draws of a question" in text
    for name in ("avg@8", "pass@1", "pass@2", "pass@4", "pass@8", "maj@8"):
        assert name in text


@pytest.mark.parametrize("flags", [(), ("--decoding", "greedy"), ("--set-decoding", "temperature=0")])
def test_greedy_decoding_is_refused_before_the_model_is_looked_for(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "--model", "nowhere/at-all", "--bench", "Shapes_DEV_EN", "--samples", "4", *flags]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 2
    assert "--set-decoding temperature=0.7" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_draws_at_all_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(tmp_path, "demo", 0) == 2
    assert "`0` is not a whole number from 1" in capsys.readouterr().err
    with pytest.raises(vlmbench.UserError, match="`0` is not a whole number from 1"):
        vlmbench.evaluate("demo", "Shapes_DEV_EN", samples=0)


def test_a_function_may_draw_by_itself(tmp_path: Path) -> None:
    said = iter("ABABBA" * 100)
    found = vlmbench.evaluate(
        lambda messages, images: next(said), "Shapes_DEV_EN", limit=3, samples=3, out=tmp_path, name="mine"
    )
    assert found.results["draws"]["number"] == 3
    assert set(found.metrics().query("level == 'draws'")["name"]) >= {"avg@3", "pass@2", "maj@3"}
    assert found.finished.draws == 3
    assert {len(answers) for answers in found.samples()["answers"]} == {3}
    values = found.samples()["strict"] * 3
    assert values.sub(values.round()).abs().max() < 1e-9
    read = vlmbench.load_run(tmp_path)
    assert read.samples()["strict"].tolist() == found.samples()["strict"].tolist()
    with pytest.raises(vlmbench.UserError, match="gives one answer"):
        vlmbench.evaluate("demo", "Shapes_DEV_EN", samples=3, out=tmp_path / "other")


def test_draws_in_responses_jsonl_are_scored_as_the_run_scored_them(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, f"echo:@{answers}", 4) == 0
    rows, groups = tmp_path / "rows.jsonl", tmp_path / "groups.jsonl"
    file = str(tmp_path / "responses.jsonl")
    asked = ["score", "--bench", "Shapes_DEV_EN", "--predictions", file, "--allow-missing"]
    capsys.readouterr()
    assert main([*asked, "--format", "json", "--rows", str(rows), "--groups", str(groups)]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["draws"]["number"] == 4
    by_name = [{m["name"]: m["value"] for m in one["metrics"]} for one in (found, results(tmp_path))]
    for name in ("circular accuracy", "row accuracy", "pass@2", "maj@4"):
        assert by_name[0][name] == by_name[1][name]
    assert {json.loads(line)["draw"] for line in groups.read_text("utf-8").splitlines()} == {0, 1, 2, 3}
    scores = map(json.loads, rows.read_text("utf-8").splitlines())
    assert {draw_of(line["id"])[1] for line in scores} == {0, 1, 2, 3}
    for flag in (("--published", "50.0"), ("--format", "vlmevalkit")):
        assert main([*asked, *flag]) == 2
        assert "predictions.xlsx" in capsys.readouterr().err


@pytest.fixture(scope="module")
def four_and_eight(answers: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run folders of one model with 4 and 8 draws, the second less often right."""
    four, eight = (tmp_path_factory.mktemp("runs") / name for name in ("four", "eight"))
    assert run(four, f"echo:@{answers}", 4) == 0
    assert run(eight, f"echo:@{answers}", 8) == 0
    return four, eight


def test_runs_with_different_numbers_of_draws_are_compared_by_their_means(
    four_and_eight: tuple[Path, Path],
) -> None:
    found = vlmbench.compare(*four_and_eight)
    first, second = (results(folder)["headline"]["value"] for folder in four_and_eight)
    assert found.difference == pytest.approx(second - first)
    assert found.comparison.difference.test == "clustered t"
    assert found.comparison.difference.n == GROUPS
    assert "draws of each question: 4 and 8; the mean over them is compared" in found.comparison.notes
    flips = found.flips()
    assert set(flips["first_answer"]) <= set("ABCD")
    assert (flips["first_extracted"] == flips["first_answer"]).all()
    same = vlmbench.compare(four_and_eight[1], four_and_eight[1])
    assert "the mean over 8 draws of each question is compared" in same.comparison.notes


def test_scores_that_do_not_give_the_mean_of_the_draws_are_refused(
    answers: Path, tmp_path: Path, four_and_eight: tuple[Path, Path]
) -> None:
    assert run(tmp_path, f"echo:@{answers}", 2) == 0
    file = tmp_path / "scores.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    changed = [{**line, "value": 0.0} if line["id"].endswith("#1") else line for line in lines]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in changed), "utf-8")
    with pytest.raises(vlmbench.UserError, match="disagree"):
        vlmbench.compare(tmp_path, four_and_eight[0])


def test_a_board_ranks_means_over_draws_and_shows_how_many(answers: Path, tmp_path: Path) -> None:
    for name, draws in (("one", 1), ("three", 3)):
        out = ["--samples", str(draws), "--name", name, "--out", str(tmp_path / name / "Shapes_DEV_EN")]
        assert main(["run", "--model", f"echo:@{answers}", "--bench", "Shapes_DEV_EN", *SAMPLED, *out]) == 0
    board = tmp_path / "board"
    assert main(["leaderboard", "build", "--runs", str(tmp_path), "--out", str(board), "--no-published"]) == 0
    with (board / "leaderboard.csv").open(encoding="utf-8", newline="") as lines:
        found = {row["model"]: row for row in csv.DictReader(lines) if row["status"] == "measured"}
    assert found["three"]["decoding"].endswith("mean of 3 draws")
    assert "draws" not in found["one"]["decoding"]
    assert found["three"]["band"]


@pytest.mark.parametrize("form", ["inspect", "every-eval-ever"])
def test_exports_have_every_draw(form: str, four_and_eight: tuple[Path, Path], tmp_path: Path) -> None:
    from vlmbench.report.exports.every_eval_ever import every_eval_ever
    from vlmbench.report.exports.facts import setup_line
    from vlmbench.report.exports.inspect_ai import inspect_log
    from vlmbench.report.runs import open_run

    four = open_run(four_and_eight[0])
    rows = results(four_and_eight[0])["rows"]["asked"]
    assert "mean of 4 draws" in setup_line(four)
    if form == "inspect":
        log = inspect_log(four)
        assert log["eval"]["config"]["epochs"] == 4
        assert {(s["id"], s["epoch"]) for s in log["samples"]} == {
            (name, epoch) for name in log["eval"]["dataset"]["sample_ids"] for epoch in (1, 2, 3, 4)
        }
        assert log["results"]["total_samples"] == 4 * rows
    else:
        (lines,) = (text for path, text in every_eval_ever(four).items() if path.suffix == ".jsonl")
        assert len({json.loads(line)["sample_id"] for line in lines.splitlines()}) == 4 * rows
