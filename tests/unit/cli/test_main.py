"""The front door: light, helpful, and honest in its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vlmbench.cli.main import VERBS, main

HEAVY = (
    "torch",
    "transformers",
    "pandas",
    "pyarrow",
    "numpy",
    "PIL",
    "openpyxl",
    "rich",
    "httpx",
    "vlmbench.chinese.catalogue",
)


def loaded_after(*argv: str) -> list[str]:
    """Heavy packages in memory after a command line."""
    code = (
        "import sys, json; from vlmbench.cli.main import main; main(sys.argv[1:]); "
        f"print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "argv",
    [
        ("--help",),
        ("rnu",),
        ("run",),
        ("run", "--model", "x", "--bench", "nope"),
        ("train", "nope"),
        ("compare", "no", "such"),
    ],
)
def test_help_and_mistakes_import_nothing_heavy(argv: tuple[str, ...]) -> None:
    assert loaded_after(*argv) == []


def test_list_imports_no_engine() -> None:
    assert not {"torch", "transformers", "pandas"} & set(loaded_after("list"))


def test_the_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    assert all(verb in overview for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_page_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([verb, "--help"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.count(f"vlmbench {verb}") > 2


def unfolded(page: str, width: int) -> int:
    """Lines of a page on a terminal of that width."""
    return sum(max(-(-len(line) // width), 1) for line in page.splitlines())


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_sixty_lines_and_names_where_the_rest_is(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    page = capsys.readouterr().out
    assert unfolded(page, 80) <= 60
    assert f"vlmbench {verb} --help-all" in page.splitlines()[-1] + page.splitlines()[-2]
    assert page.splitlines()[0].endswith("[options]")


def test_help_all_shows_what_help_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    common = capsys.readouterr().out
    assert common.startswith("usage: vlmbench run --model MODEL … --bench NAME … [options]\n")
    with pytest.raises(SystemExit):
        main(["run", "--help-all"])
    every = capsys.readouterr().out
    assert "--judge-rpm" in every
    assert "--judge-rpm" not in common
    assert every.count("\nquestions:") == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("typed", ["--formta", "-format", "--hlep", "-config=x", "--no-such-thing=3"])
def test_a_misspelt_option_suggests_the_nearest(
    verb: str, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, typed]) == 2
    error = capsys.readouterr().err
    name = typed.partition("=")[0]
    assert f"there is no option named `{name}`" in error
    nearest = {"-config": "--config", "--hlep": "--help"}.get(name)
    assert nearest is None or f"Did you mean {nearest}" in error
    assert f"vlmbench {verb} --help-all" in error


def test_an_abbreviation_of_several_options_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--con=3"]) == 2
    assert "`--con` may be --concurrency or --config" in capsys.readouterr().err


def test_a_value_that_is_not_offered_names_the_ones_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--rules", "stict"]) == 2
    assert "no value for `--rules` named `stict`. Did you mean strict?" in capsys.readouterr().err


def test_a_quiet_run_prints_its_figures_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", str(tmp_path)]
    assert main([*line, "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "accuracy" in printed.out


def test_an_unknown_verb_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scroe"]) == 2
    assert "Did you mean score" in capsys.readouterr().err


def test_a_misspelt_option_is_named_before_the_one_that_is_then_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--model", "echo", "--bensh", "Shapes_DEV_EN"]) == 2
    assert "no option named `--bensh`. Did you mean --bench" in capsys.readouterr().err


def test_an_unknown_benchmark_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "echo", "--bench", "MMBench_DEVEN"]) == 2
    assert "MMBench_DEV_EN" in capsys.readouterr().err


def test_a_config_file_stands_under_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: echo\nbench: Shapes_DEV_EN\nlimit: 3\nformat: json\n", "utf-8")
    assert main(["run", "--config", str(config), "--limit", "2", "--out", str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["headline"]["n"] == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("modle: echo", "Did you mean model"),
        ("limit: many", "`limit`"),
        ("rules: loose", "rules"),
        ("fresh: 3", "true or false"),
        ("- a list", "mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_config_file_is_explained(
    tmp_path: Path, text: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(text, "utf-8")
    assert main(["run", "--config", str(config), "--model", "echo", "--bench", "Shapes_DEV_EN"]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert "run.yaml" in error


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m vlmbench list rules | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert done.stderr == ""


def test_lists_are_tab_separated_where_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "rules", "--format", "tsv"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()][1:] == [
        "strict", "original", "vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner",
    ]  # fmt: skip


def test_show_prints_card_and_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "Shapes_DEV_CN", "--prompt", "llava"]) == 0
    shown = capsys.readouterr().out
    assert "请直接回答选项字母。" in shown
    assert "circular accuracy" in shown


def test_show_of_an_absent_file_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("LMUData", str(tmp_path))
    assert main(["show", "MMBench_DEV_EN"]) == 0
    assert "vlmbench data get MMBench_DEV_EN" in " ".join(capsys.readouterr().out.split())
