"""A folder is there whole or not at all."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlmbench.errors import UserError
from vlmbench.files.atomic import new_folder


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_folder_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with new_folder(tmp_path / "new" / "model") as folder:
        (folder / "config.json").write_text("{}")
        assert not (tmp_path / "new" / "model").exists()
    assert (tmp_path / "new" / "model" / "config.json").read_text() == "{}"
    assert names(tmp_path / "new") == ["model"]


def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "model") as folder:
        (folder / "half").write_text(str(1 / 0))
    assert names(tmp_path) == []


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_an_existing_destination_is_refused(tmp_path: Path, make: object) -> None:
    make(tmp_path / "model")  # type: ignore[operator]
    with pytest.raises(UserError, match="already exists"), new_folder(tmp_path / "model"):
        pass
    assert names(tmp_path) == ["model"]


def test_a_destination_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already exists"), new_folder(tmp_path / "model"):
        (tmp_path / "model").mkdir()
    assert names(tmp_path) == ["model"]


def test_no_space_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with (
            pytest.raises(UserError, match=r"cannot be written.*Free some space"),
            new_folder(tmp_path / "model") as folder,
        ):
            (folder / "weights").write_bytes(bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), new_folder(tmp_path / "file" / "model"):
        pass


def test_a_killed_process_leaves_no_destination_and_the_next_clears_up(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from vlmbench.files.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('x'); print('writing', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "model"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"writing\n"
    # While it lives, nobody takes its folder away.
    with new_folder(tmp_path / "model"):
        assert len(names(tmp_path)) == 2
    (tmp_path / "model").rmdir()
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    assert not (tmp_path / "model").exists()
    time.sleep(0.05)
    with new_folder(tmp_path / "model"):
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == ["model"]
