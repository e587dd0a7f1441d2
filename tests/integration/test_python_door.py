"""`import vlmbench` from the outside: the same runs as the command line, as DataFrames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import vlmbench
from vlmbench.cli.main import main
from vlmbench.models.echo import load_echo
from vlmbench.store import read_responses

BENCH = "Shapes_DEV_EN"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def evaluate(model: Any = "echo:B", **more: Any) -> vlmbench.RunResult:
    return vlmbench.evaluate(model, BENCH, **({"limit": 5, "progress": False} | more))


def answers_in(folder: Path | None) -> dict[str, str]:
    assert folder is not None
    return {i: response.text for i, response in read_responses(folder).items()}


def test_evaluate_leaves_the_run_folder_of_the_command_line() -> None:
    run = evaluate()
    assert run.folder == Path("runs/echo_B/Shapes_DEV_EN")
    main(["run", "--model", "echo:B", "--bench", BENCH, "--limit", "5", "--out", "typed"])
    assert answers_in(run.folder) == answers_in(Path("typed"))
    ours, theirs = (json.loads((f / "results.json").read_text()) for f in (run.folder, Path("typed")))
    assert {**ours, "timing": None} == {**theirs, "timing": None}
    assert run.headline.name == "circular accuracy"
    assert run.headline.value == ours["headline"]["value"]
    assert run.complete
    assert run.partial


def test_the_command_line_continues_what_evaluate_began(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate("echo:B", limit=5)
    main(["run", "--model", "echo:B", "--bench", BENCH, "--limit", "8"])
    assert "of them done before" in capsys.readouterr().err
    sittings = json.loads(Path("runs/echo_B/Shapes_DEV_EN/run.json").read_text())["sittings"]
    assert sittings[0]["command"] == ["vlmbench.evaluate", "echo:B", BENCH]
    assert len(sittings) == 2


def test_evaluate_continues_what_the_command_line_began(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--model", "echo:B", "--bench", BENCH, "--limit", "5"])
    run = evaluate(limit=8, progress=True)
    assert "of them done before" in capsys.readouterr().err
    assert run.results["timing"]["kept_from_before"] > 0


def test_without_progress_nothing_is_written(
    llava: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evaluate()
    evaluate(str(llava), limit=1)
    vlmbench.score(predictions_of(evaluate()), BENCH, allow_missing=True, progress=False)
    vlmbench.convert(llava, tmp_path / "official", to="official")
    assert capfd.readouterr() == ("", "")


def test_another_prompt_in_the_same_folder_is_refused_with_what_changed() -> None:
    evaluate()
    with pytest.raises(vlmbench.SpecChanged, match="style was"):
        evaluate(prompt="llava")
    assert evaluate(prompt="llava", fresh=True).results["style"] == "llava"


def test_every_question_is_a_row_with_prompt_answer_scores_and_pictures() -> None:
    run = evaluate("echo:B")
    rows = run.samples()
    assert len(rows) == run.results["rows"]["asked"]
    first = rows.iloc[0]
    assert first["prompt"].startswith("<image>")
    assert first["question"] in first["prompt"]
    assert first["answer"] == first["extracted"] == "B"
    assert first["strict"] == float(first["references"] == ("B",))
    assert set(vlmbench.load_run(run.folder or "").metrics()["rules"]) <= set(rows.columns)
    (picture,) = run.pictures(first["index"])
    assert picture.size == (96, 96)
    assert run.picture(first["pictures"][0]).tobytes() == picture.tobytes()


def test_a_run_that_is_loaded_equals_the_run_that_was_made() -> None:
    run = evaluate("echo:B")
    again = vlmbench.load_run("runs/echo_B/Shapes_DEV_EN")
    pd.testing.assert_frame_equal(run.metrics(), again.metrics())
    pd.testing.assert_frame_equal(run.samples(), again.samples())
    assert again.card.name == BENCH
    assert repr(run) == repr(again)
    assert run._repr_html_() == again._repr_html_()


def test_several_benchmarks_give_a_list_each_in_its_folder() -> None:
    first, second = vlmbench.evaluate("echo:B", [BENCH, "Shapes_DEV_CN"], limit=2, out="both", progress=False)
    assert (first.folder, second.folder) == (Path("both/Shapes_DEV_EN"), Path("both/Shapes_DEV_CN"))


def test_a_table_without_code_is_a_benchmark_and_its_run_opens_again() -> None:
    rows = "index\tquestion\tanswer\n1\tIs it wet?\tYes\n2\tIs it dry?\tNo\n"
    Path("mine.tsv").write_text(rows, "utf-8")
    run = vlmbench.evaluate("echo:Yes", Path("mine.tsv"), progress=False)
    assert run.headline.value == 0.5
    assert vlmbench.load_run(run.folder or "").samples()["question"].tolist() == ["Is it wet?", "Is it dry?"]


def test_a_map_names_the_columns_of_a_dataset() -> None:
    Path("wet.jsonl").write_text(
        '{"ask": "Is it wet?", "gold": "Yes"}\n{"ask": "Is it dry?", "gold": "No"}\n'
    )
    Path("wet.yaml").write_text("question: ask\nanswer: gold\n")
    run = vlmbench.evaluate("echo:Yes", "wet.jsonl", mapping="wet.yaml", progress=False)
    assert run.headline.value == 0.5
    assert vlmbench.load_run(run.folder or "").samples()["question"].tolist() == ["Is it wet?", "Is it dry?"]


def test_a_function_is_a_model_and_what_it_raises_is_that_rows_error() -> None:
    def answer(messages: list[dict[str, Any]], images: list[Any]) -> Any:
        words = str(messages)
        if "circle" in words:
            raise LookupError("no circles today")
        return None if "square" in words else "A"

    run = evaluate(answer, limit=40, name="mine")
    rows = run.samples()
    assert run.folder == Path("runs/mine/Shapes_DEV_EN")
    assert not run.complete
    failed = rows[rows["error"].notna()]
    assert any("no circles today" in error for error in failed["error"])
    assert any("NoneType, not a str" in error for error in failed["error"])
    assert failed["strict"].isna().all()
    assert (rows[rows["error"].isna()]["answer"] == "A").all()


def test_an_object_of_the_protocol_is_a_model() -> None:
    run = evaluate(load_echo("echo:B"), name="own")
    assert run.model == "own"
    assert answers_in(run.folder) == answers_in(evaluate("echo:B").folder)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(vlmbench.ModelError, match="is not a model"):
        evaluate(7)
    with pytest.raises(vlmbench.UserError, match="no model named"):
        evaluate("ecko")


def test_an_unknown_benchmark_names_the_five_nearest() -> None:
    with pytest.raises(vlmbench.UnknownName) as refused:
        vlmbench.evaluate("echo", "MMBench_DEV_EM", progress=False)
    assert str(refused.value).count(" or ") == 4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"seed": -1}, "seed"),
        ({"rules": "strickt"}, "Did you mean strict"),
        ({"prompt": "lava"}, "Did you mean llava"),
        ({"decoding": "beam"}, "Known: greedy, model, published"),
        ({"judge_limit": 3}, "judge"),
    ],
)
def test_values_that_cannot_be_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(vlmbench.UserError, match=named):
        evaluate(**options)


def test_a_suite_is_named_in_a_list() -> None:
    with pytest.raises(vlmbench.UsageError, match="is a suite of"):
        vlmbench.evaluate("echo", "all-llava-table", progress=False)


def predictions_of(run: vlmbench.RunResult) -> pd.DataFrame:
    return run.samples()[["index", "answer"]].rename(columns={"answer": "prediction"})


@pytest.mark.parametrize("several", ["llava-internlm-table", ["Shapes_DEV_EN", "Shapes_DEV_CN"]])
def test_predictions_are_scored_for_one_benchmark_at_a_time(several: Any) -> None:
    with pytest.raises(vlmbench.UsageError, match="predictions answer one benchmark"):
        vlmbench.score("predictions.jsonl", several)


def test_a_frame_is_scored_as_the_same_rows_of_a_file() -> None:
    frame = predictions_of(evaluate("echo:B", limit=None))
    frame.to_csv("answers.csv", index=False)
    ours = vlmbench.score(frame, BENCH, name="mine")
    theirs = vlmbench.score("answers.csv", bench=BENCH)
    pd.testing.assert_frame_equal(ours.metrics(), theirs.metrics())
    assert (ours.model, theirs.model, ours.folder) == ("mine", "answers", None)
    for drop in (True, False):
        indexed = vlmbench.score(frame.set_index("index", drop=drop), BENCH)
        pd.testing.assert_frame_equal(indexed.metrics(), theirs.metrics())


def test_a_number_and_a_missing_value_are_cells_as_in_a_file() -> None:
    Path("sums.tsv").write_text("index\tquestion\tanswer\n1\t2+2?\t4\n2\t1+1?\t2\n", "utf-8")
    run = vlmbench.score(pd.DataFrame({"index": [1.0, 2.0], "prediction": [4, None]}), "sums.tsv")
    assert run.samples()["answer"].tolist() == ["4.0", ""]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (
            pd.DataFrame({"idx": [1], "said": ["<b>A"]}),
            r"`idx`, `said`. Its first row is {idx: 1, said: <b>A}",
        ),
        (pd.DataFrame({"index": [1], "prediction": [["A"]]}), "this is a list"),
        (pd.DataFrame({"index": [], "prediction": []}), "it has no rows"),
        ({"index": "A"}, "predictions are an object"),
    ],
)
def test_a_frame_that_is_no_table_of_predictions_is_refused(frame: Any, named: str) -> None:
    with pytest.raises(vlmbench.PredictionsError, match=named):
        vlmbench.score(frame, BENCH)


def test_a_folder_that_is_no_run_is_refused() -> None:
    Path("empty").mkdir()
    with pytest.raises(vlmbench.RunFolderError, match="not a run folder"):
        vlmbench.load_run("empty")
    with pytest.raises(vlmbench.RunFolderError, match="no such folder"):
        vlmbench.load_run("nowhere")


def test_compare_gives_differences_intervals_and_flips() -> None:
    right = evaluate("echo:B", limit=None)
    other = evaluate("echo:A", limit=None)
    found = vlmbench.compare(right, other)
    whole = found.differences().iloc[0]
    assert whole["difference"] == found.difference == other.headline.value - right.headline.value  # type: ignore[operator]
    assert (whole["low"], whole["high"]) == found.ci95
    assert found.verdict == "cannot be told apart"
    flips = vlmbench.compare(right, other, rules="strict").flips()
    assert len(flips) == 0
    assert {"first_answer", "second_answer", "change"} <= set(flips.columns)


def test_flips_hold_both_answers_and_html_escapes_them() -> None:
    Path("mine.tsv").write_text(
        "index\tquestion\tanswer\n1\tIs it wet?\tYes\n2\tIs it <i>dry</i>?\tNo\n", "utf-8"
    )
    hostile = "No <script>alert(1)</script>"
    base = vlmbench.evaluate("echo:Yes", "mine.tsv", out="a", progress=False)
    new = vlmbench.evaluate(
        lambda messages, images: hostile, "mine.tsv", out="b", name="<b>x", progress=False
    )
    found = vlmbench.compare("a", new)
    assert found.flips()["second_answer"].tolist() == [hostile] * 2
    for page in (found._repr_html_(), new._repr_html_(), base._repr_html_()):
        assert "<script" not in page
        assert "<i>" not in page
        assert "<b>x" not in page
    assert "&lt;script&gt;" in found._repr_html_()


def test_two_benchmarks_are_not_compared() -> None:
    chinese = vlmbench.evaluate("echo:B", "Shapes_DEV_CN", limit=5, progress=False)
    with pytest.raises(vlmbench.RunFolderError, match="cannot be compared"):
        vlmbench.compare(evaluate(), chinese)


def test_scored_predictions_are_compared_too() -> None:
    one = vlmbench.score(predictions_of(evaluate("echo:A", limit=None)), BENCH, name="a")
    two = vlmbench.score(predictions_of(evaluate("echo:B", limit=None)), BENCH, name="b")
    assert vlmbench.compare(one, two).verdict == "cannot be told apart"


def test_a_board_ranks_results_and_folders() -> None:
    one, two = evaluate("echo:A", limit=None), evaluate("echo:B", limit=None)
    board = vlmbench.leaderboard([one, Path("runs/echo_B")], out="site")
    assert board.page == Path("site/index.html")
    assert board.page.is_file()
    measured = board.figures().query("status == 'measured'")
    assert set(measured["model"]) == {one.model, two.model}
    assert "echo:A" in board._repr_html_()
    with pytest.raises(vlmbench.RunFolderError, match="without a run folder"):
        vlmbench.leaderboard([vlmbench.score(predictions_of(one), BENCH)])


def test_a_report_page_opens_every_figure() -> None:
    run = evaluate()
    assert run.report() == Path("runs/echo_B/Shapes_DEV_EN/report.html")
    assert run.report("page.html").stat().st_size > 10_000


@pytest.mark.slow
def test_a_checkpoint_is_converted_and_proven() -> None:
    folder = vlmbench.convert("demo", "out", to="official")
    assert folder == Path("out")
    assert (folder / "config.json").is_file()


def test_a_layout_that_nobody_writes_is_refused() -> None:
    with pytest.raises(vlmbench.UnknownName, match="layout"):
        vlmbench.convert("demo", "more", to="onnx")  # type: ignore[arg-type]
