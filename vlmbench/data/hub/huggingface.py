"""The Hugging Face Hub, or a mirror that `HF_ENDPOINT` names, through `huggingface_hub`.

The client takes its token from its own place, resumes a download after an interruption and keeps files in its
cache, where `datasets` and `hf cache` find them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlmbench.data.disk import writing
from vlmbench.data.download import is_offline
from vlmbench.data.hub.files import HubFile, HubUnreachable, Report, offline
from vlmbench.data.hub.reference import HubReference
from vlmbench.errors import DataError, UnknownName
from vlmbench.plain_text import visible


class HuggingFace:
    """The hub as the client sees it."""

    def commit(self, reference: HubReference) -> str:
        """What the revision stands for now; `main` where the reference has none."""
        from huggingface_hub import HfApi

        with _plain_errors(reference):
            info = HfApi().dataset_info(reference.repository, revision=reference.revision)
        if info.sha is None:
            raise DataError(f"{_endpoint()} names no commit of {reference.repository}.")
        return info.sha

    def files(self, reference: HubReference, commit: str) -> Sequence[HubFile]:
        """Every file at a commit: large ones by their SHA-256, small ones by git's digest."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        with _plain_errors(reference):
            entries = HfApi().list_repo_tree(
                reference.repository, recursive=True, revision=commit, repo_type="dataset"
            )
            return [_file(entry) for entry in entries if isinstance(entry, RepoFile)]

    def fetch(
        self, reference: HubReference, commit: str, file: HubFile, *, again: bool, report: Report
    ) -> Path:
        """The file in the client's cache, under its own name in the commit's folder."""
        from huggingface_hub import constants, hf_hub_download

        fix = f"Free some space; what came so far is kept, and {reference} goes on from there."
        with writing(Path(constants.HF_HUB_CACHE), file.path, file.size, fix), _plain_errors(reference):
            return Path(
                hf_hub_download(
                    reference.repository,
                    file.path,
                    repo_type="dataset",
                    revision=commit,
                    force_download=again,
                    tqdm_class=_bar(report),
                )
            )


def _file(entry: Any) -> HubFile:
    digest = f"sha256:{entry.lfs.sha256}" if entry.lfs is not None else f"git:{entry.blob_id}"
    return HubFile(entry.path, entry.size, digest)


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


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


@contextmanager
def _plain_errors(reference: HubReference) -> Iterator[None]:
    """Turn the client's errors into ours."""
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise _gated(reference) from error
    except RepositoryNotFoundError as error:
        raise _not_found(reference) from error
    except RevisionNotFoundError as error:
        raise _unknown_revision(reference) from error
    except OfflineModeIsEnabled as error:
        raise offline(reference) from error
    except LocalEntryNotFoundError as error:
        raise offline(reference) if is_offline() else _unreachable(reference, error) from error
    except RemoteEntryNotFoundError as error:
        raise DataError(
            f"{_endpoint()} lists this file and does not have it.", file=str(reference)
        ) from error
    except HfHubHTTPError as error:
        raise _refused(reference, error.response.status_code) from error
    except httpx2.HTTPError as error:
        raise _unreachable(reference, error) from error


def _page(reference: HubReference) -> str:
    return f"{_endpoint()}/datasets/{reference.repository}"


def _gated(reference: HubReference) -> DataError:
    return DataError(
        f"the hub gives {reference.repository} only to those who accepted its terms.",
        fix=f"Accept them on {_page(reference)}, then run `hf auth login`, or set HF_TOKEN.",
    )


def _not_found(reference: HubReference) -> DataError:
    return DataError(
        f"there is no dataset {reference.repository} on {_endpoint()}, or it is private.",
        fix="Check the name (OWNER/NAME, as its page shows it); for a private one run `hf auth login`, "
        "or set HF_TOKEN.",
    )


def _unknown_revision(reference: HubReference) -> UnknownName:
    from huggingface_hub import HfApi

    with _plain_errors(reference):
        refs = HfApi().list_repo_refs(reference.repository, repo_type="dataset")
    known = [ref.name for ref in (*refs.branches, *refs.tags)] + [ref.ref for ref in refs.converts]
    return UnknownName(f"revision of {reference.repository}", str(reference.revision), known)


def _refused(reference: HubReference, status: int) -> DataError:
    if status in (401, 403):
        return DataError(
            f"{_endpoint()} does not accept this machine's token for {reference.repository} ({status}).",
            fix="Run `hf auth login` with a token that may read it, or unset HF_TOKEN.",
        )
    kind = HubUnreachable if status >= 500 or status == 429 else DataError
    return kind(f"{_endpoint()} answers {status}.", file=str(reference), fix="Try again later.")


def _unreachable(reference: HubReference, error: Exception) -> HubUnreachable:
    copy = f"ms:{reference.repository}/{reference.split}"
    return HubUnreachable(
        f"{_endpoint()} cannot be reached ({visible(str(error)) or type(error).__name__}).",
        file=str(reference),
        fix="Check the network, or let HF_ENDPOINT name a mirror; "
        f"where ModelScope has a copy, `{copy}` reads that.",
    )
