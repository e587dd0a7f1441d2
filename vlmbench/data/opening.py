"""The table of a benchmark, from its TSV or from the dataset that its card names beside it or instead."""

from __future__ import annotations

from pathlib import Path

from vlmbench.data.locate import HUB, require_file
from vlmbench.data.table import Table, open_table
from vlmbench.domain import DataFile


def open_data_file(file: DataFile, data_dir: Path | None = None, *, accept_changed: bool = False) -> Table:
    """The TSV, found and verified; the card's dataset where `is_read_as_dataset`."""
    if not is_read_as_dataset(file, data_dir):
        return open_table(require_file(file, data_dir, accept_changed=accept_changed))
    from vlmbench.data.sources.opening import OBJECT, open_dataset, open_kept

    if file.dataset.startswith(OBJECT):
        return open_kept(file.dataset, file.name)
    return open_dataset(file.dataset, file.columns)


def is_read_as_dataset(file: DataFile, data_dir: Path | None = None) -> bool:
    """Whether the card names a dataset, and there is no TSV beside it or `data_dir` is `hub`."""
    return bool(file.dataset) and (not file.url or data_dir == HUB)
