"""The table of a benchmark, from its TSV or from the dataset that its card names beside it or instead.

The TSV wins, for its checksum is the published one. The dataset is read with `--data-dir hub`, where it is on
this machine and the TSV is not, and where there never was a TSV.
"""

from __future__ import annotations

from pathlib import Path

from vlmbench.data.hub.reference import is_hub_reference, parse_hub_reference
from vlmbench.data.locate import HUB, find_file, require_file
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
    """Whether the rows come from the dataset that the card names, if it names one."""
    if not file.dataset or data_dir == HUB:
        return bool(file.dataset)
    if file.name == file.dataset or not is_hub_reference(file.dataset):
        return True  # the user's own data
    if find_file(file, data_dir) is not None:
        return False
    return file.url is None or has_hub_copy(file)


def has_hub_copy(file: DataFile) -> bool:
    """Whether the dataset of a hub that the card names, if it names one, is on this machine."""
    if not is_hub_reference(file.dataset):
        return False
    from vlmbench.data.hub.dataset import is_kept

    return is_kept(parse_hub_reference(file.dataset))
