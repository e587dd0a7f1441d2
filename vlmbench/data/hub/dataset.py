"""A split of a hub's dataset as files on this machine, which come when they are asked for.

    dataset = open_hub_dataset(parse_hub_reference("hf:OWNER/NAME/test"))
    for shard in dataset.shards():
        ...                              # stop early, and the rest is never downloaded

VLMBENCH_HOME/hub keeps which commit a reference stood for and which files belong to it: with a commit as
the revision, or without a network, later uses ask nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from vlmbench.data.disk import home_folder, require_room
from vlmbench.data.hub.files import Hub, HubFile, HubUnreachable, Report, is_whole
from vlmbench.data.hub.layout import CARDS, find_split, read_card, rows_of
from vlmbench.data.hub.reference import HubReference
from vlmbench.data.hub.remote_file import RemoteFile
from vlmbench.data.mirrors import VARIABLE, mirrors
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import object_or_none
from vlmbench.terminal.progress import Progress

_VERSION = 2
"""Raise it when the rules of `layout` change; what was found under older ones is looked for again."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """One split at one commit."""

    reference: HubReference
    commit: str
    config: str
    format: str
    """parquet, arrow, json, csv, imagefolder or webdataset."""
    files: tuple[HubFile, ...]
    """In the order in which the rows are read."""
    rows: int | None = None
    """As many as the dataset's card says; None where it does not."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def missing(self) -> int:
        """Bytes of the files that were not downloaded to this machine."""
        hub = _hub(self.reference)
        return sum(f.size for f in self.files if hub.here(self.reference, self.commit, f) is None)

    @property
    def folder(self) -> Path:
        """Where downloaded files lie."""
        return _hub(self.reference).folder

    @property
    def place(self) -> str:
        """The environment variable that moves `folder`."""
        return "HF_HOME" if self.reference.hub == "hf" else "VLMBENCH_HOME"

    def fetch(self, report: Report) -> None:
        """Download every file that is not here; `report` gets the bytes as they come."""
        for file in self.files:
            self._fetch(file, report)

    def shards(self, *, quiet: bool = False, other: str | None = None) -> Iterator[Path]:
        """Each file in order, downloaded (unless it is here) and verified when the iterator comes to it.

        A DataError where the disk has no room for all that is missing; `other` is a way to need less of it.
        """
        self._require_room(other)
        with Progress(f"downloading {self.reference}", "MB", total=self.size / 1e6, quiet=quiet) as progress:
            done = 0
            for file in self.files:
                came = 0

                def report(n: int) -> None:
                    nonlocal came
                    came += n
                    progress.update((done + came) / 1e6)  # noqa: B023 - called before the next file only

                yield self._fetch(file, report)
                done += file.size

    def here(self, file: HubFile) -> Path | None:
        """The file where it was downloaded whole; None where it was not."""
        path = _hub(self.reference).here(self.reference, self.commit, file)
        return path if path is not None and is_whole(path, file) else None

    def remote(self, file: HubFile) -> RemoteFile:
        """The file for reading parts of it."""
        stream = partial(_hub(self.reference).part, self.reference, self.commit, file)
        return RemoteFile(file, stream, self.here(file))

    def _require_room(self, other: str | None) -> None:
        fix = f"Let {self.place} name a folder on a larger disk."
        if other is None and self.format == "parquet":
            other = "`--limit 50` reads only the pictures of 50 questions"
        fix = f"{other}, or let {self.place} name a larger disk." if other else fix
        require_room(self.folder, f"{self.reference}", self.missing, fix)

    def download(self, file: HubFile, into: Path) -> Path:
        """One file, verified, in a folder of the caller's, under its path in the repository."""
        return self._fetch(file, lambda _: None, into)

    def _fetch(self, file: HubFile, report: Report, into: Path | None = None) -> Path:
        hub = _hub(self.reference)
        for again in (False, True):
            path = hub.fetch(self.reference, self.commit, file, again=again, report=report, into=into)
            if is_whole(path, file):
                RemoteFile(file, partial(hub.part, self.reference, self.commit, file), path).discard()
                return path
        raise DataError(
            f"{file.path} of {self.reference} is broken: its bytes are not those that the hub lists "
            f"({file.digest or file.size}), after a second download too.",
            file=path,
            fix="Try again later; if it stays so, tell the dataset's owner.",
        )


def open_hub_dataset(reference: HubReference, *, quiet: bool = False) -> HubDataset:
    """Find the split's files without downloading them; a UserError says what is wrong with the reference."""
    known = _recall(reference)
    if known is not None and reference.names_a_commit:
        return known
    if reference.hub == "hf" and mirrors().modelscope:
        return _from_modelscope(reference, known, quiet=quiet)
    hub = _hub(reference)
    try:
        commit = hub.commit(reference)
    except HubUnreachable:
        if known is None:
            raise
        Progress(quiet=quiet).say(
            f"{reference}: the hub cannot be asked now; this is commit {known.commit[:12]} of the last use"
        )
        return known
    if known is not None and known.commit == commit:
        return known
    found = _look(hub, reference, commit)
    _remember(found)
    return found


def is_kept(reference: HubReference) -> bool:
    """Whether all of it was downloaded to this machine, as far as names and sizes show."""
    known = _recall(reference)
    if known is None:
        return reference.hub == "hf" and mirrors().modelscope and is_kept(_there(reference))
    hub = _hub(reference)
    places = [hub.here(reference, known.commit, file) for file in known.files]
    return all(
        path is not None and path.stat().st_size == file.size
        for path, file in zip(places, known.files, strict=True)
    )


def _from_modelscope(reference: HubReference, known: HubDataset | None, *, quiet: bool) -> HubDataset:
    """The dataset of the same name there, whose commits are others; what came from the hub before is good."""
    if known is not None and is_kept(reference):
        return known
    there = _there(reference)
    Progress(quiet=quiet).say(f"{reference} is read from {there}, because {VARIABLE} names ModelScope")
    return open_hub_dataset(there, quiet=quiet)


def _there(reference: HubReference) -> HubReference:
    """The same split on ModelScope; no commit of the hub is one there, and its `main` is `master`."""
    own = reference.names_a_commit or reference.revision == "main"
    return replace(reference, hub="ms", revision=None if own else reference.revision)


def _look(hub: Hub, reference: HubReference, commit: str) -> HubDataset:
    listed = {file.path: file for file in hub.files(reference, commit)}
    texts = {
        name: hub.fetch(reference, commit, listed[name], again=False, report=lambda _: None).read_text(
            "utf-8", "replace"
        )
        for name in CARDS
        if name in listed
    }
    card = read_card(texts)
    split = find_split(reference, list(listed), card)
    files = tuple(listed[path] for path in split.files)
    rows = rows_of(card, split.config, reference.split)
    return HubDataset(reference, commit, split.config, split.format, files, rows)


def _hub(reference: HubReference) -> Hub:
    if reference.hub == "hf":
        from vlmbench.data.hub.huggingface import HuggingFace

        return HuggingFace()
    from vlmbench.data.hub.modelscope import ModelScope

    return ModelScope()


def _note(reference: HubReference) -> Path:
    name = hashlib.sha256(str(reference).encode()).hexdigest()[:24]
    return home_folder() / "hub" / f"{name}.json"


def _recall(reference: HubReference) -> HubDataset | None:
    note = object_or_none(_note(reference))
    if note is None or note.get("version") != _VERSION or note.get("reference") != str(reference):
        return None
    try:
        files = tuple(HubFile(**file) for file in note["files"])
        return HubDataset(reference, note["commit"], note["config"], note["format"], files, note["rows"])
    except (KeyError, TypeError):  # damaged: look again
        return None


def _remember(dataset: HubDataset) -> None:
    note = _note(dataset.reference)
    document = asdict(dataset) | {"version": _VERSION, "reference": str(dataset.reference)}
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(note) as aside:
            aside.write_text(json.dumps(document), "utf-8")
    except OSError:  # a full or read-only disk costs time, not correctness
        return
