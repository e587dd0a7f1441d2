"""JSON and YAML from outside: depth, size and aliases have bounds; what a killed process left is swept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from vlmbench.cli.main import main
from vlmbench.errors import UserError
from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import parse_json, parse_yaml, read_json, read_yaml
from vlmbench.models.engine_args import typed_engine_args
from vlmbench.store import RunFolder

BOMB = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
)


@pytest.mark.parametrize("depth", [200, 5_000, 100_000])
@pytest.mark.parametrize("mark", ["[", '{"a":'])
def test_deep_json_is_refused_at_every_depth(tmp_path: Path, depth: int, mark: str) -> None:
    text = mark * depth + "1" + ("]" if mark == "[" else "}") * depth
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=r"a.json: .* nested too deeply"):
        read_json(tmp_path / "a.json")


def test_json_of_usual_depth_is_read() -> None:
    assert parse_json("[" * 50 + "]" * 50) is not None
    assert parse_json('{"a": [1, NaN]}')["a"][0] == 1
    with pytest.raises(ValueError, match="NaN is not a number"):
        parse_json('{"a": [1, NaN]}', finite=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "aliases stand for more"),
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "[" * 300 + "]" * 300, "nested too deeply"),
        ("a: &a [*a]", "inside the part"),
        ("a: " + "9" * 5_000, "is not YAML"),
    ],
    ids=["bomb", "unclosed", "deep", "itself", "digits"],
)
def test_yaml_has_bounds(tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(UserError, match=reason):
        read_yaml(file)
    assert main(["run", "--config", str(file)]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said) < 1000


def test_aliases_of_usual_size_are_read() -> None:
    assert parse_yaml("a: &a {x: 1}\nb: *a\nc: [*a, *a]")["c"] == [{"x": 1}, {"x": 1}]
    with pytest.raises(yaml.YAMLError):
        parse_yaml("a: [")


def test_a_deep_setting_of_an_engine_stays_text() -> None:
    text = "[" * 100_000
    assert typed_engine_args([f"key={text}"]) == {"key": text}


KILLED = """
import os, signal, sys
from pathlib import Path
from vlmbench.store import RunFolder, write_json
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with RunFolder(Path(sys.argv[1])):
    write_json(Path(sys.argv[1]) / "results.json", {"a": 1})
"""


def test_what_a_killed_process_left_is_swept_by_the_next_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".results.json.")]
    living = tmp_path / f".report.html.{os.getppid()}-1"
    living.write_text("", "utf-8")
    (tmp_path / ".mine-2").write_text("", "utf-8")
    with RunFolder(tmp_path):
        names = {file.name for file in tmp_path.iterdir()}
    assert names == {"run.lock", living.name, ".mine-2"}


def test_a_link_in_the_place_of_a_file_being_written_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "mine.txt"
    victim.write_text("mine", "utf-8")
    (tmp_path / f".a.{os.getpid()}-{threading.get_ident()}").symlink_to(victim)
    with atomic_file(tmp_path / "a") as aside:
        aside.write_text("theirs", "utf-8")
    assert (victim.read_text("utf-8"), (tmp_path / "a").read_text("utf-8")) == ("mine", "theirs")
