"""A model of ModelScope as a folder on this machine, with the files that are wanted.

VLMBENCH_HOME/modelscope/models/OWNER--NAME
    COMMIT/      its files, each verified by the digest that ModelScope lists
    master       the commit of the last use, which is taken where ModelScope cannot be asked
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from vlmbench.data.disk import require_room
from vlmbench.data.hub.files import HubFile, HubUnreachable, is_whole
from vlmbench.data.hub.modelscope import ModelScope
from vlmbench.data.hub.reference import HubReference
from vlmbench.errors import DataError, ModelError
from vlmbench.files.atomic import atomic_file
from vlmbench.terminal.progress import Progress

_FIX = "Let VLMBENCH_HOME name a folder on a larger disk."


def model_snapshot(repository: str, wanted: Sequence[str], left_out: Sequence[str] = ()) -> Path:
    """The folder with the files whose paths match a pattern of `wanted` and none of `left_out`."""
    hub, reference = ModelScope("model"), HubReference("ms", repository, "")
    place = hub.folder / repository.replace("/", "--")
    try:
        commit = hub.commit(reference)
        listed = hub.files(reference, commit)
    except HubUnreachable as error:
        if (kept := _kept(place)) is None:
            raise ModelError(error.what, file=error.file, fix=error.fix) from error
        Progress().say(f"{reference}: ModelScope cannot be asked now; this is what came with the last use")
        return kept
    except DataError as error:
        raise ModelError(error.what, file=error.file, fix=error.fix) from error
    files = [file for file in listed if _matches(file.path, wanted) and not _matches(file.path, left_out)]
    _fetch(hub, reference, commit, files)
    folder = place / commit
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(OSError), atomic_file(place / "master") as aside:
        aside.write_text(commit, "utf-8")
    return folder


def kept_model(name: str) -> Path | None:
    """The folder of the last use of OWNER/NAME or ms:OWNER/NAME; nobody is asked."""
    return _kept(ModelScope("model").folder / name.removeprefix("ms:").replace("/", "--"))


def _kept(place: Path) -> Path | None:
    with suppress(OSError, ValueError):  # a name may be anything
        folder = place / (place / "master").read_text("utf-8").strip()
        return folder if folder.is_dir() else None
    return None


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _fetch(hub: ModelScope, reference: HubReference, commit: str, files: Sequence[HubFile]) -> None:
    missing = [file for file in files if hub.here(reference, commit, file) is None]
    total = sum(file.size for file in missing)
    require_room(hub.folder, str(reference), total, _FIX)
    with Progress(f"downloading {reference}", "MB", total=total / 1e6) as progress:
        came = 0

        def report(n: int) -> None:
            nonlocal came
            came += n
            progress.update(came / 1e6)

        for file in missing:
            path = hub.fetch(reference, commit, file, again=False, report=report)
            if not is_whole(path, file):
                path.unlink()
                raise ModelError(
                    f"its bytes are not those that ModelScope lists ({file.digest or file.size}); "
                    "nothing of it was kept.",
                    file=f"{reference}/{file.path}",
                    fix="Try again later.",
                )
