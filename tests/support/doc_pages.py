"""The fenced blocks of a page, and its commands run."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from warm_python import warm_python

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Language, file name and text of every fenced block."""
    return (m.groups(default="") for m in BLOCK.finditer(page.read_text("utf-8")))  # type: ignore[return-value]


def printed(page: Path, folder: Path, *imported: str, **more: str) -> str:
    """What the page's commands print in this folder, each of which succeeds.

    Modules that many of them import are imported once for all of them.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "VLMBENCH_HOME": str(folder / "home"), "HOME": str(folder)} | more
    found = ""
    with contextlib.ExitStack() as held:
        if imported:
            env["PATH"] = f"{held.enter_context(warm_python(*imported, env=env))}{os.pathsep}{path}"
        for language, name, text in blocks(page):
            if name:
                (folder / name).write_text(text, "utf-8")
            elif language == "sh":
                done = subprocess.run(
                    ["bash", "-ec", text], cwd=folder, env=env, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
                found += done.stdout + done.stderr
    return found
