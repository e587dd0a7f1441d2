"""What a server's refusal says: its own words, and the status that it stands for."""

from __future__ import annotations

from typing import Any

import httpx

_MEANT = (
    (401, ("invalid_api_key", "authentication", "unauthorized")),
    (429, ("rate_limit", "too_many_requests", "quota")),
    (404, ("not_found", "notfound", "unexpected_endpoint")),
    (503, ("overload", "unavailable", "server_error", "internal", "timeout")),
)
"""What servers write into an error that they send with status 200."""


def words_of(response: httpx.Response) -> str:
    """The server's own words on one line, whole: whoever shortens them removes the key first."""
    try:
        error = error_in(response.json())
    except ValueError:
        error = None
    if isinstance(error, dict):
        said = f"{error.get('message') or ''} {error.get('code') or ''}"
    else:
        said = str(error or response.text)
    return " ".join(said.split()) or response.reason_phrase


def error_in(document: Any) -> Any:
    """The error that a body holds in place of an answer, None where it holds none."""
    if not isinstance(document, dict) or document.get("choices"):
        return None
    return document if document.get("object") == "error" else document.get("error") or None


def meant(error: Any) -> int:
    """The status of an error that came as a success; 400, this request's own fault, where it does not say."""
    named = [error.get(key) for key in ("code", "status", "type")] if isinstance(error, dict) else [error]
    numbers = [int(name) for name in map(str, named) if name.isascii() and name.isdigit()]
    if stated := [number for number in numbers if 400 <= number < 600]:
        return stated[0]
    kind = " ".join(map(str, named)).lower().replace(" ", "_")
    return next((status for status, words in _MEANT if any(word in kind for word in words)), 400)
