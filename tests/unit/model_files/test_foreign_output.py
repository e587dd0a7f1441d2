"""Other packages write into a file while we work with them, and our lines reach the user."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from vlmbench.cli._shared.libraries import libraries_apart, libraries_in
from vlmbench.data.disk import home_folder
from vlmbench.model_files.foreign_output import LibraryLog, foreign_output
from vlmbench.terminal.progress import Progress
from vlmbench.terminal.screen import doing, libraries_shown


def test_what_other_packages_say_is_in_the_file_and_not_on_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging as transformers_logging

    theirs = transformers_logging.get_logger("transformers.trainer")
    file = tmp_path / "work" / "libraries.log"
    shown_before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with foreign_output(file):
            print("built successfully")
            print("a bar of theirs", file=sys.stderr)
            warnings.warn("deprecated since 4.0", UserWarning, stacklevel=1)
            theirs.warning("use_cache is incompatible")
            kept = sys.stdout
            os.write(2, b"from C\n")
            subprocess.run(["echo", "from a process"], check=True)
            with doing("loading"):
                Progress().say("to the user")
    assert capfd.readouterr() == ("", "loading…\nto the user\n")
    kept.write("later, by who kept the stream\n")
    text = file.read_text("utf-8")
    parts = (
        "built successfully",
        "a bar of theirs",
        "UserWarning: deprecated since 4.0",
        "use_cache is incompatible",
        "from C",
        "from a process",
        "later, by",
    )
    assert all(part in text for part in parts)
    assert warnings.showwarning is shown_before
    assert logging.lastResort is not None
    assert all(not hasattr(handler, "stream") or handler.stream is not kept for handler in _handlers())
    os.write(1, b"afterwards\n")
    assert capfd.readouterr().out == "afterwards\n"


def _handlers() -> list[logging.Handler]:
    return [
        *logging.getLogger("transformers").handlers,
        *([logging.lastResort] if logging.lastResort else []),
    ]


def test_an_error_comes_through_and_an_empty_log_is_gone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), foreign_output(tmp_path / "a.log"):
        raise OSError("no room")
    assert not (tmp_path / "a.log").exists()


def test_on_a_crash_in_c_python_s_stack_is_on_the_screen(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from vlmbench.model_files.foreign_output import foreign_output
with foreign_output(Path({str(tmp_path / "a.log")!r})):
    os.write(2, b"terminate called\\n")
    os.abort()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Fatal Python error: Aborted" in done.stderr
    assert "terminate called" not in done.stderr
    assert "terminate called" in (tmp_path / "a.log").read_text()


def test_each_run_folder_gets_what_was_written_during_its_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    log = LibraryLog.of_command("run")
    for name in ("one", "two", "silent"):
        (tmp_path / name).mkdir()
        with libraries_in(tmp_path / name, log):
            if name != "silent":
                print(f"of {name}")
    log.close()
    assert [file.read_text("utf-8") for file in sorted(tmp_path.glob("*/libraries.log"))] == [
        "of one\n",
        "of two\n",
    ]
    assert capfd.readouterr().err == "".join(
        f"what libraries wrote: {tmp_path / name / 'libraries.log'}\n" for name in ("one", "two")
    )
    assert not list((home_folder() / "libraries").glob("*.log"))


def test_without_a_folder_the_log_is_named_on_failure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))

    def work() -> None:
        with libraries_apart("convert"):
            print("their last words")
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        work()
    (file,) = (home_folder() / "libraries").glob("convert-*.log")
    assert capfd.readouterr() == ("", f"what libraries wrote: {file}\n")
    assert file.read_text("utf-8") == "their last words\n"


def test_verbose_leaves_it_on_the_screen(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with libraries_shown(), foreign_output(tmp_path / "a.log"):
        print("theirs")
    assert capfd.readouterr().out == "theirs\n"
    assert not (tmp_path / "a.log").exists()
