"""The errors of the Hugging Face Hub's client as ours: what is wrong, and what to type next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from vlmbench.data.download import is_offline
from vlmbench.data.hub.files import HubMissing, HubUnreachable, offline
from vlmbench.data.mirrors import VARIABLE, client_options, mirrors
from vlmbench.errors import DataError, UnknownName, UserError
from vlmbench.plain_text import visible

Kind = Literal["dataset", "model"]


def endpoint() -> str:
    """The hub, or the mirror that `VLMBENCH_MIRROR` or `HF_ENDPOINT` names."""
    from huggingface_hub import constants

    return mirrors().hub or constants.ENDPOINT


@contextmanager
def plain_errors(
    kind: Kind,
    repository: str,
    *,
    shown: str = "",
    revision: str | None = None,
    otherwise: str = "",
) -> Iterator[None]:
    """Translate what the client raises.

    `shown` is the user's own word for the repository, `otherwise` another way where the hub is out of reach.
    """
    try:
        yield
    except Exception as error:
        found = _translated(error, kind, repository, shown or repository, revision, otherwise)
        if found is None:
            raise
        raise found from error


def _translated(
    error: Exception, kind: Kind, repository: str, shown: str, revision: str | None, otherwise: str
) -> UserError | None:
    """The first that fits; None for an error that is not the client's."""
    import httpx2
    from huggingface_hub import errors

    def answered(refusal: errors.HfHubHTTPError) -> UserError:
        return _refused(shown, refusal.response.status_code)

    def without_file(_: Exception) -> UserError:
        return offline(shown) if is_offline() else _unreachable(shown, error, otherwise)

    known: list[tuple[type[Exception], Callable[[Any], UserError | None]]] = [
        (errors.GatedRepoError, lambda _: _gated(kind, repository)),
        (errors.RepositoryNotFoundError, lambda _: _missing(kind, repository)),
        (errors.RevisionNotFoundError, lambda _: _unknown_revision(kind, repository, str(revision))),
        (errors.OfflineModeIsEnabled, lambda _: offline(shown)),
        (errors.LocalEntryNotFoundError, without_file),
        (
            errors.RemoteEntryNotFoundError,
            lambda _: HubMissing(f"{endpoint()} does not have it.", file=shown),
        ),
        (errors.HfHubHTTPError, answered),
        (httpx2.HTTPError, lambda _: _unreachable(shown, error, otherwise)),
        (OSError, lambda found: _inconsistent(shown, found)),
    ]
    return next((translate(error) for type_, translate in known if isinstance(error, type_)), None)


def _gated(kind: Kind, repository: str) -> DataError:
    page = f"{endpoint()}/{'datasets/' if kind == 'dataset' else ''}{repository}"
    untold = f", without {VARIABLE}, whose hosts get no token" if mirrors().hub else ""
    return DataError(
        f"the hub gives {repository} only to those who accepted its terms.",
        fix=f"Accept them on {page}, then run `hf auth login`, or set HF_TOKEN{untold}.",
    )


def _missing(kind: Kind, repository: str) -> HubMissing:
    return HubMissing(
        f"there is no {kind} {repository} on {endpoint()}, or it is private.",
        fix="Check the name (OWNER/NAME, as its page shows it); for a private one run `hf auth login`, "
        "or set HF_TOKEN.",
    )


def _inconsistent(shown: str, error: OSError) -> DataError | None:
    """What the client raises for a file of another size; the disk's errors have a number."""
    if error.errno is not None:
        return None
    what = f"{endpoint()} sends something else than it lists: {visible(str(error))}"
    return DataError(what, file=shown, fix="Try again later.")


def _unknown_revision(kind: Kind, repository: str, revision: str) -> UnknownName:
    from huggingface_hub import HfApi

    with plain_errors(kind, repository):
        refs = HfApi(**client_options()).list_repo_refs(repository, repo_type=kind)
    known = [ref.name for ref in (*refs.branches, *refs.tags)] + [ref.ref for ref in refs.converts]
    return UnknownName(f"revision of {repository}", revision, known)


def _refused(shown: str, status: int) -> DataError:
    if status in (401, 403):
        return DataError(
            f"{endpoint()} does not accept this machine's token for this ({status}).",
            file=shown,
            fix="Run `hf auth login` with a token that may do it, or unset HF_TOKEN.",
        )
    kind = HubUnreachable if status >= 500 or status == 429 else DataError
    return kind(f"{endpoint()} answers {status}.", file=shown, fix="Try again later.")


def _unreachable(shown: str, error: Exception, otherwise: str) -> HubUnreachable:
    return HubUnreachable(
        f"{endpoint()} cannot be reached ({visible(str(error)) or type(error).__name__}).",
        file=shown,
        fix=f"Check the network, or let {VARIABLE} or HF_ENDPOINT name a mirror"
        f"{otherwise and '; '}{otherwise or '.'}",
    )
