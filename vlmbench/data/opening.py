"""The table of a benchmark, from its TSV or from the dataset that its card names beside it or instead.

The TSV wins, for its checksum is the published one. The dataset is read with `--data-dir hub`, where it is on
this machine and the TSV is not, and where there never was a TSV. Where the words of the TSV's rows are known,
those of the dataset must be the same, row for row.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.data.hub.reference import is_hub_reference, parse_hub_reference
from vlmbench.data.locate import HUB, find_file, get_command, require_file
from vlmbench.data.table import Table, open_table
from vlmbench.domain import DataFile
from vlmbench.errors import DataError

if TYPE_CHECKING:
    from vlmbench.data.sources.limited.split import Choose

_BETWEEN_WORDS = re.compile(r"[\W_]+")


def open_data_file(
    file: DataFile,
    data_dir: Path | None = None,
    *,
    accept_changed: bool = False,
    choose: Choose | None = None,
) -> Table:
    """The TSV, found and verified; the card's dataset where `is_read_as_dataset`.

    Of a hub's dataset only the pictures of the rows that `choose` names are fetched, if it is given.
    """
    if not is_read_as_dataset(file, data_dir):
        return open_table(require_file(file, data_dir, accept_changed=accept_changed))
    from vlmbench.data.sources.opening import OBJECT, open_dataset, open_kept

    if file.dataset.startswith(OBJECT):
        return open_kept(file.dataset, file.name)
    table = open_dataset(file.dataset, file.columns, choose=choose)
    if file.words and not accept_changed and words_digest(table) != file.words:
        raise _other_rows(file, table)
    return table


def words_digest(table: Table) -> str:
    """A digest of index, question and answer of every row in order, without regard to blanks, case and signs.

    So it is the same for a TSV and for a spreadsheet that a toolkit made of it.
    """
    digest = hashlib.sha256()
    for row in table.rows(to_ask=False):
        texts = (row.index, row.cells.get("question", ""), row.cells.get("answer", ""))
        digest.update("\t".join(_BETWEEN_WORDS.sub("", text.lower()) for text in texts).encode() + b"\n")
    return digest.hexdigest()[:32]


def _other_rows(file: DataFile, table: Table) -> DataError:
    return DataError(
        f"the rows of {table.origin} are not those of {file.name}: an index, question or answer differs.",
        file=file.name,
        fix=f"Get the TSV with `{get_command(file)}`; `--bench {file.dataset}` asks this dataset as a "
        "benchmark of its own.",
    )


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
