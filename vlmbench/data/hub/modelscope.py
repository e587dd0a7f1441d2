"""ModelScope, for places that the Hugging Face Hub does not reach. `MODELSCOPE_ENDPOINT` names a mirror.

It is asked by name (`ms:`), and in place of the other hub only where the user says so (`VLMBENCH_MIRROR`): an
owner of the same name may be somebody else there. Public datasets and models only: no token is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from vlmbench.data.disk import home_folder
from vlmbench.data.download import download, is_offline
from vlmbench.data.hub.files import HubFile, HubUnreachable, Report, offline, part_of
from vlmbench.data.hub.reference import HubReference
from vlmbench.data.mirrors import Kind, modelscope_endpoint, modelscope_file
from vlmbench.domain import DataFile
from vlmbench.errors import DataError
from vlmbench.files.reply_body import Excess, fetched
from vlmbench.plain_text import visible

_PAGE, _MOST_PAGES = 200, 2500
_MOST_OF_LISTING = 16_000_000


@dataclass(frozen=True, slots=True)
class ModelScope:
    """The hub through its HTTP interface."""

    kind: Kind = "dataset"

    @property
    def folder(self) -> Path:
        """In vlmbench's home folder."""
        return home_folder() / "modelscope" / ("models" if self.kind == "model" else "")

    def commit(self, reference: HubReference) -> str:
        """The newest commit of the revision; `master` where the reference has none."""
        branch = reference.revision or "master"
        if reference.names_a_commit:
            return branch
        found = self._ask(reference, "commits", Ref=branch, PageNumber=1, PageSize=1).get("Commit")
        commit = found[0].get("Id") if isinstance(found, list) and found else None
        if not isinstance(commit, str):
            raise DataError(
                f"there is no revision `{branch}` of {reference.repository} on {modelscope_endpoint()}.",
                fix="Its page lists the revisions; `master` is the usual one.",
            )
        return commit

    def files(self, reference: HubReference, commit: str) -> Sequence[HubFile]:
        """Every file at a commit, all by their SHA-256."""
        if self.kind == "model":  # whose listing has no pages
            listed = self._ask(reference, "repo/files", Revision=commit, Recursive="True").get("Files")
            return _files(reference, listed)
        found: list[HubFile] = []
        for page in range(1, _MOST_PAGES + 1):
            entries = self._ask(
                reference, "repo/tree", Revision=commit, Recursive="True", PageNumber=page, PageSize=_PAGE
            ).get("Files")
            found += _files(reference, entries)
            if not isinstance(entries, list) or len(entries) < _PAGE:
                return found
        raise DataError(
            f"{modelscope_endpoint()} lists more than {_MOST_PAGES * _PAGE:,} files.", file=str(reference)
        )

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
        """The file in vlmbench's home folder, in a folder of the commit, or in another folder."""
        path = self._place(reference, commit, file) if into is None else into / file.path
        if path.is_file() and not again:
            return path
        path.unlink(missing_ok=True)
        address = modelscope_file(self.kind, reference.repository, commit, file.path)
        source = DataFile(
            name=path.name,
            url=address,
            command=f"vlmbench show {reference}" if self.kind == "dataset" else "the same command",
        )
        came = 0

        def show(done: int, _: int | None) -> None:
            nonlocal came
            report(done - came)
            came = done

        return download(source, path.parent, progress=show)

    def here(self, reference: HubReference, commit: str, file: HubFile) -> Path | None:
        """The file in vlmbench's home folder; None where it was not downloaded."""
        path = self._place(reference, commit, file)
        return path if path.is_file() else None

    def _ask(self, reference: HubReference, what: str, **query: object) -> Mapping[str, Any]:
        """The `Data` of an answer."""
        import httpx

        if is_offline():
            raise offline(str(reference))
        try:
            at = f"{modelscope_endpoint()}/api/v1/{self.kind}s/{reference.repository}/{what}"
            answer = fetched(f"{at}?{urlencode(query)}", most=_MOST_OF_LISTING, seconds=60.0)
        except (httpx.HTTPError, Excess) as error:
            raise _unreachable(reference, error) from error
        if answer.status_code in (401, 403, 404):
            raise _unknown(self.kind, reference)
        data = _data(answer)
        if answer.status_code != 200 or data is None:
            raise HubUnreachable(
                f"{modelscope_endpoint()} answers {answer.status_code}.", file=str(reference)
            )
        return data

    def _place(self, reference: HubReference, commit: str, file: HubFile) -> Path:
        return self.folder / reference.repository.replace("/", "--") / commit / file.path

    @contextmanager
    def part(
        self, reference: HubReference, commit: str, file: HubFile, first: int, end: int
    ) -> Iterator[Iterator[bytes]]:
        """Some of the file's bytes."""
        import httpx

        if is_offline():
            raise offline(str(reference))
        headers = {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
        address = modelscope_file(self.kind, reference.repository, commit, file.path)
        try:
            with httpx.stream("GET", address, headers=headers, timeout=30.0, follow_redirects=True) as answer:
                if answer.status_code not in (200, 206):
                    raise HubUnreachable(
                        f"{modelscope_endpoint()} answers {answer.status_code}.", file=str(reference)
                    )
                yield part_of(answer, file, first)
        except httpx.HTTPError as error:
            raise _unreachable(reference, error) from error


def _files(reference: HubReference, listed: object) -> list[HubFile]:
    """What a listing holds besides folders."""
    listed = listed if isinstance(listed, list) else []
    entries = (entry if isinstance(entry, dict) else {} for entry in listed)
    return [_file(reference, entry) for entry in entries if entry.get("Type") != "tree"]


def _file(reference: HubReference, entry: Mapping[str, Any]) -> HubFile:
    path, size, digest = entry.get("Path"), entry.get("Size"), entry.get("Sha256") or ""
    if not isinstance(path, str) or not isinstance(size, int) or ".." in path.split("/") or path[:1] == "/":
        raise DataError(
            f"{modelscope_endpoint()} lists a file that has no usable name and size.", file=str(reference)
        )
    return HubFile(path, size, f"sha256:{digest}" if digest else "")


def _unknown(kind: Kind, reference: HubReference) -> DataError:
    return DataError(
        f"there is no public {kind} {reference.repository} on {modelscope_endpoint()}, or no such revision.",
        fix="Check OWNER/NAME and the revision on its page: an owner may have another name there than on the "
        "Hugging Face Hub.",
    )


def _unreachable(reference: HubReference, error: Exception) -> HubUnreachable:
    return HubUnreachable(
        f"{modelscope_endpoint()} cannot be reached ({visible(str(error)) or type(error).__name__}).",
        file=str(reference),
        fix="Check the network; MODELSCOPE_ENDPOINT names a mirror.",
    )


def _data(answer: Any) -> Mapping[str, Any] | None:
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    data = document.get("Data") if isinstance(document, dict) else None
    return data if isinstance(data, dict) else None
