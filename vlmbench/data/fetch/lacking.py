"""What benchmarks lack on this machine, and where each would come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from vlmbench.data.disk import home_folder
from vlmbench.data.fetch.remote_size import remote_size
from vlmbench.data.hub.dataset import open_hub_dataset
from vlmbench.data.hub.reference import is_hub_reference, parse_hub_reference
from vlmbench.data.locate import HUB, checksum_state, find_file
from vlmbench.data.mirrors import hub_page, is_of_hub, mirrored
from vlmbench.data.opening import has_hub_copy
from vlmbench.domain import Card, DataFile
from vlmbench.errors import UserError

_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """The data of a benchmark that is not on this machine."""

    benchmark: str
    file: DataFile
    licence: str = ""
    as_dataset: bool = False
    """Whether the card's dataset comes instead of its file."""
    size: int | None = None
    """In bytes; None: not asked, or the server does not say."""
    came: int = 0
    """Bytes that an interrupted download left."""
    trouble: str = ""
    """Why the server would not send it."""

    @property
    def source(self) -> str:
        """Where it comes from: a host, or a dataset's name; empty where nobody offers it."""
        if self.as_dataset:
            return self.file.dataset
        if self.file.url is None:
            return ""
        host = urlsplit(self.file.url).netloc
        asked = urlsplit(mirrored(self.file.url)).netloc
        return host if host == asked else f"{asked} (for {host})"

    @property
    def page(self) -> str:
        """A page that says more of it: the dataset's on the hub, else the address itself."""
        if self.as_dataset and is_hub_reference(self.file.dataset):
            return f"https://huggingface.co/datasets/{parse_hub_reference(self.file.dataset).repository}"
        url = self.file.url or ""
        return hub_page(url) if is_of_hub(url) else url

    @property
    def decoded(self) -> int:
        """About how many bytes its decoded table takes, beside the file.

        Measured on 200 photographs: 0.75 of a TSV, whose pictures are base64, and 1.01 of a parquet.
        """
        factor = 1.05 if self.as_dataset else 0.8
        return 0 if self.size is None else int(factor * self.size)


def download_folder(data_dir: Path | None) -> Path:
    """Where downloaded files go."""
    return home_folder() / "data" if data_dir is None or data_dir == HUB else data_dir


def lacking(cards: Iterable[Card], data_dir: Path | None = None) -> list[Lacking]:
    """What is not here of benchmarks that are named by a card. Nobody is asked.

    A file with another checksum is here: opening it says what is wrong. So is a dataset that was named
    itself, and what `--data-dir hub` names.
    """
    found = []
    for card in cards:
        file = card.file
        own = file.dataset and (file.name == file.dataset or not is_hub_reference(file.dataset))
        asked_for = bool(file.dataset) and data_dir == HUB
        if own or asked_for or file.bundled or find_file(file, data_dir) is not None or has_hub_copy(file):
            continue
        found.append(lacking_of(card, data_dir))
    return found


def lacking_of(card: Card, data_dir: Path | None = None) -> Lacking:
    """The data of one benchmark, whether it is here or not."""
    file = card.file
    dataset = bool(file.dataset) and (file.url is None or data_dir == HUB)
    return Lacking(benchmark=card.name, file=file, licence=card.licence, as_dataset=dataset)


def is_current(one: Lacking, data_dir: Path | None) -> Path | None:
    """The file where it is here as it was published last, or without a published checksum."""
    here = None if one.as_dataset else find_file(one.file, data_dir)
    if here is None or one.file.bundled or checksum_state(one.file, here) in ("current", "unknown"):
        return here
    return None


def with_sizes(missing: Sequence[Lacking], into: Path) -> list[Lacking]:
    """The same with the size of each, as the servers say."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda one: _with_size(one, into), missing))


def _with_size(one: Lacking, into: Path) -> Lacking:
    try:
        if one.as_dataset:
            dataset = open_hub_dataset(parse_hub_reference(one.file.dataset), quiet=True)
            came = dataset.size - dataset.missing
            return replace(one, size=dataset.size, came=came)
        if one.file.url is None:
            return one
        part = into / f"{one.file.name}.part"
        size = remote_size(one.file.url)
        came = part.stat().st_size if part.is_file() else 0
        return replace(one, size=size, came=min(came, size or 0))
    except UserError as error:
        return replace(one, trouble=f"{error.what} {error.fix or ''}".strip())
