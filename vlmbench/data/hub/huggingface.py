"""The Hugging Face Hub, or a mirror that `VLMBENCH_MIRROR` or `HF_ENDPOINT` names, through `huggingface_hub`.

The client takes its token from its own place, resumes a download after an interruption and keeps files in its
cache, where `datasets` and `hf cache` find them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from vlmbench.data.disk import writing
from vlmbench.data.hub.client_errors import endpoint, plain_errors
from vlmbench.data.hub.files import HubFile, Report, part_of
from vlmbench.data.hub.reference import HubReference
from vlmbench.data.mirrors import client_options
from vlmbench.errors import DataError


class HuggingFace:
    """The hub as the client sees it."""

    @property
    def folder(self) -> Path:
        """The client's cache."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE)

    def commit(self, reference: HubReference) -> str:
        """What the revision stands for now; `main` where the reference has none."""
        from huggingface_hub import HfApi

        with _plain_errors(reference):
            info = HfApi(**client_options()).dataset_info(reference.repository, revision=reference.revision)
        if info.sha is None:
            raise DataError(f"{endpoint()} names no commit of {reference.repository}.")
        return info.sha

    def files(self, reference: HubReference, commit: str) -> Sequence[HubFile]:
        """Every file at a commit: large ones by their SHA-256, small ones by git's digest."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        with _plain_errors(reference):
            entries = HfApi(**client_options()).list_repo_tree(
                reference.repository, recursive=True, revision=commit, repo_type="dataset"
            )
            return [_file(entry) for entry in entries if isinstance(entry, RepoFile)]

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
        """The file in the client's cache, or in a folder, under its own name."""
        from huggingface_hub import hf_hub_download

        fix = f"Free some space; what came so far is kept, and {reference} goes on from there."
        with writing(into or self.folder, file.path, file.size, fix), _plain_errors(reference):
            return Path(
                hf_hub_download(
                    reference.repository,
                    file.path,
                    repo_type="dataset",
                    revision=commit,
                    force_download=again,
                    local_dir=into,
                    tqdm_class=_bar(report),
                    **client_options(),
                )
            )

    def here(self, reference: HubReference, commit: str, file: HubFile) -> Path | None:
        """The file in the client's cache; None where it was not downloaded."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(reference.repository, file.path, repo_type="dataset", revision=commit)
        return Path(found) if isinstance(found, str) else None

    @contextmanager
    def part(
        self, reference: HubReference, commit: str, file: HubFile, first: int, end: int
    ) -> Iterator[Iterator[bytes]]:
        """Some of the file's bytes, from the hub or from where it sends the client."""
        from huggingface_hub import constants, hf_hub_url
        from huggingface_hub.utils import (  # type: ignore[attr-defined] # documented there, not in __all__
            build_hf_headers,
            hf_raise_for_status,
            http_stream_backoff,
        )

        options = client_options()
        address = hf_hub_url(
            reference.repository,
            file.path,
            repo_type="dataset",
            revision=commit,
            endpoint=options.get("endpoint"),
        )
        headers = {"Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
        with (
            _plain_errors(reference),
            http_stream_backoff(
                "GET",
                address,
                headers=build_hf_headers(token=options.get("token")) | headers,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                follow_redirects=True,
                retry_on_exceptions=(),
                retry_on_status_codes=(408, 429),
            ) as answer,
        ):
            hf_raise_for_status(answer)
            yield part_of(answer, file, first)


def _file(entry: Any) -> HubFile:
    digest = f"sha256:{entry.lfs.sha256}" if entry.lfs is not None else f"git:{entry.blob_id}"
    return HubFile(entry.path, entry.size, digest)


def _bar(report: Report) -> Any:
    """A class that the client can use for its progress bars."""

    class Bar:
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            report(initial)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: float | None = 1) -> None:
            report(int(n or 0))

    return Bar


def _plain_errors(reference: HubReference) -> AbstractContextManager[None]:
    copy = f"ms:{reference.repository}/{reference.split}"
    return plain_errors(
        "dataset",
        reference.repository,
        shown=str(reference),
        revision=reference.revision,
        otherwise=f"where ModelScope has a copy, `{copy}` reads that.",
    )
