"""OpenAI's Responses, as OpenAI serves it, and vLLM too.

    responses:NAME              at api.openai.com
    responses:NAME@URL          elsewhere; URL up to `/v1`

Documented at https://platform.openai.com/docs/api-reference/responses. It has no seed, no stop texts and no
penalties.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vlmbench.domain import Decoding, ImageRef, ImageSource, Part, Request
from vlmbench.models.servers.batch.openai import OPENAI_BATCH
from vlmbench.models.servers.wire import NoText, Reply, Wire, bearer, count, data_url, members, object_in

_CUT = "max_output_tokens"
_WITHHELD = 100
"""Characters of a refusal in an error."""


def response_body(model: str, request: Request, images: ImageSource) -> tuple[str, dict[str, Any]]:
    """Path and body of a response; OpenAI stores none of it."""
    content = [_content(part, images) for part in request.parts if part]
    system = {} if request.system is None else {"instructions": request.system}
    asked = [{"type": "message", "role": "user", "content": content}]
    return "responses", {
        "model": model,
        **system,
        "input": asked,
        "store": False,
        **_settings(request.decoding),
    }


def _content(part: Part, images: ImageSource) -> dict[str, Any]:
    if not isinstance(part, ImageRef):
        return {"type": "input_text", "text": part}
    return {"type": "input_image", "image_url": data_url(images[part.digest]), "detail": "auto"}


def _settings(decoding: Decoding) -> dict[str, Any]:
    """A temperature and a top_p of 1 are left out: models that reason take no other, and refuse the field."""
    found: dict[str, Any] = {"max_output_tokens": decoding.max_new_tokens}
    if not decoding.do_sample:
        return found | {"temperature": 0}
    given = ("temperature", "top_p")
    return found | {name: getattr(decoding, name) for name in given if getattr(decoding, name) != 1}


def read_response(document: Any) -> Reply:
    """The answer in a response; ValueError if it is not one, NoText if it has no whole answer."""
    if not isinstance(document, dict) or not isinstance(document.get("output"), list):
        raise ValueError("the reply is not a response")
    reason = object_in(document, "incomplete_details").get("reason") or document.get("status")
    parts = [part for item in _items(document, "message") for part in members(item, "content")]
    if refused := next((str(p.get("refusal")) for p in parts if p.get("type") == "refusal"), None):
        raise NoText(f"the model refuses to answer: {refused[:_WITHHELD]}")
    texts = [part for part in parts if part.get("type") == "output_text"]
    if reason not in ("completed", _CUT) or not (texts or reason == _CUT):
        raise NoText(f"the server gives no whole answer (status: {reason})")
    usage = object_in(document, "usage")
    return Reply(
        text=_joined(texts).strip(),
        finish="length" if reason == _CUT else "stop",
        prompt_tokens=count(usage.get("input_tokens")),
        new_tokens=count(usage.get("output_tokens")),
        thought=_thought(document),
        thought_tokens=count(object_in(usage, "output_tokens_details").get("reasoning_tokens")),
        cached_tokens=count(object_in(usage, "input_tokens_details").get("cached_tokens")),
    )


def _items(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Items of the output; what a model says while it works (`commentary`) is no part of its answer."""
    items = (item for item in members(document, "output") if item.get("type") == kind)
    return [item for item in items if item.get("phase") != "commentary"]


def _thought(document: dict[str, Any]) -> str | None:
    """OpenAI sends a summary of the thought, where one is asked for; vLLM sends the thought itself."""
    found = (
        _joined(members(item, "content") or members(item, "summary"), "\n\n")
        for item in _items(document, "reasoning")
    )
    return "\n\n".join(thought for thought in found if thought.strip()) or None


def _joined(parts: Iterable[dict[str, Any]], between: str = "") -> str:
    return between.join(str(part.get("text") or "") for part in parts)


RESPONSES = Wire(
    kind="responses",
    key="OPENAI_API_KEY",
    url="https://api.openai.com/v1",
    written="responses:NAME, or responses:NAME@https://HOST/v1",
    headers=bearer,
    body=response_body,
    read=read_response,
    settings={"temperature": "temperature", "top_p": "top_p"},
    entries=lambda document: members(document, "data"),
    batch=OPENAI_BATCH,
)
