"""Data that a command lacks is named with size, source and licence, and comes only where the user agrees."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets_made import png
from doc_pages import printed
from file_server import FileServer, serving_files
from repository import ROOT
from terminal import terminal

import vlmbench
from vlmbench.cli.main import main
from vlmbench.errors import DataError

PICTURE = base64.b64encode(png("red")).decode()
HEAD = "index\timage\tquestion\tA\tB\tanswer"


def table(rows: int, padding: int = 0) -> bytes:
    lines = [f"{n}\t{PICTURE}\tWhich one is {n}?{'.' * padding}\tyes\tno\tA" for n in range(rows)]
    return "\n".join([HEAD, *lines, ""]).encode()


FILES = {"Set_A.tsv": table(3), "Set_B.tsv": table(4, 100_000)}
RUN = ["run", "--model", "echo:A", "--plugin", "sets.py", "--bench"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    """Set_A and Set_B are benchmarks whose files lie on this server, Set_C is one whose file is gone."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "VLMBENCH_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_OFFLINE", "VLMBENCH_MIRROR", "LMUData", "CI"):
        monkeypatch.delenv(name, raising=False)
    with serving_files(FILES) as files:
        md5 = {name: (hashlib.md5(content).hexdigest(),) for name, content in FILES.items()}
        (tmp_path / "sets.py").write_text(
            "from dataclasses import replace\n"
            "from vlmbench.registry import load_benchmark\n"
            "known = load_benchmark('MMStar')\n"
            "def made(name, md5=(), **facts):\n"
            f"    url = f'{files.url}/{{name}}.tsv'\n"
            "    file = replace(known.card.file, name=f'{name}.tsv', url=url, md5=md5)\n"
            "    return replace(known, card=replace(known.card, name=name, file=file, **facts))\n"
            f"BENCHMARKS = [made('Set_A', {md5['Set_A.tsv']}, licence='CC BY 4.0'),\n"
            f"              made('Set_B', {md5['Set_B.tsv']}, licence=''), made('Set_C')]\n"
        )
        yield files


def data(name: str) -> Path:
    return Path("home/data", name)


def vlmbench_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "vlmbench", *words]


def test_on_a_terminal_one_question_names_all_that_is_missing(server: FileServer) -> None:
    with terminal(vlmbench_command(*RUN, "Set_A", "Set_B"), env=dict(os.environ)) as screen:
        asked = screen.until("[y/N]")
        assert not data("Set_A.tsv").exists()
        screen.type("y")
        assert screen.end() == 0
    said = " ".join(asked.split())
    assert f"Set_A 0 kB, from {server.url[7:]}" in said
    assert "licence: CC BY 4.0 Set_B 401 kB" in said
    assert f"licence: see {server.url}/Set_B.tsv" in said
    assert "401 kB to download, about 321 kB more for decoded tables; " in said
    assert {name: data(name).read_bytes() for name in FILES} == FILES
    assert Path("runs/echo_A/Set_B/results.json").is_file()


def test_without_a_yes_nothing_comes(server: FileServer) -> None:
    with terminal(vlmbench_command(*RUN, "Set_A"), env=dict(os.environ)) as screen:
        screen.until("[y/N]")
        screen.type("")
        screen.until("Get with `vlmbench data get Set_A --plugin sets.py`")
        assert screen.end() == 2
    assert server.sent("Set_A.tsv") == []
    assert not Path("runs").exists()


def test_in_ci_nobody_is_asked_even_on_a_terminal(server: FileServer) -> None:
    with terminal(vlmbench_command(*RUN, "Set_A"), env=os.environ | {"CI": "true"}) as screen:
        screen.until("add --download to this command")
        assert screen.end() == 2
    assert server.asked == []


def test_in_a_pipe_the_missing_are_an_error_with_the_command(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "Set_A", "Set_B"]) == 2
    assert main(["score", "--bench", "Set_A", "--predictions", "p.xlsx", "--plugin", "sets.py"]) == 2
    said = capsys.readouterr().err
    assert "not on this machine: Set_A, Set_B." in said
    assert "not on this machine: Set_A. Get with `vlmbench data get Set_A --plugin sets.py`" in said
    assert server.asked == []


def test_with_the_flag_the_files_come_unasked(server: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.heads = False  # the size is then that of a first byte's answer
    assert main(["show", "Set_A", "--plugin", "sets.py", "--download"]) == 0
    assert "from" in capsys.readouterr().err
    assert main([*RUN, "Set_A", "Set_B", "--download"]) == 0
    said = capsys.readouterr().err
    assert "Set_A" not in said.partition("to download")[0]
    assert "Set_B  401 kB" in said
    assert server.sent("Set_A.tsv") == ["bytes=0-0", None]
    assert main([*RUN, "Set_A", "Set_B", "--download"]) == 0
    assert "Not on this machine" not in capsys.readouterr().err


def test_one_that_fails_is_named_and_the_others_run(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "Set_A", "Set_C", "--download"]) == 1
    said = capsys.readouterr().err
    assert "the server answers 404" in said
    assert f"vlmbench: Set_C: Set_C.tsv: {server.url}/Set_C.tsv answers 404." in said
    assert Path("runs/echo_A/Set_A/results.json").is_file()


def test_offline_nothing_is_asked_of_the_network(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([*RUN, "Set_A", "--download"]) == 2
    assert (
        "`vlmbench data get Set_A --plugin sets.py` where HF_HUB_OFFLINE is not set"
        in capsys.readouterr().err
    )
    assert main(["data", "get", "Set_A", "--plugin", "sets.py", "--dry-run"]) == 0
    assert server.asked == []


def test_python_downloads_where_it_is_allowed(server: FileServer) -> None:
    with pytest.raises(DataError, match=r"`vlmbench data get Set_A`, or call evaluate with download=True"):
        vlmbench.evaluate("echo:A", "Set_A", plugins=["sets.py"], progress=False)
    assert server.asked == []
    run = vlmbench.evaluate("echo:A", "Set_A", plugins=["sets.py"], download=True, progress=False)
    assert run.headline.rows == 3


def test_get_brings_a_suite_and_says_what_was_here(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("[Set_A, Set_B]\n")
    get = ["data", "get", "mine.yaml", "--plugin", "sets.py", "--format", "json"]
    assert main([*get, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert [(row["state"], row["size"]) for row in planned] == [
        ("to download", len(content)) for content in FILES.values()
    ]
    assert [row["licence"] for row in planned] == ["CC BY 4.0", f"see {server.url}/Set_B.tsv"]
    assert main(["data", "get", "Set_A", "--plugin", "sets.py"]) == 0
    assert "Set_A.tsv is here now: " in capsys.readouterr().out
    assert main(get) == 0
    states = [(row["benchmark"], row["state"]) for row in json.loads(capsys.readouterr().out)]
    assert states == [("Set_A", "here already"), ("Set_B", "downloaded")]
    assert main(["data", "get", "Set_A", "Set_C", "--plugin", "sets.py"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"Set_A +here already", out)
    assert re.search(r"Set_C +failed", out)


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with serving_files({"utils/VLMEval/MMStar.tsv": b"x" * 2_000_000}) as files:
        mirrors = f"opencompass.openxlab.space={files.url},{files.url}"
        text = printed(ROOT / "docs" / "data.md", tmp_path, VLMBENCH_MIRROR=mirrors)
        assert re.search(r"^ *MMStar  2.0 MB, from 127.0.0.1:\d+ \(for opencompass", text, re.MULTILINE)
        assert "at least 2.0 MB to download, about 1.6 MB more for decoded tables" in text
        assert {method for method, *_ in files.asked} == {"HEAD"}


def test_too_little_room_is_said_before_anything_comes(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlmbench.data.disk.free_bytes", lambda _: 500_000)
    assert main(["data", "get", "Set_A", "Set_B", "--plugin", "sets.py"]) == 1
    said = capsys.readouterr().err
    assert (
        "the download of Set_A and 1 more (401 kB, and about 321 kB for decoded tables) needs 722 kB" in said
    )
    assert "500 kB are free. Let VLMBENCH_HOME name a folder on a larger disk" in said
    assert server.sent("Set_A.tsv") == []


def test_after_a_kill_the_total_is_known_and_what_came_counts_from_the_start(
    server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pause = 0.05
    get = ["data", "get", "Set_A", "Set_B", "--plugin", "sets.py"]
    process = subprocess.Popen(vlmbench_command(*get), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = data("Set_B.tsv.part")
    while not (part.is_file() and part.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    came = part.stat().st_size
    server.pause = 0.0
    assert main(get) == 0
    assert f"downloading Set_B: 0.4 MB, {came / 1e6:.1f} of them done before" in capsys.readouterr().err
    assert server.sent("Set_B.tsv")[-1] == f"bytes={came}-"
    assert data("Set_B.tsv").read_bytes() == FILES["Set_B.tsv"]
