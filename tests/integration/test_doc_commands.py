"""The blocks of every page: each command parses and runs, or a table has the reason why it does not."""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chat_server import ChatServer, chat_server
from doc_commands import (
    ENGLISH,
    OTHERS,
    PAGES,
    blocks_of,
    commands,
    inline_commands,
    kind,
    parsed,
    parser,
    scripts,
    tables,
)
from doc_world import make_world, run_command
from repository import ROOT

import vlmbench
from vlmbench.cli._shared.parser import check_options
from vlmbench.cli.main import VERBS

NOT_HERE = {
    r"runs/demo/|^demo$": ("make demo runs it", ".ci/run"),
    r"vllm": ("vLLM has a lane of its own", "tests/vllm_lane"),
    r"--batch$": ("a paid service", "tests/integration/test_batch_commands.py"),
    r"--devices|--nodes": ("starts a cluster", "tests/integration/test_cluster.py"),
    r"--web": ("a page that stays open", "tests/browser/test_chat_page.py"),
    r"--bits": ("four bits are slow without a GPU", "tests/integration/test_chat_cli.py"),
    r"--thinking budget": ("a server with such a switch", "tests/integration/test_thinking.py"),
    r"--to gguf": ("the tiny tokenizer has no form there", "tests/integration/test_conversions.py"),
    r"^data get|--download": ("downloads", "tests/integration/test_download_on_demand.py"),
    r"MathVista|MMVet": ("data of others", "tests/golden/test_judgments_golden.py"),
    r"llava-v1.5-13b|vila_8b": ("answers of others", "tests/integration/test_score_published.py"),
}
"""Commands that no test of their page runs: the reason, and what runs the like."""
SCRIPTS = {
    "add-a-benchmark.md": "test_docs.py",
    "asking.md": "test_asking_doc.py",
    "ci.md": "test_ci_example.py",
    "data.md": "test_download_on_demand.py",
    "published.md": "test_published_doc.py",
    "python.md": "test_python_page.py",
    "thinking.md": "test_docs.py",
    "training-data.md": "test_docs.py",
}
"""Pages with scripts, and the test that runs them from top to bottom."""


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def runs_here(command: list[str]) -> bool:
    typed = " ".join(command)
    return not any(re.search(pattern, typed) for pattern in NOT_HERE)


def first_shown() -> dict[Path, list[list[str]]]:
    """Tables wholly; of the blocks one command of each kind, where no script or table has one already."""
    found = {page: list(tables(page)) for page in ENGLISH}
    seen = {kind(command) for page in ENGLISH for command in (*scripts(page), *found[page])}
    for page in ENGLISH:
        for command in filter(runs_here, commands(page)):
            if kind(command) not in seen:
                seen.add(kind(command))
                found[page].append(command)
    return {page: shown for page, shown in found.items() if shown}


TO_RUN = first_shown()


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server("A") as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMUData", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr("sys.stdin", io.StringIO("What is it?\n"))
    make_world(tmp_path)
    return tmp_path


def write_files(page: Path, folder: Path) -> None:
    """The files that the page shows."""
    for block in blocks_of(page):
        if block.name:
            (folder / block.name).write_text(block.text, "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", TO_RUN, ids=of)
def test_the_commands_of_the_page_run(
    page: Path, world: Path, server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(page, world)
    for command in TO_RUN[page]:
        fine = run_command(command, server.url)
        shown = capsys.readouterr()
        assert fine, f"{' '.join(command)}\n{shown.out}\n{shown.err}"
        if command[:2] == ["recipes", "import"]:
            assert "compared with the recipe" not in shown.out + shown.err
    if page.name == "from-xtuner.md":
        assert (world / "results" / "mmbench_result.xlsx").is_file()
        assert (world / "iter_5198_hf" / "llm_adapter").is_dir()


def test_every_command_is_one_that_vlmbench_takes(world: Path) -> None:
    (world / "out").symlink_to(world / "PATH")
    for page in PAGES:
        write_files(page, world)
        for command in commands(page):
            assert command[0] in VERBS, (of(page), command)
            parsed(command)
        for verb, *more in inline_commands(page):
            if verb in VERBS:
                check_options(parser(verb), more)
            else:
                assert verb.startswith("-"), (of(page), verb)


def test_a_wrong_flag_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("    vlmbench run --model demo --bench POPE --limits 3     a few\n", "utf-8")
    (command,) = commands(page)
    with pytest.raises(vlmbench.VlmbenchError, match="--limits"):
        parsed(command)


@pytest.mark.parametrize("page", ENGLISH, ids=of)
def test_every_other_line_of_a_script_starts_a_program_that_the_table_knows(page: Path) -> None:
    for block in blocks_of(page):
        for line in block.lines:
            words = re.sub(r"^(! |(\w+=\S+ )+)", "", line).split()
            if block.language == "sh" or re.match(r"[a-z-]+ ([^\s(]+ )*--?[a-z]", " ".join(words)):
                assert words[0] in ("vlmbench", "echo", *OTHERS), (block.line, line)
            if words[0] in ("python", "pytest") and "/" in words[1]:
                assert (ROOT / words[1]).is_file()
            if words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("page", ENGLISH, ids=of)
def test_programs_compile_and_call_functions_as_they_are(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "yaml":
            yaml.compose(block.text)
        if block.language == "python" or block.text.startswith("import "):
            for call in ast.walk(ast.parse(block.text)):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("vlmbench."):
                    function = getattr(vlmbench, ast.unparse(call.func).partition(".")[2])
                    keywords = {word.arg: None for word in call.keywords if word.arg}
                    inspect.signature(function).bind(*call.args, **keywords)


def test_scripts_and_reasons_name_tests_that_are_there() -> None:
    with_scripts = {page.name for page in ENGLISH if any(scripts(page))}
    assert with_scripts <= set(SCRIPTS)
    for page, test in SCRIPTS.items():
        assert page in (ROOT / "tests" / "integration" / test).read_text("utf-8")
    assert all((ROOT / where).exists() for _, where in NOT_HERE.values())
    every = [" ".join(command) for page in ENGLISH for command in commands(page)]
    unused = [pattern for pattern in NOT_HERE if not any(re.search(pattern, typed) for typed in every)]
    assert unused == []
