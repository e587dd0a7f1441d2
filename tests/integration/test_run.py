"""`vlmbench run` from the outside, with the echo model: resumes, refuses, survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main
from vlmbench.data.locate import require_file
from vlmbench.data.table import open_table
from vlmbench.domain import RULE_SETS
from vlmbench.registry import load_benchmark
from vlmbench.store import read_responses

BENCH = ["--bench", "Shapes_DEV_EN"]


def run(out: Path, *more: str, model: str = "echo:B") -> int:
    return main(["run", "--model", model, *BENCH, "--out", str(out), *more])


def results(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "results.json").read_text("utf-8"))
    return document


def finished_files(out: Path) -> dict[str, bytes]:
    """The files two equal runs share, without what a clock wrote."""
    answers = [json.loads(line) | {"seconds": None} for line in lines(out)]
    names = ("scores.jsonl", "predictions.xlsx", "mmbench_result.xlsx")
    return {name: (out / name).read_bytes() for name in names} | {"answers": json.dumps(answers).encode()}


def right_answers() -> dict[str, str]:
    """Every row of Shapes_DEV_EN with its reference."""
    benchmark = load_benchmark("Shapes_DEV_EN")
    table = open_table(require_file(benchmark.card.file))
    return {s.id: s.references[0] for s in benchmark.samples(table.rows())}


def lines(out: Path) -> list[str]:
    return (out / "responses.jsonl").read_text("utf-8").splitlines()


def test_a_run_leaves_every_file_and_a_score_under_every_rule_set(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    assert {p.name for p in tmp_path.iterdir()} >= {
        "run.json", "responses.jsonl", "scores.jsonl", "results.json",
        "predictions.xlsx", "mmbench_result.xlsx",
    }  # fmt: skip
    document = results(tmp_path)
    assert document["complete"] is True
    assert set(document["by_rules"]) == set(RULE_SETS)
    assert document["headline"]["name"] == "circular accuracy"
    # One letter for every rotation is right at most once a group.
    assert document["headline"]["value"] == 0.0


def test_the_table_shows_score_interval_groups_and_rule_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--limit", "10")
    shown = capsys.readouterr().out
    assert all(
        word in shown for word in ("circular accuracy", "95 %", "partial", "vlmevalkit-2024", "xtuner")
    )


def test_limit_takes_whole_groups_and_marks_the_run_partial(tmp_path: Path) -> None:
    assert run(tmp_path, "--limit", "7") == 0
    document = results(tmp_path)
    assert document["headline"]["n"] == 7
    assert document["partial"] is True


def test_a_growing_limit_keeps_every_answer(tmp_path: Path) -> None:
    run(tmp_path, "--limit", "5")
    before = set(read_responses(tmp_path))
    run(tmp_path)
    document = results(tmp_path)
    assert document["timing"]["kept_from_before"] == len(before)
    assert document["partial"] is False


def test_rerunning_asks_nothing_again(tmp_path: Path) -> None:
    run(tmp_path)
    first = finished_files(tmp_path)
    (tmp_path / "pictures.jsonl").unlink()  # so that it is not taken for finished
    assert run(tmp_path) == 0
    assert results(tmp_path)["timing"]["asked"] == 0
    assert finished_files(tmp_path) == first


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--prompt", "xtuner"], "style"),
        (["--max-new-tokens", "7"], "max_new_tokens"),
        (["--blind"], "blind"),
    ],
)
def test_a_changed_setting_is_refused_by_name(
    tmp_path: Path, change: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--limit", "2")
    assert run(tmp_path, "--limit", "2", *change) == 1
    error = capsys.readouterr().err
    assert named in error
    assert "--fresh" in error


def test_a_changed_prompt_style_is_refused_with_the_flag_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    assert run(tmp_path, "--prompt", "qwen2-vl") == 1
    assert "`--prompt vlmevalkit` to go on with them" in capsys.readouterr().err


def test_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "--limit", "2")
    assert run(tmp_path, "--limit", "2", model="echo:C") == 1
    assert "model" in capsys.readouterr().err


def test_one_failing_sample_is_an_error_and_not_a_wrong_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "whole", "--limit", "4")
    victim = next(iter(read_responses(tmp_path / "whole")))
    assert run(tmp_path / "hurt", "--limit", "4", model=f"echo:B,!raise={victim}") == 4
    document = results(tmp_path / "hurt")
    assert document["errors"] == 1
    assert document["complete"] is False
    assert document["headline"]["n"] == 3
    assert "incomplete" in capsys.readouterr().err


def test_withheld_answers_end_in_a_submission_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", "echo:B", "--bench", "Shapes_TEST_EN", "--out", str(tmp_path)]) == 0
    assert "withheld" in capsys.readouterr().out
    assert results(tmp_path)["headline"]["value"] is None
    submission = str(tmp_path / "mmbench_result.xlsx")
    assert main(["check-submission", submission, "--bench", "Shapes_TEST_EN"]) == 0


def test_an_export_equals_the_run_s_own_file(tmp_path: Path) -> None:
    run(tmp_path)
    again = tmp_path / "again.xlsx"
    assert main(["export", str(tmp_path), "--out", str(again)]) == 0
    assert again.read_bytes() == (tmp_path / "mmbench_result.xlsx").read_bytes()


def test_scoring_a_run_s_predictions_gives_the_run_s_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, model="echo")
    capsys.readouterr()
    predictions = str(tmp_path / "predictions.xlsx")
    assert main(["score", *BENCH, "--predictions", predictions, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_rules"] == results(tmp_path)["by_rules"]


def test_a_missing_rotation_is_forgiven_by_the_compatible_sets_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = right_answers()
    rotated = next(i for i in answers if int(i) >= 1_000_000)
    predictions = tmp_path / "predictions.jsonl"
    said = ({"index": i, "prediction": letter} for i, letter in answers.items() if i != rotated)
    predictions.write_text("".join(json.dumps(line) + "\n" for line in said), "utf-8")
    command = ["score", *BENCH, "--predictions", str(predictions), "--format", "json", "--allow-missing"]
    assert main(command) == 4
    by_rules = json.loads(capsys.readouterr().out)["by_rules"]
    whole = len({int(i) % 1_000_000 for i in answers})
    assert by_rules["strict"]["headline"]["n"] == whole - 1
    for rules in ("vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner"):
        headline = by_rules[rules]["headline"]
        assert (headline["value"], headline["n"]) == (1.0, whole)


def test_several_benchmarks_load_the_model_once_and_fail_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMUData", str(tmp_path))
    (tmp_path / "CCBench.tsv").write_text("index\tquestion\n")  # with another checksum
    code = main(
        ["run", "--model", "echo", "--bench", "CCBench", "Shapes_DEV_EN", "--out", str(tmp_path / "runs")]
    )
    assert code == 1
    assert "CCBench" in capsys.readouterr().err
    assert results(tmp_path / "runs" / "Shapes_DEV_EN")["complete"] is True


def start(out: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "vlmbench",
        "run",
        "--model",
        "echo:B,!sleep=0.02",
        *BENCH,
        "--out",
        str(out),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_answers(out: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (out / "responses.jsonl").exists() and len(lines(out)) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("no answers came")


@pytest.mark.parametrize(
    ("blow", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)]
)
def test_a_stopped_run_continues_to_the_same_files(tmp_path: Path, blow: signal.Signals, code: int) -> None:
    out = tmp_path / "stopped"
    with start(out) as process:
        wait_for_answers(out, 5)
        os.kill(process.pid, blow)
        process.communicate()
    assert process.returncode == code
    kept = len(lines(out))
    assert kept >= 5
    assert run(out, model="echo:B") == 0
    assert results(out)["timing"]["kept_from_before"] >= kept - 1
    run(tmp_path / "whole")
    assert finished_files(out) == finished_files(tmp_path / "whole")


def test_a_second_process_on_the_folder_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(tmp_path) as process:
        wait_for_answers(tmp_path, 1)
        assert run(tmp_path) == 1
        assert f"process {process.pid} is working" in capsys.readouterr().err
        process.kill()
        process.communicate()


def test_progress_goes_to_stderr_and_the_table_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--limit", "3", "--format", "json")
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert "rows/s" in captured.err


def test_an_answer_too_long_for_excel_is_said_and_kept_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = right_answers()
    answers = tmp_path / "answers.jsonl"
    long = {"index": next(iter(rows)), "prediction": "B" * 40_000}
    rest = ({"index": i, "prediction": "B"} for i in list(rows)[1:])
    answers.write_text("".join(json.dumps(line) + "\n" for line in (long, *rest)), "utf-8")
    assert run(tmp_path / "run", model=f"echo:@{answers}") == 0
    assert "1 cells are longer than Excel allows" in capsys.readouterr().err
    assert len(read_responses(tmp_path / "run")[long["index"]].text) == 40_000


def test_the_report_of_a_run_says_when_the_file_of_its_style_is_gone(tmp_path: Path) -> None:
    from vlmbench.report.page.questions import prompts_of
    from vlmbench.report.runs import open_run

    style = tmp_path / "mine.yaml"
    style.write_text("extends: llava\nsystem: Be brief.\n", "utf-8")
    assert run(tmp_path / "run", "--prompt", str(style)) == 0
    prompts = prompts_of(open_run(tmp_path / "run"))
    assert prompts.note is None
    assert all(text.startswith("[system] Be brief.\n<image>\n") for text in prompts.texts.values())
    style.unlink()
    assert prompts_of(open_run(tmp_path / "run")).note == "other wording"


def test_a_family_s_own_style_is_the_default_and_named_once(
    tmp_path: Path, tiny_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--limit", "1", "--device", "cpu", "--max-new-tokens", "2"]
    names = ["Shapes_DEV_EN", "Shapes_DEV_CN"]
    assert (
        main(
            ["run", "--model", str(tiny_model("qwen2_vl")), "--bench", *names, "--out", str(tmp_path), *more]
        )
        == 0
    )
    assert capsys.readouterr().err.count("prompt style qwen2-vl (Qwen2-VL, ") == 1
    assert results(tmp_path / names[1])["style"] == "qwen2-vl"
