"""A finished run is found finished without its model, unless anything that decides it has changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import chat_server

import vlmbench
from vlmbench.api.run.finished_before import by_name
from vlmbench.cli.main import main
from vlmbench.models.loading import demo_folder
from vlmbench.registry import Registry

SHAPES = ("Shapes_DEV_EN", "Shapes_DEV_CN")
MEASURED = """
import sys, time
from vlmbench.cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in ("torch", "transformers", "pyarrow", "numpy") if name in sys.modules]
print("CPU", code, time.process_time(), heavy)
"""
FEW = ("--limit", "3", "--max-new-tokens", "2", "--device", "cpu")
Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().err


def command(out: Path, model: Path | str, *more: str, bench: tuple[str, ...] = SHAPES[:1]) -> list[str]:
    return ["run", "--model", str(model), "--bench", *bench, "--out", str(out), *FEW, *more]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The demo model in a folder that may be changed."""
    return shutil.copytree(demo_folder(), tmp_path / "model")


def test_a_finished_run_loads_nothing(tmp_path: Path, model: Path, said: Said) -> None:
    """Under a second of processor time, Python and its imports included."""
    argv = command(tmp_path / "run", model)
    assert main(argv) == 0
    files = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    said()
    measured = [sys.executable, "-c", MEASURED, *argv]
    for _ in range(3):  # beside other work processor time is longer, too
        done = subprocess.run(measured, capture_output=True, text=True, check=True)
        _, code, seconds, heavy = done.stdout.splitlines()[-1].split(maxsplit=3)
        if float(seconds) < 1:
            break
    assert "Shapes_DEV_EN: already finished (11/11)" in done.stderr
    assert "loaded" not in done.stderr
    assert (code, heavy) == ("0", "[]")
    assert float(seconds) < 1
    # The table is there as after the run, and the folder is untouched.
    assert done.stdout.startswith("Shapes_DEV_EN · ")
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}


def test_every_benchmark_is_the_same_text_in_each_process() -> None:
    """The functions that score it stand in it by name: an address would send each run of it the long way."""
    registry = Registry()
    texts = {name: repr(by_name(registry.benchmark(name))) for name in registry.benchmarks}
    assert [name for name, text in texts.items() if " at 0x" in text] == []
    assert texts["POPE"] != texts["MME"]


def test_a_function_that_is_no_part_of_a_module_keeps_its_address() -> None:
    assert by_name(by_name) == "vlmbench.api.run.finished_before.by_name"
    inner = lambda: None  # noqa: E731
    assert by_name([inner]) == [inner]


def test_a_changed_checkpoint_does_not_pass_as_finished(tmp_path: Path, model: Path, said: Said) -> None:
    argv = command(tmp_path / "run", model)
    assert main(argv) == 0
    generation = model / "generation_config.json"
    settings = json.loads(generation.read_text("utf-8"))
    generation.write_text(json.dumps(settings | {"temperature": None}), "utf-8")
    assert main(argv) == 1
    assert "(generation_config.json)" in said()
    # Another file beside the others may decide an answer, too.
    generation.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    (model / "special_tokens_map.json").write_text("{}")
    assert main(argv) == 1
    assert "(special_tokens_map.json)" in said()


def test_other_words_another_headline_and_lost_files_take_the_long_way(tmp_path: Path, said: Said) -> None:
    argv = command(tmp_path / "run", "echo:B")
    assert main(argv) == 0
    assert main([*argv, "--rules", "xtuner"]) == 0
    assert main([*argv, "--fresh"]) == 0
    for name in ("predictions.xlsx", "mmbench_result.xlsx"):
        (tmp_path / "run" / name).unlink()
        assert main(argv) == 0
        assert "already finished" not in said()
        assert (tmp_path / "run" / name).is_file()
    assert main([*argv, "--prompt", "xtuner"]) == 1
    assert main(argv) == 0
    assert "already finished" in said()


def test_of_several_benchmarks_one_is_left_and_the_model_is_loaded_once(
    tmp_path: Path, model: Path, said: Said
) -> None:
    assert main(command(tmp_path / "runs" / SHAPES[0], model)) == 0
    said()
    both = command(tmp_path / "runs", model, bench=SHAPES)
    assert main(both) == 0
    lines = said().splitlines()
    assert lines[0] == "Shapes_DEV_EN: already finished (11/11)"
    assert sum(line.startswith("loaded ") for line in lines) == 1
    assert main(both) == 0
    assert said().splitlines() == [f"{name}: already finished (11/11)" for name in SHAPES]


def test_a_server_is_asked_what_it_serves_and_nothing_else(tmp_path: Path, said: Said) -> None:
    with chat_server("A") as server:
        argv = command(tmp_path / "run", server.spec)
        assert main(argv) == 0
        asked = len(server.bodies)
        assert main(argv) == 0
        assert "already finished (11/11)" in said()
        server.served = [{"id": "judge", "root": "org/other"}]
        assert main(argv) == 1
        assert "model.served.root was" in said()
        assert len(server.bodies) == asked


def test_python_gets_the_same_result_again(tmp_path: Path, said: Said) -> None:
    results = [
        vlmbench.evaluate("echo:B", SHAPES[0], limit=3, out=tmp_path / "run", progress=True) for _ in range(2)
    ]
    assert said().count("already finished") == 1
    first, again = results
    assert again.headline == first.headline
    assert again.samples().equals(first.samples())
    digest = first.samples()["pictures"][0][0]
    assert again.picture(digest).tobytes() == first.picture(digest).tobytes()


STYLE = """title: Mine
extends: vlmevalkit
multiple-choice:
  text: "{hint}{question}\\n{options}\\nThe letter."
"""


@pytest.mark.parametrize("typed", ["mine.yml", "~/mine.yaml", "mine.yaml:bare"])
def test_edited_words_of_the_users_do_not_pass_as_finished(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / typed.removeprefix("~/").partition(":")[0]
    file.write_text(STYLE + "variants:\n  bare:\n    title: Bare\n", "utf-8")
    argv = command(tmp_path / "run", "echo:B", "--prompt", typed)
    time.sleep(0.01)  # a file that is as young as the run may have changed in it
    assert main(argv) == 0
    assert main(argv) == 0
    assert said().count("already finished") == 1
    file.write_text(file.read_text("utf-8").replace("The letter", "A letter"), "utf-8")
    assert main(argv) == 1
    assert "prompts was" in said()


def test_a_file_of_the_same_name_elsewhere_does_not_pass_as_finished(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = command(tmp_path / "run", "echo:B", "--prompt", "mine.yaml")
    for place, style in (("here", STYLE), ("there", STYLE.replace("The", "A"))):
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.yaml").write_text(style, "utf-8")
    time.sleep(0.01)
    monkeypatch.chdir(tmp_path / "here")
    assert main(argv) == 0
    monkeypatch.chdir(tmp_path / "there")
    assert main(argv) == 1
    assert "prompts was" in said()


PLUGIN = """
from dataclasses import dataclass, replace
from vlmbench.benchmarks.families.choice import MultipleChoice
from vlmbench.registry import load_benchmark

FILE = {file!r}

@dataclass(frozen=True, slots=True)
class Mine(MultipleChoice):
    def score(self, sample, response, rules):
        return replace(MultipleChoice.score(self, sample, response, rules), value={value})

benchmark = Mine(replace(load_benchmark(FILE).card, name="Mine"))
"""


def test_a_plugins_benchmark_in_rotations_takes_the_long_way(tmp_path: Path, said: Said) -> None:
    plugin, file = tmp_path / "mine.py", tmp_path / "two.tsv"
    file.write_text("index\tquestion\tA\tB\tanswer\n1\tUp?\tyes\tno\tA\n", "utf-8")
    argv = command(tmp_path / "run", "echo:B", "--plugin", str(plugin), "--circular", bench=("Mine",))
    for value in (1.0, 0.0):
        plugin.write_text(PLUGIN.format(file=str(file), value=value), "utf-8")
        assert main(argv) == 0
        results = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))
        assert results["headline"]["value"] == value
    assert "already finished" not in said()
