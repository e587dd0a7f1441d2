"""Every error vlmbench raises on purpose.

    VlmbenchError
    └── UserError            the user can mend it; shown as one paragraph, no traceback, exit 1
        ├── UsageError       the command line is wrong, exit 2
        ├── UnknownName      a name that nothing answers to; suggests the nearest, exit 2
        ├── DataError        a benchmark's file is missing, damaged or not the published one
        ├── PredictionsError a predictions file that cannot be scored as it is
        ├── ModelError       a model folder that is missing, broken or of another kind
        └── RunFolderError   a run folder that is locked, foreign, or of another version
            └── SpecChanged  the folder holds answers to another question

Some are UsageErrors and of another kind at once: NoSuchModel, NoSuchData, NoSuchPredictions and NoSuchRun,
for what the command line names and nothing is, and ModelUsageError, for what a model does not do.

Whatever is not in this tree is our mistake and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

SCREEN = 2000
"""Characters of the longest error; a stranger's file may hold a name of any length."""


def within_screen(text: str) -> str:
    """The text without its middle where it is too long: where it is wrong, and what mends it, stay."""
    end = SCREEN // 4
    return text if len(text) <= SCREEN else f"{text[: SCREEN - end - 3]} … {text[-end:]}"


class VlmbenchError(Exception):
    """Root of everything raised on purpose."""

    exit_code = 1


class UserError(VlmbenchError):
    """Something the user can mend: what is wrong, where, and the command that mends it."""

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        row: str | int | None = None,
        key: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.what, self.file, self.row, self.key, self.fix = what, file, row, key, fix
        super().__init__(self.text())

    def places(self) -> list[str]:
        """File, row and column, those that are known."""
        parts = [str(self.file)] if self.file is not None else []
        parts += [f"row {self.row}"] if self.row is not None else []
        return [*parts, f"`{self.key}`"] if self.key is not None else parts

    def where(self) -> str:
        """The place, as `file, row, column`, with only the parts that are known."""
        return ", ".join(self.places())

    def text(self) -> str:
        """The whole message as one paragraph."""
        where = self.where()
        message = f"{where}: {self.what}" if where else self.what
        return within_screen(f"{message} {self.fix}" if self.fix else message)


class UsageError(UserError):
    """The command line asks for something that cannot be."""

    exit_code = 2


_SHOWN = 12
"""Known names in an error that shows all of them; of more, only the nearest."""
_NEAREST = 5


class UnknownName(UserError):
    """A benchmark, model, rule set or style that nothing answers to."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str], *, fix: str | None = None) -> None:
        names = sorted(known)
        near = _nearest(name, names, cutoff=0.5)
        if near:
            hint = f"Did you mean {' or '.join(near)}?"
        elif len(names) > _SHOWN:
            hint = f"The nearest of {len(names)}: {', '.join(_nearest(name, names, cutoff=0.0))}."
        else:
            hint = f"Known: {', '.join(names) or 'none'}."
        super().__init__(f"there is no {kind} named `{name}`. {hint}", fix=fix)


def _nearest(name: str, known: Iterable[str], cutoff: float) -> list[str]:
    """The names most like this one; first those that hold it whole, the shortest first."""
    by_lower: dict[str, list[str]] = {}
    for known_name in known:
        by_lower.setdefault(known_name.lower().replace("-", "_"), []).append(known_name)
    word = name.lower().replace("-", "_")
    holding = [other for other in by_lower if len(word) > 2 and word in other]
    similar = difflib.get_close_matches(word, list(by_lower), n=_NEAREST, cutoff=cutoff)
    near = dict.fromkeys([*sorted(holding, key=len), *similar])
    return [known_name for other in near for known_name in by_lower[other]][:_NEAREST]


class DataError(UserError):
    """A benchmark's file is missing, damaged, or not the published one."""


class PredictionsError(UserError):
    """A predictions file that cannot be scored as it is."""


class ModelError(UserError):
    """A model that cannot be loaded or is of another kind."""


class RunFolderError(UserError):
    """A run folder that is in use, damaged, or written by another version."""


class NoSuchModel(UsageError, ModelError):
    """The command line names a model that is not there."""


class ModelUsageError(UsageError, ModelError):
    """The command line asks of a model what it does not do."""


class NoSuchData(UsageError, DataError):
    """The command line names a file of data that is not there."""


class NoSuchPredictions(UsageError, PredictionsError):
    """The command line names predictions that are not there, or a file that cannot be any."""


class NoSuchRun(UsageError, RunFolderError):
    """The command line names a run folder that is not there."""


class SpecChanged(RunFolderError):
    """The run folder holds answers to another question than the one asked now."""
