"""Whole commands in Chinese: nothing English is left, and nothing but the screen depends on the language."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from vlmbench.chinese.width import width_of
from vlmbench.cli.main import VERBS, main

HERE = "run --model echo:A --bench Shapes_DEV_EN --limit 2 --out"
COMMANDS = [
    "",
    "--help",
    *(f"{verb} --help" for verb in VERBS),
    *(f"{verb} --help-all" for verb in ("run", "score", "train", "data")),
    "nosuch",
    "mmbench a",
    "run",
    "run --modle x",
    "run --model demo --bench Nosuch",
    "run --model demo --bench Shapes_DEV_EN --limit none",
    "run --model demo --bench Shapes_DEV_EN --rules other",
    "score --bench Shapes_DEV_EN",
    "compare one",
    "chat --model demo --port 80",
    "chat --model demo --image photo.png --web",
    "status nowhere",
    "report nowhere",
    "show Shapes_DEV_EN --sample none",
    "recipes copy",
    "recipes show nosuch",
    "data repeat own.json",
    "data tokens own.json",
    "data check Shapes_DEV_EN",
    "doctor",
    "doctor --against vllm",
    f"{HERE} r",
    f"{HERE} r --blind",
    "run --model nosuch:x --bench Shapes_DEV_EN",
    "run --config missing.yaml",
    "score --bench Shapes_DEV_EN --predictions none.xlsx",
    "train nosuch --plan",
]
_NOT_WORDS = re.compile(r"`[^`]*`|“[^”]*”|\S*[/.:_\\=|@]\S*|\S*[A-Z]\S*|^\s*\$? ?vlmbench .*", re.MULTILINE)
_ENGLISH = re.compile(r"\b(?:[a-z]{2,} ){3,}[a-z]{2,}\b")
_SCENES = re.compile(r"^(measures|source|quoted|licence) .*", re.MULTILINE)
"""Facts of a card, as it states them."""


def english_in(text: str) -> list[str]:
    """Four English words in a row, outside of code, names and paths."""
    lines = (_NOT_WORDS.sub(" | ", line) for line in _SCENES.sub("", text).split("\n"))
    return [found[0] for line in lines for found in _ENGLISH.finditer(line)]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def said(command: str, capsys: pytest.CaptureFixture[str], language: str = "zh") -> tuple[int, str, str]:
    try:
        code = main(["--lang", language, *command.split()]) if language else main(command.split())
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_speaks_chinese_alone(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(command, capsys)
    assert re.search("[\u4e00-\u9fff]", out + err)
    assert english_in(out + err) == []
    assert code == said(command, capsys, "en")[0]


@pytest.mark.parametrize("verb", ["run", "compare", "train"])
def test_no_line_of_a_help_page_is_wider_than_the_screen(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, page, _ = said(f"{verb} --help-all", capsys)
    wide = [line for line in page.split("\n") if width_of(line) > 80]
    assert not [line for line in wide if "vlmbench" not in line], wide


def test_the_language_may_stand_before_or_after_the_verb_or_in_the_locale(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLMBENCH_LANG")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert "command" in said("nosuch", capsys, "")[2]
    assert "命令" in said("nosuch --lang zh", capsys, "")[2]
    assert "命令" in said("--lang=zh nosuch", capsys, "")[2]
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "命令" in said("nosuch", capsys, "")[2]
    assert "command" in said("nosuch --lang en", capsys, "")[2]
    assert "VLMBENCH_LANG" not in os.environ


def test_files_json_and_exit_codes_are_the_same_in_both_languages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed, files = {}, {}
    for language in ("en", "zh"):
        folder = Path("r")
        code, out, _ = said(f"{HERE} {folder} --format json", capsys, language)
        again = said(f"score --bench Shapes_DEV_EN --predictions {folder}/predictions.xlsx "
                     "--allow-missing --format json", capsys, language)  # fmt: skip
        listed = said("list rules --format tsv", capsys, language)[1]
        printed[language] = (code, _timeless(out), again[0], _timeless(again[1]), listed)
        files[language] = {
            file.name: _timeless(file.read_text("utf-8", "replace"))
            for file in folder.iterdir()
            if file.suffix in (".json", ".jsonl")
        }
        folder.rename(f"r-{language}")
    assert printed["en"] == printed["zh"]
    assert files["en"] == files["zh"]
    assert files["zh"].keys() >= {"run.json", "responses.jsonl", "scores.jsonl", "results.json"}


def _timeless(text: str) -> str:
    """Without what a clock or a process decides."""
    return re.sub(
        r'"(at|began|ended|started|written|created|seconds|rows_per_second|process|duration|time|pid|peak_[a-z_]+)":'
        r' ?("[^"]*"|[\d.e+-]+|null|\{[^}]*\})',
        r'"\1": 0',
        text,
    )
