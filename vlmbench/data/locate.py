"""Find a benchmark's file: `--data-dir`, then `LMUData`, then `VLMBENCH_HOME/data`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vlmbench.data.disk import file_digest, home_folder
from vlmbench.domain import DataFile
from vlmbench.errors import DataError

ChecksumState = Literal["current", "older", "unknown", "different"]
"""`older`: a sum the file had once. `unknown`: none was ever published."""


HUB = Path("hub")
"""As `--data-dir`: read the dataset that a card names, where it names one, instead of a file."""


def folders(data_dir: Path | None = None) -> list[Path]:
    """Where files are looked for, in order."""
    named = os.environ.get("LMUData")  # noqa: SIM112 - VLMEvalKit spells it so
    shared = Path(named).expanduser() if named else None
    if shared is None or not shared.is_dir():
        # As in VLMEvalKit: a variable that names no folder counts as unset.
        shared = Path.home() / "LMUData"
    return [*([data_dir] if data_dir else []), *([shared] if shared.is_dir() else []), home_folder() / "data"]


def find_file(file: DataFile, data_dir: Path | None = None) -> Path | None:
    """The first file of that name, whatever is in it; a bundled one comes from the package alone."""
    return next(_candidates(file, data_dir), None)


def require_file(file: DataFile, data_dir: Path | None = None, *, accept_changed: bool = False) -> Path:
    """The file with a published checksum, or with none known; a DataError that says how to get it.

    The current version wins over an older one, wherever each lies. With `accept_changed` the first
    file of that name is taken as it is.
    """
    found = list(_candidates(file, data_dir))
    if not found:
        raise _missing(file, data_dir)
    if accept_changed or file.bundled or not file.md5:
        return found[0]
    states = {path: checksum_state(file, path) for path in found}
    for wanted in ("current", "older"):
        for path, state in states.items():
            if state == wanted:
                return path
    raise _different(file, found[0])


def checksum_state(file: DataFile, path: Path) -> ChecksumState:
    """How the MD5 of a file relates to the published ones."""
    if not file.md5:
        return "unknown"
    found = file_digest(path, "md5")
    if found == file.md5[0]:
        return "current"
    return "older" if found in file.md5 else "different"


def get_command(file: DataFile) -> str:
    """The command that downloads this file."""
    return file.command or f"vlmbench data get {Path(file.name).stem}"


def _candidates(file: DataFile, data_dir: Path | None) -> Iterator[Path]:
    if file.bundled:
        from importlib.resources import files

        shipped = Path(str(files("vlmbench.benchmarks") / "data" / file.name))
        if shipped.is_file():
            yield shipped
        return
    for folder in folders(data_dir):
        if (path := folder / file.name).is_file():
            yield path


def _missing(file: DataFile, data_dir: Path | None) -> DataError:
    if file.bundled:
        return DataError(
            "this file belongs to vlmbench and is not there.", file=file.name, fix="Install it again."
        )
    looked = folders(data_dir)
    where = f"no such file in {', '.join(map(str, looked))}."
    if file.url is None:
        return DataError(
            f"{where} Nobody offers it for download.",
            file=file.name,
            fix=f"Put it into {looked[0]}; `vlmbench show {Path(file.name).stem}` says what it is made of.",
        )
    return DataError(
        f"{where} It comes from {file.url}.",
        file=file.name,
        fix=f"Get it with `{get_command(file)}`, or put it into {looked[0]} yourself.{_on_hub(file)}",
    )


def _on_hub(file: DataFile) -> str:
    return f" `--data-dir {HUB}` reads the same rows from {file.dataset}." if file.dataset else ""


def _different(file: DataFile, path: Path) -> DataError:
    what = f"its MD5 is {file_digest(path, 'md5')}, the published file's is {' or '.join(file.md5)}."
    fix = f"Get that one with `{get_command(file)}`, or use yours knowingly with --accept-local-data."
    return DataError(what, file=path, fix=fix)
