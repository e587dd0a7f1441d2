"""What goes over the wire: a request as a chat body, a completion as an answer, a refusal as a status."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from vlmbench.decoding import seed_of
from vlmbench.domain import Decoding, ImageRef, ImageSource, Request
from vlmbench.errors import DataError, ModelError
from vlmbench.models.decoding_limits import check_decoding, used

MORE = ("presence_penalty", "top_k", "min_p", "repetition_penalty")
"""OpenAI's own, and extensions of vLLM and SGLang, which another server may refuse or ignore."""
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_ENDED = frozenset({"stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "complete", ""})
_CUT = frozenset({"length", "max_tokens", "model_length"})
"""How servers call an answer that ended by itself, and one that came to its limit."""
_MEANT = (
    (401, ("invalid_api_key", "authentication", "unauthorized")),
    (429, ("rate_limit", "too_many_requests", "quota")),
    (404, ("not_found", "notfound", "unexpected_endpoint")),
    (503, ("overload", "unavailable", "server_error", "internal", "timeout")),
)
"""What servers write into an error that they send with status 200."""


THOUGHT_FIELDS = ("reasoning", "reasoning_content")
"""vLLM from 0.11 and OpenRouter; DeepSeek, SGLang and vLLM before."""


class NoText(Exception):
    """A chat completion without an answer: withheld or broken off, or something other than text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered."""

    text: str
    finish: Literal["stop", "length"]
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    thought: str | None = None
    """What the server sends beside the answer: `reasoning` or `reasoning_content`."""
    thought_tokens: int | None = None


def mime_type(picture: bytes) -> str:
    """The picture's type, from its first bytes."""
    for start, name in _SIGNATURES:
        if picture.startswith(start):
            return name
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    raise DataError("the picture is in no format that a server would know.")


def data_url(picture: bytes) -> str:
    """The picture's own bytes as a URL."""
    return f"data:{mime_type(picture)};base64,{base64.b64encode(picture).decode('ascii')}"


def chat_body(model: str, request: Request, images: ImageSource) -> dict[str, Any]:
    """The body of a chat completion; a prompt of text alone is sent as a plain string."""
    content: str | list[dict[str, Any]] = "".join(part for part in request.parts if isinstance(part, str))
    if any(isinstance(part, ImageRef) for part in request.parts):
        content = [
            {"type": "image_url", "image_url": {"url": data_url(images[part.digest])}}
            if isinstance(part, ImageRef)
            else {"type": "text", "text": part}
            for part in request.parts
        ]
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    return {
        "model": model,
        "messages": [*system, {"role": "user", "content": content}],
        "stream": False,
        **sampling(request.decoding, request.id),
    }


def sampling(decoding: Decoding, request_id: str) -> dict[str, Any]:
    """The decoding in this interface's fields, and in those that vLLM and SGLang add; only what is set."""
    found: dict[str, Any] = {"max_tokens": decoding.max_new_tokens, "temperature": 0}
    if decoding.do_sample:
        found |= {"temperature": decoding.temperature, "top_p": decoding.top_p}
        found["seed"] = seed_of(decoding, request_id)
    more = {name: getattr(decoding, name) for name in MORE if name in used(decoding)}
    return found | more | ({"stop": list(decoding.stop)} if decoding.stop else {})


def refused_setting(body: Mapping[str, Any], words: str) -> str | None:
    """The setting of decoding that a server's refusal names, if it was sent.

    Not the longest answer: too much of it is the fault of one long prompt.
    """
    named = [name for name in MORE if name in body and re.search(rf"\b{name}\b", words)]
    # Words of any sentence, too: as names they stand in quotes, after a dot, or at the beginning.
    plain = (name for name in ("stop", "seed", "temperature", "top_p") if name in body)
    quoted = (name for name in plain if re.search(rf"(?:^|['\"`.\[]|: ){name}\b|\b{name}['\"`]", words))
    return next(iter([*named, *quoted]), None)


def check_askable(request: Request) -> None:
    """Refuse what no server of this kind can be asked for."""
    if request.image_fit != "native":
        raise ModelError(
            "this prompt style pads pictures with the mean colour of the model's processor, which only the "
            "server knows.",
            fix="Use `--prompt vlmevalkit`.",
        )
    if request.opening:
        raise ModelError(
            f"this prompt style writes the first words of the answer itself (`{request.opening.strip()}`), "
            "and an `openai:` server begins an answer anew.",
            fix="Use `--prompt vlmevalkit`, or load the model's folder.",
        )
    check_decoding("openai", request.decoding)


def read_reply(document: Any) -> Reply:
    """The answer in a chat completion; ValueError if it is not a completion, NoText if it has no text."""
    try:
        choice = document["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, thought = message["content"], _thought_in(message)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("the reply is not a chat completion") from None
    if text is None and thought is not None:
        text = ""  # cut off inside its thought
    if not isinstance(text, str):
        raise NoText(f"the server gives no text (finish_reason: {reason})")
    ended = str(reason or "").lower()
    if ended not in _ENDED | _CUT:
        # Part of an answer, or none: scored, it would count as a wrong one.
        raise NoText(f"the server gives no whole answer (finish_reason: {reason})")
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        text=text.strip(),  # as the other engines give theirs
        finish="length" if ended in _CUT else "stop",
        prompt_tokens=_count(usage.get("prompt_tokens")),
        new_tokens=_count(usage.get("completion_tokens")),
        thought=thought,
        thought_tokens=_thought_tokens(usage),
    )


def _thought_in(message: dict[str, Any]) -> str | None:
    """Servers call it by one name or the other, and send an empty one where there was no thought."""
    fields = (message.get(name) for name in THOUGHT_FIELDS)
    return next((field for field in fields if isinstance(field, str) and field.strip()), None)


def _thought_tokens(usage: dict[str, Any]) -> int | None:
    details = usage.get("completion_tokens_details")
    inside = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return _count(usage.get("reasoning_tokens") if inside is None else inside)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def words_of(response: httpx.Response) -> str:
    """The server's own words on one line, whole: the key is removed before they are shortened."""
    try:
        error = error_in(response.json())
    except ValueError:
        error = None
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
