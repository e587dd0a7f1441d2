"""The table of a benchmark, from its TSV or from the dataset that its card names."""

from __future__ import annotations

from pathlib import Path

from vlmbench.data.locate import find_file, require_file
from vlmbench.data.table import Table, open_table
from vlmbench.domain import DataFile


def open_data_file(file: DataFile, data_dir: Path | None = None, *, accept_changed: bool = False) -> Table:
    """The TSV, found and verified; where there is none and the card names a dataset, that."""
    if not file.dataset or (file.url and find_file(file, data_dir)):
        return open_table(require_file(file, data_dir, accept_changed=accept_changed))
    from vlmbench.data.sources.opening import OBJECT, open_dataset, open_kept

    if file.dataset.startswith(OBJECT):
        return open_kept(file.dataset, file.name)
    return open_dataset(file.dataset, file.columns)
