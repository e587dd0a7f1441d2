"""How large a file is, before anything of it comes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vlmbench.data.download import is_offline
from vlmbench.data.mirrors import VARIABLE, authorization, hub_page, is_of_hub, mirrored
from vlmbench.errors import DataError

_REFUSED = (401, 403, 404, 410)


def remote_size(url: str) -> int | None:
    """Bytes of the file at a published address, or at its mirror; None where the server does not say.

    A DataError where the server cannot be reached or does not give the file.
    """
    import httpx

    if is_offline():
        raise DataError("HF_HUB_OFFLINE is set, so nothing is downloaded.", fix="Unset it.")
    asked = mirrored(url)
    headers = {"Accept-Encoding": "identity", **authorization(asked)}
    timeout = httpx.Timeout(15.0, connect=10.0)
    try:
        with httpx.Client(follow_redirects=True, timeout=timeout, headers=headers) as client:
            answer = client.head(asked)
            if answer.status_code in _REFUSED:
                raise _refused(url, asked, answer.status_code)
            if answer.is_success and (size := _length(answer.headers)) is not None:
                return size
            # Some servers answer HEAD with an error, or without a length.
            with client.stream("GET", asked, headers={"Range": "bytes=0-0"}) as first:
                return _length(first.headers) if first.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(f"{asked} cannot be reached ({error or type(error).__name__}).") from error


def _length(headers: Mapping[str, str]) -> int | None:
    whole = re.fullmatch(r"bytes .*/(\d+)", headers.get("content-range", ""))
    if whole is not None:
        return int(whole[1])
    length = headers.get("content-length", "")
    return int(length) if length.isdigit() and not headers.get("content-encoding") else None


def _refused(url: str, asked: str, status: int) -> DataError:
    if status in (401, 403) and is_of_hub(url):
        return DataError(f"only for those who accepted the terms on {hub_page(url)}, with HF_TOKEN")
    other = f"; {VARIABLE} names {asked}" if asked != url else ""
    return DataError(f"the server answers {status}{other}")
