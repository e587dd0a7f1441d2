"""What a reader must know about a benchmark, and the file that it is read from. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """The file a benchmark is read from."""

    name: str
    """File name, as looked for in the data folders."""
    url: str | None = None
    md5: tuple[str, ...] = ()
    """Accepted checksums, the current one first; empty when none was ever published."""
    bundled: bool = False
    """Shipped inside vlmbench (the synthetic sets)."""
    command: str = ""
    """What downloads it, where that is not `vlmbench data get`."""
    dataset: str = ""
    """The same rows as a dataset: a path, or hf:OWNER/NAME@COMMIT/SPLIT; see vlmbench/data/opening.py."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What the dataset's columns are, in the form of the YAML; what it lacks is recognised."""
    words: str = ""
    """What `words_digest` of `vlmbench/data/opening.py` gives of the TSV; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a reader must know of a benchmark before believing its number."""

    name: str
    measures: str
    family: str
    """`multiple-choice`, `yes-no`, `short-answer`, …"""
    file: DataFile
    languages: tuple[str, ...] = ("en",)
    licence: str = ""
    source: str = ""
    paper: str = ""
    splits: tuple[str, ...] = ()
    rows: int | None = None
    groups: int | None = None
    circular: bool = False
    answers: bool = True
    """False for test sets whose file has none: without `answers_file` the run ends in a submission file."""
    answers_file: DataFile | None = None
    """Where the answers to a file without any were published later; `vlmbench score --answers` joins them."""
    judge: bool = False
    """True where there is no figure before a judge has read the answers."""
    original: str = ""
    """The authors' evaluator that the rule set `original` equals: repository, commit, script, if any."""
    quoted: str = ""
    """Which figure published tables quote."""
    record: str = ""
    """One raw record, for the eye."""
