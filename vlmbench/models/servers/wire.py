"""What every interface has: a request as a path and a body, a reply as an answer, a refusal as a status."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import httpx

from vlmbench.domain import ImageSource, Request
from vlmbench.errors import DataError, ModelUsageError
from vlmbench.models.decoding_limits import check_decoding

if TYPE_CHECKING:
    from vlmbench.models.servers.batch.interface import BatchInterface

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_MEANT = (
    (401, ("invalid_api_key", "authentication", "unauthorized")),
    (429, ("rate_limit", "too_many_requests", "quota")),
    (404, ("not_found", "notfound", "unexpected_endpoint")),
    (503, ("overload", "unavailable", "server_error", "internal", "timeout")),
)
"""What servers write into an error that they send with status 200."""


class NoText(Exception):
    """A reply without an answer: withheld or broken off, or something other than text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered."""

    text: str
    finish: Literal["stop", "length"]
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    thought: str | None = None
    """What the server sends beside the answer."""
    thought_tokens: int | None = None
    cached_tokens: int | None = None
    """Those of the prompt that the server had from before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One interface: how it is asked, and how its replies are read."""

    kind: str
    """What stands before the model's name, and in a run's facts."""
    key: str
    """The environment variable of the key."""
    url: str = ""
    """Where it is served if the user names no address; empty: the user must."""
    written: str
    """How a model of this kind is written."""
    headers: Callable[[str | None], Mapping[str, str]]
    """What goes with each request, the key in it."""
    body: Callable[[str, Request, ImageSource], tuple[str, dict[str, Any]]]
    """Path and body of a request to the model of that name."""
    read: Callable[[Any], Reply]
    """The answer in a reply; ValueError if it is no such reply, NoText if it has no text."""
    settings: Mapping[str, str]
    """The body's names for settings of decoding that a server may refuse, and ours."""
    entries: Callable[[Any], list[dict[str, Any]]]
    """The models in a listing, each with its `id` and, where it is stated, `created` in Unix time."""
    batch: BatchInterface | None = None
    """How many requests become one job; None: the interface has no such thing."""


def bearer(key: str | None) -> dict[str, str]:
    """The header of a key, as most servers want it."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def check_askable(request: Request, wire: Wire) -> None:
    """Refuse what no server of this kind can be asked for."""
    if request.opening:
        raise ModelUsageError(
            f"this prompt style writes the first words of the answer itself (`{request.opening.strip()}`), "
            f"and a server (`{wire.kind}:`) begins an answer anew.",
            fix="Use `--prompt vlmevalkit`, or load the model's folder.",
        )
    check_decoding(wire.kind, request.decoding)


def refused_setting(wire: Wire, body: Mapping[str, Any], words: str) -> str | None:
    """Our name for the setting of decoding that a server's refusal names, if it was sent.

    Not the longest answer: too much of it is the fault of one long prompt.
    """
    sent = {**body, **body.get("generationConfig", {})}
    for name in (name for name in wire.settings if name in sent):
        # Words of any sentence, too: as names they stand in quotes, after a dot, or at the beginning.
        plain = name.isalpha() and name.islower()
        named = rf"(?:^|['\"`.\[]|: ){name}\b|\b{name}['\"`]" if plain else rf"\b{name}\b"
        if re.search(named, words):
            return wire.settings[name]
    return None


def mime_type(picture: bytes) -> str:
    """The picture's type, from its first bytes."""
    for start, name in _SIGNATURES:
        if picture.startswith(start):
            return name
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    raise DataError("the picture is in no format that a server would know.")


def in_base64(picture: bytes) -> str:
    """The picture's own bytes as text."""
    return base64.b64encode(picture).decode("ascii")


def data_url(picture: bytes) -> str:
    """The picture's own bytes as a URL."""
    return f"data:{mime_type(picture)};base64,{in_base64(picture)}"


def count(value: Any) -> int | None:
    """A number of tokens, None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def object_in(document: Any, name: str) -> dict[str, Any]:
    """The object of that name in a reply; empty where there is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def members(document: Any, name: str) -> list[dict[str, Any]]:
    """The objects in a list of a reply."""
    data = document.get(name) if isinstance(document, dict) else None
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []


def json_of(response: httpx.Response) -> Any:
    """The body as JSON, None where it is none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def words_of(response: httpx.Response) -> str:
    """The server's own words on one line, whole: the key is removed before they are shortened."""
    error = error_in(json_of(response))
    if isinstance(error, dict):
        words = f"{error.get('message') or ''} {error.get('code') or ''}"
    else:
        words = str(error or response.text)
    return " ".join(words.split()) or response.reason_phrase


def error_in(document: Any) -> Any:
    """The error that a body holds in place of an answer, None where it holds none."""
    if not isinstance(document, dict) or document.get("choices"):
        return None
    return document if document.get("object") == "error" else document.get("error") or None


def meant(error: Any) -> int:
    """The status of an error that came as a success; 400, this request's own fault, where it names none."""
    named = [error.get(key) for key in ("code", "status", "type")] if isinstance(error, dict) else [error]
    numbers = [int(name) for name in map(str, named) if name.isascii() and name.isdigit()]
    if stated := [number for number in numbers if 400 <= number < 600]:
        return stated[0]
    kind = " ".join(map(str, named)).lower().replace(" ", "_")
    return next((status for status, words in _MEANT if any(word in kind for word in words)), 400)
