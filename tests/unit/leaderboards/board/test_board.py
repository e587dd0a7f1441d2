"""The leaderboard: bands by paired tests, what stands apart, what is refused, equal bytes for equal input."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from board_runs import skilled, write_run
from repository import TESTS

from vlmbench.api.board import find_runs
from vlmbench.cli.leaderboard.reports import page_name
from vlmbench.cli.main import main
from vlmbench.domain import Sample
from vlmbench.finished import Questions
from vlmbench.leaderboards.board.bands import bands
from vlmbench.leaderboards.board.build import ALONE, _clusters
from vlmbench.leaderboards.board.names import billions_in, family_of, languages_of, suite_of
from vlmbench.leaderboards.board.page import FOLDER, SCRIPTS
from vlmbench.leaderboards.board.scores import Units

HOSTILE = "</script><script>alert(1)</script>\u202e=cmd()|x"


def build(runs: Path, out: Path, *more: str) -> dict[str, Any]:
    assert main(["leaderboard", "build", "--runs", str(runs), "--out", str(out), *more]) == 0
    board: dict[str, Any] = json.loads((out / "leaderboard.json").read_text("utf-8"))
    return board


def places(board: dict[str, Any], column: str = "Bench_DEV_EN") -> dict[str, tuple[Any, ...]]:
    cells = {
        entry["name"]: entry["places"][column] for entry in board["measured"] if column in entry["places"]
    }
    return {name: (cell["band"], tuple(cell["ranks"] or ())) for name, cell in cells.items()}


def test_models_that_tests_cannot_tell_apart_share_a_band_and_its_places(tmp_path: Path) -> None:
    for name, skill in {"best": 50, "close": 48, "far": 20, "near-far": 19}.items():
        write_run(tmp_path / "runs" / name, name, skilled(skill))
    found = places(build(tmp_path / "runs", tmp_path / "out"))
    assert found == {"best": (1, (1, 2)), "close": (1, (1, 2)), "far": (2, (3, 4)), "near-far": (2, (3, 4))}


def test_equal_input_gives_equal_bytes_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_run(tmp_path / "runs" / name, name, skilled(30))
    shutil.copytree(tmp_path / "runs", tmp_path / "elsewhere" / "runs")
    build(tmp_path / "runs", tmp_path / "one")
    build(tmp_path / "elsewhere" / "runs", tmp_path / "two")
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == [
        "badge.json",
        "badge.svg",
        "index.html",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.md",
    ]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("why", "results", "facts"),
    [
        ("blind", {"blind": True}, {}),
        ("partial", {"partial": True, "limit": 60}, {}),
        ("incomplete", {"complete": False, "errors": 3}, {}),
        ("withheld", {"withheld": True}, {}),
        ("judge", {"needs_judge": True}, {}),
        ("rules", {"by_rules": {}}, {}),
        ("unlocked", {}, {"dataset": None}),
        ("dataset", {}, {"dataset": {"md5": "d2", "with pictures": "d2"}}),
    ],
)
def test_what_is_no_equal_stands_apart_with_the_reason(
    tmp_path: Path, why: str, results: dict[str, Any], facts: dict[str, Any]
) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    write_run(tmp_path / "runs" / "two", "two", skilled(31))
    write_run(tmp_path / "runs" / "odd", "odd", skilled(60), facts=facts, **results)
    board = build(tmp_path / "runs", tmp_path / "out")
    assert sorted(places(board)) == ["one", "two"]
    assert [(apart["model"], apart["why"]) for apart in board["apart"]] == [("odd", why)]


def test_another_wording_is_another_column(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    write_run(tmp_path / "runs" / "two", "two", skilled(50), facts={"prompts": "p2"}, style="plain")
    board = build(tmp_path / "runs", tmp_path / "out")
    assert [column["key"] for column in board["columns"]] == [
        "Bench_DEV_EN · llava p1",
        "Bench_DEV_EN · plain p2",
    ]
    assert all(len(entry["places"]) == 1 for entry in board["measured"])


def test_a_run_alone_in_its_wording_has_a_figure_and_no_place(tmp_path: Path) -> None:
    other = {"prompts": "p0"}
    write_run(tmp_path / "runs" / "served", "llava", skilled(0), facts=other, style="vlmevalkit")
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    write_run(tmp_path / "runs" / "llava", "llava", skilled(50))
    board = build(tmp_path / "runs", tmp_path / "out")
    several, alone = "Bench_DEV_EN · llava p1", "Bench_DEV_EN · vlmevalkit p0"
    assert [column["key"] for column in board["columns"]] == [several, alone]
    assert places(board, several) == {"llava": (1, (1, 1)), "one": (2, (2, 2))}
    assert places(board, alone) == {"llava": (None, ())}
    assert [e["places"][alone]["untested"] for e in board["measured"] if alone in e["places"]] == [ALONE]
    assert " untested |" in (tmp_path / "out" / "leaderboard.md").read_text("utf-8")
    # A benchmark asked in one wording only is as it was: one run alone leads.
    assert places(build(tmp_path / "runs" / "one", tmp_path / "alone")) == {"one": (1, (1, 1))}


def test_a_copy_counts_once_and_two_runs_that_differ_not_at_all(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_run(tmp_path / "runs" / folder, "same", skilled(30))
    for folder, skill in {"c": 20, "d": 40}.items():
        write_run(tmp_path / "runs" / folder, "twice", skilled(skill))
    board = build(tmp_path / "runs", tmp_path / "out")
    assert list(places(board)) == ["same"]
    found = [(apart["folder"], apart["why"], apart["detail"]) for apart in board["apart"]]
    assert found == [("b", "copy", "a"), ("c", "twice", ""), ("d", "twice", "")]


def test_folders_whose_names_look_alike_are_both_on_the_board(tmp_path: Path) -> None:
    names = ["x" * 120 + "/" + "y" * 120 + end for end in "ab"] + ["odd\u200b", "odd\u200e", "odd�"]
    for number, name in enumerate(names):
        write_run(tmp_path / "runs" / name, f"model-{number}", skilled(30))
    board = build(tmp_path / "runs", tmp_path / "out")
    folders = [place["folder"] for entry in board["measured"] for place in entry["places"].values()]
    assert len(folders) == len(set(folders)) == len(names)
    assert {"odd�", "odd�-2", "odd�-3"} < set(folders)


def test_roots_of_one_name_lose_no_run(tmp_path: Path) -> None:
    roots = [tmp_path / "1" / "a", tmp_path / "2" / "a", tmp_path / "3" / "a-2"]
    for number, root in enumerate(roots):
        write_run(root / "run", f"model-{number}", skilled(30))
    assert len(find_runs(roots)) == 3


def test_of_equal_runs_the_one_with_sound_scores_counts(tmp_path: Path) -> None:
    damaged = write_run(tmp_path / "runs" / "a", "same", skilled(30))
    (damaged / "scores.jsonl").write_text("torn")
    write_run(tmp_path / "runs" / "b", "same", skilled(30), scores=False)
    write_run(tmp_path / "runs" / "c", "same", skilled(30))
    board = build(tmp_path / "runs", tmp_path / "out")
    assert board["measured"][0]["places"]["Bench_DEV_EN"]["folder"] == "c"
    assert places(board) == {"same": (1, (1, 1))}
    assert [(apart["folder"], apart["detail"]) for apart in board["apart"]] == [("a", "c"), ("b", "c")]


@pytest.mark.parametrize("name", ["run.json", "results.json", "scores.jsonl"])
def test_a_pipe_where_a_file_should_be_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    write_run(tmp_path / "runs" / "good", "good", skilled(30))
    bad = write_run(tmp_path / "runs" / "bad", "bad", skilled(40))
    (bad / name).unlink()
    os.mkfifo(bad / name)
    (refused,) = build(tmp_path / "runs", tmp_path / "out")["refused"]
    assert refused == {"folder": "bad", "reason": f"{name}: this is a pipe, not a regular file."}


def test_two_models_of_one_name_are_told_apart_by_their_files(tmp_path: Path) -> None:
    for files in ("x", "y"):
        write_run(tmp_path / "runs" / files, "demo", skilled(30), facts={"model": {"files": files}})
    names = list(places(build(tmp_path / "runs", tmp_path / "out")))
    assert len(set(names)) == 2
    assert all(name.startswith("demo · ") for name in names)


def test_a_run_without_scores_is_shown_without_a_band(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    write_run(tmp_path / "runs" / "two", "two", skilled(31), scores=False)
    board = build(tmp_path / "runs", tmp_path / "out")
    assert places(board) == {"one": (1, (1, 2)), "two": (None, ())}  # two may be better, or worse


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "results.json").write_text("{"), "cannot be read as JSON"),
        (lambda run: (run / "results.json").write_text('{"schema_version": 99}'), "newer version"),
        (lambda run: (run / "results.json").unlink(), "not finished"),
        (lambda run: (run / "run.json").write_text("[" * 9999), "run.json"),
        (lambda run: (run / "run.json").unlink(), ""),
        (lambda run: (run / "scores.jsonl").write_text('"rules": "strict"\n'), "not a score"),
        (lambda run: (run / "scores.jsonl").write_bytes(b"\xff\x00\n"), "0 rows"),
    ],
)
def test_damaged_folders_are_refused_by_name_and_the_rest_is_built(
    tmp_path: Path, damage: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "runs" / "good", "good", skilled(30))
    damage(write_run(tmp_path / "runs" / "bad", "bad", skilled(40)))
    board = build(tmp_path / "runs", tmp_path / "out")
    assert list(places(board)) == ["good"]
    (refused,) = board["refused"]
    assert refused["folder"] == "bad"
    assert said in refused["reason"]
    assert str(tmp_path) not in json.dumps(board)
    assert "bad is refused" in capsys.readouterr().err


def test_scores_of_another_run_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "good", "good", skilled(30))
    bad = write_run(tmp_path / "runs" / "bad", "bad", skilled(40))
    shutil.copy(tmp_path / "runs" / "good" / "scores.jsonl", bad)
    (refused,) = build(tmp_path / "runs", tmp_path / "out")["refused"]
    assert "disagree" in refused["reason"]


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    names = [HOSTILE, "x" * 1_000_000, "\x00\ud800", "=cmd|' /C calc'!A0", "<!--"]
    for number, name in enumerate(names):
        write_run(tmp_path / "runs" / str(number), name, skilled(30), benchmark="<b>_EN")
    build(tmp_path / "runs", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count("<script") == page.count("</script") == 3
    assert "alert(1)</script>" not in page
    assert "<!--" not in page
    assert len(page) < 120_000
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out" / "leaderboard.csv").read_text("utf-8"))))
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.values())
    markdown = (tmp_path / "out" / "leaderboard.md").read_text("utf-8")
    assert "<script" not in markdown
    assert "\u202e" not in page + markdown


def test_only_the_pages_own_script_and_style_may_run(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    build(tmp_path / "runs", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page.split("</head>")[0].split("<style>")[0]
    assert not any(mark in page for mark in ("{{", "<link", "src=", "@import", "url("))


def test_every_script_of_the_page_is_in_it() -> None:
    assert sorted(SCRIPTS) == sorted(file.name for file in FOLDER.glob("*.js"))


def test_the_badge_says_the_best_or_that_it_is_shared(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one & <only>", skilled(50))
    build(tmp_path / "runs", tmp_path / "out")
    badge = json.loads((tmp_path / "out" / "badge.json").read_text("utf-8"))
    assert badge == {
        "schemaVersion": 1,
        "label": "Bench_DEV_EN",
        "message": "one & <only> 83.3 %",
        "color": "0b6e99",
    }
    assert "one &amp; &lt;only&gt; 83.3 %" in (tmp_path / "out" / "badge.svg").read_text("utf-8")
    write_run(tmp_path / "runs" / "two", "two", skilled(49))
    build(tmp_path / "runs", tmp_path / "out")
    assert "(tied: 2)" in (tmp_path / "out" / "badge.json").read_text("utf-8")


def test_quoted_figures_are_never_among_the_measured(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "LLaVA-v1.5-7B", skilled(30), benchmark="MMBench_DEV_EN")
    board = build(tmp_path / "runs", tmp_path / "out")
    assert [entry["name"] for entry in board["measured"]] == ["LLaVA-v1.5-7B"]
    assert board["quoted"]
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out" / "leaderboard.csv").read_text("utf-8"))))
    assert {line["status"] for line in lines} == {"measured", "quoted"}
    assert all(bool(line["source"]) == (line["status"] == "quoted") for line in lines)
    assert build(tmp_path / "runs", tmp_path / "out", "--no-published")["quoted"] == []


def test_a_folder_without_runs_is_the_users_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "build", "--runs", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "no run folder in it" in capsys.readouterr().err
    assert main(["leaderboard", "build", "--runs", str(tmp_path / "no"), "--out", str(tmp_path / "o")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_committed_runs_give_a_page(tmp_path: Path) -> None:
    board = build(TESTS / "committed_runs", tmp_path / "out")
    assert board["refused"] == []
    assert places(board, "Shapes_DEV_EN") == {"demo": (1, (1, 1)), "echo": (2, (2, 2))}
    assert sorted(apart["why"] for apart in board["apart"]) == ["blind", "blind", "partial"]


def test_rows_with_partial_credit_are_tested_by_cluster() -> None:
    keys = tuple(f"{i:02}" for i in range(40))
    good, bad = (Units(keys, tuple(0.9 - x - i % 3 / 10 for i in range(40)), keys, None) for x in (0.0, 0.5))
    found = bands({"good": 0.8, "bad": 0.3}, {"good": good, "bad": bad})
    assert {name: standing.band for name, standing in found.items()} == {"good": 1, "bad": 2}


@pytest.mark.parametrize(
    ("name", "family", "billions"),
    [
        ("LLaVA-v1.5-7B", "LLaVA", 7.0),
        ("siglip-internlm2-1_8b-v1", "InternLM", 1.8),
        ("org/SmolVLM-500M-Instruct", "SmolVLM", 0.5),
        ("demo", "demo", None),
        ("r2d2", "r", None),
        ("\u202e", "?", None),
    ],
)
def test_family_and_size_are_read_off_the_name(name: str, family: str, billions: float | None) -> None:
    assert (family_of(name), billions_in(name)) == (family, billions)


def test_benchmark_names_tell_suite_and_language() -> None:
    assert suite_of("MMBench_DEV_CN") == ("MMBench", "DEV CN")
    assert suite_of("CCBench") == ("CCBench", "CCBench")
    assert [languages_of(name) for name in ("MMBench_DEV_CN", "CCBench", "MME")] == [
        ("zh",),
        ("zh",),
        ("en",),
    ]


def test_without_the_flag_only_pages_below_the_board_are_linked(tmp_path: Path) -> None:
    inside = write_run(tmp_path / "site" / "runs" / "it's #1", "inside", skilled(30))
    outside = write_run(tmp_path / "elsewhere" / "two", "outside", skilled(20))
    for run in (inside, outside):
        (run / "report.html").write_text("a page")
    out = tmp_path / "site"
    board = build(out / "runs", out, "--runs", str(out / "runs"), str(tmp_path / "elsewhere"))
    assert board["reports"] == {"runs/it's #1": "runs/it%27s%20%231/report.html"}


def test_a_run_kept_without_answers_opens_into_those_of_its_copy(tmp_path: Path) -> None:
    for folder in ("committed", "fresh"):
        write_run(tmp_path / folder, "same", skilled(30))
    (tmp_path / "fresh" / "report.html").write_text("a page")
    board = build(tmp_path, tmp_path)
    assert board["measured"][0]["places"]["Bench_DEV_EN"]["folder"] == "committed"
    assert board["reports"] == dict.fromkeys(("committed", "fresh"), "fresh/report.html")


def test_a_run_without_answers_gets_no_report_page(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    assert build(tmp_path / "runs", tmp_path / "out", "--reports")["reports"] == {}
    assert not (tmp_path / "out" / "reports").exists()


def test_pages_of_runs_that_left_the_board_are_removed_and_no_other_file_is(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    pages = tmp_path / "out" / "reports"
    pages.mkdir(parents=True)
    for name in (page_name("a/run that left"), "written by hand.html"):
        (pages / name).write_text("a page")
    build(tmp_path / "runs", tmp_path / "out", "--reports")
    assert [page.name for page in pages.iterdir()] == ["written by hand.html"]


def test_report_pages_keep_their_names_and_share_none() -> None:
    names = ["demo/Shapes_DEV_EN", "demo-Shapes_DEV_EN", "../x", "\u202e", "x" * 300]
    pages = [page_name(name) for name in names]
    assert len(set(pages)) == len(names)
    assert pages[0] == page_name(names[0]) == "demo-Shapes_DEV_EN-fb59f99d.html"
    assert all(re.fullmatch(r"[\w.=+-]*-[0-9a-f]{8}\.html", page) and page[0] != "." for page in pages)


def test_rows_that_share_a_picture_are_clustered_by_what_the_run_keeps_of_them() -> None:
    samples = [Sample(id=str(i), question="?", group=str(i), images=(f"p{i // 2}",)) for i in range(4)]
    for shown, clusters, notes in ((True, 2, 0), (False, 0, 1)):
        questions = Questions(samples=tuple(samples), shown=shown)
        run = SimpleNamespace(circular=False, questions=questions)
        found, said = _clusters([SimpleNamespace(run=run)] * 2)
        assert (len(set(found.values())), len(said)) == (clusters, notes)
