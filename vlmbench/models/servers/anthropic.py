"""Anthropic's Messages, as Anthropic and gateways of other vendors serve them.

    anthropic:NAME              at api.anthropic.com
    anthropic:NAME@URL          elsewhere; URL up to `/v1`

Documented at https://platform.claude.com/docs/en/api/messages. There is no seed: sampling cannot be repeated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vlmbench.domain import Decoding, ImageRef, ImageSource, Part, Request
from vlmbench.models.servers.batch.anthropic import ANTHROPIC_BATCH
from vlmbench.models.servers.wire import NoText, Reply, Wire, count, in_base64, members, mime_type, object_in

VERSION = "2023-06-01"
_ENDED = ("end_turn", "stop_sequence")
_CUT = ("max_tokens", "model_context_window_exceeded")


def _headers(key: str | None) -> dict[str, str]:
    return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}


def messages_body(model: str, request: Request, images: ImageSource) -> tuple[str, dict[str, Any]]:
    """Path and body of a message."""
    content = [_block(part, images) for part in request.parts if part]
    system = {} if request.system is None else {"system": request.system}
    messages = [{"role": "user", "content": content}]
    return "messages", {"model": model, **system, "messages": messages, **_settings(request.decoding)}


def _block(part: Part, images: ImageSource) -> dict[str, Any]:
    if not isinstance(part, ImageRef):
        return {"type": "text", "text": part}
    picture = images[part.digest]
    source = {"type": "base64", "media_type": mime_type(picture), "data": in_base64(picture)}
    return {"type": "image", "source": source}


def _settings(decoding: Decoding) -> dict[str, Any]:
    """Its models take temperature or top_p and not both, so one that changes nothing is left out."""
    found: dict[str, Any] = {"max_tokens": decoding.max_new_tokens}
    if not decoding.do_sample:
        found["temperature"] = 0
    else:
        given = (("temperature", 1.0), ("top_p", 1.0), ("top_k", 0))
        found |= {name: getattr(decoding, name) for name, usual in given if getattr(decoding, name) != usual}
    return found | ({"stop_sequences": list(decoding.stop)} if decoding.stop else {})


def read_message(document: Any) -> Reply:
    """The answer in a message; ValueError if it is not a message, NoText if it has no whole answer."""
    blocks = members(document, "content")
    if not isinstance(document, dict) or document.get("type") != "message":
        raise ValueError("the reply is not a message")
    reason = document.get("stop_reason")
    if reason not in (*_ENDED, *_CUT):
        raise NoText(f"the server gives no whole answer (stop_reason: {reason})")
    usage = object_in(document, "usage")
    return Reply(
        text="".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text").strip(),
        finish="length" if reason in _CUT else "stop",
        prompt_tokens=_sent(usage),
        cached_tokens=count(usage.get("cache_read_input_tokens")),
        new_tokens=count(usage.get("output_tokens")),
        thought="".join(str(block.get("thinking", "")) for block in blocks) or None,
    )


def _sent(usage: dict[str, Any]) -> int | None:
    """All of the prompt: what its cache holds or takes in is counted apart there."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = [number for name in names if (number := count(usage.get(name))) is not None]
    return sum(counts) if counts else None


def _entries(document: Any) -> list[dict[str, Any]]:
    return [entry | {"created": _unix(entry.get("created_at"))} for entry in members(document, "data")]


def _unix(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (TypeError, ValueError):
        return None


ANTHROPIC = Wire(
    kind="anthropic",
    key="ANTHROPIC_API_KEY",
    url="https://api.anthropic.com/v1",
    written="anthropic:NAME, or anthropic:NAME@https://HOST/v1",
    headers=_headers,
    body=messages_body,
    read=read_message,
    settings={
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "stop_sequences": "stop",
    },
    entries=_entries,
    batch=ANTHROPIC_BATCH,
)
