"""A file as a hub lists it, the errors of hubs, and what a hub can do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vlmbench.data.disk import file_digest
from vlmbench.data.hub.reference import HubReference
from vlmbench.errors import DataError

Report = Callable[[int], None]
"""Takes the number of bytes that came since it was last called; negative where some came in vain."""


class HubUnreachable(DataError):
    """The hub cannot be asked now; what was downloaded before may be good enough."""


class HubMissing(DataError):
    """The hub does not have it, or does not show it to this machine."""


def offline(shown: str) -> HubUnreachable:
    """The error of what HF_HUB_OFFLINE keeps away."""
    return HubUnreachable(
        f"{shown} was not downloaded to this machine, and HF_HUB_OFFLINE forbids to ask the hub.",
        fix="Unset it for the first use; later ones need no network.",
    )


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int
    digest: str
    """`sha256:…`, `git:…` (the SHA-1 of git's blob), or empty where the hub lists none."""


class RangesIgnored(Exception):
    """The server sends whole files only: it answers a request for a part with everything."""


class Hub(Protocol):
    """What one hub does for a dataset. Each method raises a DataError that says what to do."""

    @property
    def folder(self) -> Path:
        """Where downloaded files lie."""

    def commit(self, reference: HubReference) -> str:
        """What the revision stands for now."""

    def files(self, reference: HubReference, commit: str) -> Sequence[HubFile]:
        """Every file of the repository at a commit."""

    def fetch(
        self,
        reference: HubReference,
        commit: str,
        file: HubFile,
        *,
        again: bool,
        report: Report,
        into: Path | None = None,
    ) -> Path:
        """The file on this machine, downloaded unless it is here; with `again` downloaded anyway.

        `into`: a folder to keep it in, under its path in the repository, instead of the usual cache.
        """

    def here(self, reference: HubReference, commit: str, file: HubFile) -> Path | None:
        """The file where it was downloaded before; nobody is asked."""

    def part(
        self, reference: HubReference, commit: str, file: HubFile, first: int, end: int
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes from `first` up to, without, `end`, as they come; raises RangesIgnored."""


class RangeReply(Protocol):
    """What a server answers, in the words of httpx and of the client that the hub's own library uses."""

    status_code: int
    headers: Any

    def iter_bytes(self) -> Iterator[bytes]:
        """The body, as it comes."""


def part_of(answer: RangeReply, file: HubFile, first: int) -> Iterator[bytes]:
    """The body of an answer with a part of the file; raises RangesIgnored where it is another one."""
    length = re.fullmatch(rf"bytes {first}-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
    if answer.status_code != 206 or length is None or answer.headers.get("content-encoding"):
        raise RangesIgnored
    if length[1] not in ("*", str(file.size)):
        raise DataError(
            f"the hub lists {file.size} bytes and its server has {length[1]}.",
            file=file.path,
            fix="Try again later.",
        )
    return answer.iter_bytes()


def is_whole(path: Path, file: HubFile) -> bool:
    """Whether the bytes on the disk are those that the hub lists."""
    if path.stat().st_size != file.size:
        return False
    kind, _, digest = file.digest.partition(":")
    if kind == "sha256":
        return file_digest(path, "sha256") == digest
    if kind == "git":
        blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        with path.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                blob.update(chunk)
        return blob.hexdigest() == digest
    return True
