"""Other packages speak into a file while we work with them, and as before afterwards."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import pytest

from vlmbench.model_files.foreign_output import foreign_output


def test_what_other_packages_say_is_in_the_file_and_not_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging as transformers_logging

    theirs = transformers_logging.get_logger("transformers.trainer")
    file = tmp_path / "work" / "libraries.log"
    shown_before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with foreign_output(file):
            print("built successfully")
            warnings.warn("deprecated since 4.0", UserWarning, stacklevel=1)
            theirs.warning("use_cache is incompatible")
            kept = sys.stdout
            print("to the user", file=sys.stderr)
    assert capsys.readouterr() == ("", "to the user\n")
    kept.write("later, by who kept the stream\n")
    text = file.read_text("utf-8")
    parts = (
        "built successfully",
        "UserWarning: deprecated since 4.0",
        "use_cache is incompatible",
        "later, by",
    )
    assert all(part in text for part in parts)
    assert warnings.showwarning is shown_before
    assert logging.lastResort is not None
    assert all(not hasattr(handler, "stream") or handler.stream is not kept for handler in _handlers())


def _handlers() -> list[logging.Handler]:
    return [
        *logging.getLogger("transformers").handlers,
        *([logging.lastResort] if logging.lastResort else []),
    ]


def test_an_error_comes_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), foreign_output(tmp_path / "a.log"):
        raise OSError("no room")
    assert not (tmp_path / "a.log").exists()
