"""Every verb that works for long names what it does before it imports what takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import terminal

from vlmbench.cli.main import main

HEAVY = ("torch", "transformers", "numpy", "pandas", "pyarrow", "openpyxl")
ENDED = 7
RUN = "runs/echo_B/Shapes_DEV_EN"
VERBS = (
    ("reading Shapes_DEV_EN", "run --model demo --bench Shapes_DEV_EN --limit 1"),
    ("scoring answers.jsonl", "score --predictions answers.jsonl --bench Shapes_DEV_EN"),
    ("reading Shapes_DEV_EN", f"export {RUN}"),
    (f"reading {RUN}", f"report {RUN}"),
    (f"comparing {RUN} and {RUN}", f"compare {RUN} {RUN}"),
    ("reading the runs below runs", "leaderboard build --runs runs --out site"),
    ("reading the recipe demo_lora", "train demo_lora --work-dir trained"),
    ("looking at packages, devices, disk and data", "doctor"),
    ("demo, batch size 1  against  demo, batch size 8", "doctor --model demo"),
    ("loading demo", "chat --model demo"),
    ("reading Shapes_DEV_EN", "data check Shapes_DEV_EN"),
    ("reading {demo}", "convert demo out --to official"),
    ("reading {demo} and adapter", "merge demo adapter out"),
    ("reading llm and {demo}", "build --llm ./llm --vision demo out"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its answers, and modules that end the process where a heavy one is imported."""
    folder = tmp_path_factory.mktemp("first_line")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "3"]) == 0
    (folder / "answers.jsonl").write_bytes((folder / RUN / "responses.jsonl").read_bytes())
    (folder / "llm").mkdir()
    (folder / "llm" / "config.json").write_text('{"model_type": "qwen2"}', "utf-8")
    (folder / "llm" / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in HEAVY:
        module = folder / "modules" / name / "__init__.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"import os\nos.write(2, b'[import of {name}]')\nos._exit({ENDED})\n", "utf-8")
    return folder


@pytest.mark.parametrize(("line", "words"), VERBS, ids=[words.split()[0] for _, words in VERBS])
def test_a_line_comes_before_the_first_heavy_import(home: Path, line: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vlmbench", *words.split()],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home / "modules")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    # A board of incomplete runs needs none of them.
    assert done.returncode == (0 if words.startswith("leaderboard") else ENDED), done.stderr
    first = done.stderr.splitlines()[0]
    assert first.removesuffix("…") == line.format(demo=demo())


def demo() -> Path:
    from vlmbench.models.loading import demo_folder

    return demo_folder()


def test_on_a_terminal_it_is_one_line_that_is_drawn_over(home: Path) -> None:
    command = [sys.executable, "-m", "vlmbench", *VERBS[0][1].split()]
    environment = {**os.environ, "PYTHONPATH": str(home / "modules"), "TERM": "xterm"}
    environment.pop("CI", None)
    folder = Path.cwd()
    os.chdir(home)
    try:
        with terminal(command, env=environment) as screen:
            screen.until("reading Shapes_DEV_EN…")
            assert screen.end() == ENDED
    finally:
        os.chdir(folder)
    assert "\n" not in screen.raw
