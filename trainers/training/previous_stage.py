"""Where a stage finds what the stage before left."""

from __future__ import annotations

from pathlib import Path

from vlmbench.trainers.training.job import MODEL


def left_by(named: str, work_dir: Path) -> Path | None:
    """A file or folder as named, in any layout that can be read, or the finished model of a work folder.

    A name alone is that of a recipe, whose work folder lies beside this one. None where nothing is there.
    """
    from vlmbench.checkpoints.formats.layout import guess

    path = Path(named).expanduser()
    found = path if path.exists() else work_dir.parent / named
    if (found / MODEL).is_dir():
        return found / MODEL
    return found if found.is_file() or (found.is_dir() and guess(found) is not None) else None
