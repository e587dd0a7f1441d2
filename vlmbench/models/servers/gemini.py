"""Google's generateContent, as the Gemini API serves it.

    gemini:NAME                 at generativelanguage.googleapis.com
    gemini:NAME@URL             elsewhere; URL up to `/v1beta`

Documented at https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from typing import Any

from vlmbench.decoding import seed_of
from vlmbench.domain import ImageRef, ImageSource, Part, Request
from vlmbench.models.servers.batch.gemini import GEMINI_BATCH
from vlmbench.models.servers.wire import NoText, Reply, Wire, count, in_base64, members, mime_type, object_in


def _headers(key: str | None) -> dict[str, str]:
    return {"x-goog-api-key": key} if key else {}


def content_body(model: str, request: Request, images: ImageSource) -> tuple[str, dict[str, Any]]:
    """Path and body of a request for content."""
    parts = [_part(part, images) for part in request.parts if part]
    system = {} if request.system is None else {"systemInstruction": {"parts": [{"text": request.system}]}}
    body = {**system, "contents": [{"role": "user", "parts": parts}], "generationConfig": _settings(request)}
    return f"models/{model.removeprefix('models/')}:generateContent", body


def _part(part: Part, images: ImageSource) -> dict[str, Any]:
    if not isinstance(part, ImageRef):
        return {"text": part}
    picture = images[part.digest]
    return {"inlineData": {"mimeType": mime_type(picture), "data": in_base64(picture)}}


def _settings(request: Request) -> dict[str, Any]:
    decoding = request.decoding
    found: dict[str, Any] = {"maxOutputTokens": decoding.max_new_tokens, "temperature": 0}
    if decoding.do_sample:
        found |= {"temperature": decoding.temperature, "topP": decoding.top_p}
        # Its seed has 31 bits.
        found["seed"] = seed_of(decoding, request.id) & 0x7FFFFFFF
    if decoding.top_k:
        found["topK"] = decoding.top_k
    if decoding.presence_penalty:
        found["presencePenalty"] = decoding.presence_penalty
    return found | ({"stopSequences": list(decoding.stop)} if decoding.stop else {})


def read_content(document: Any) -> Reply:
    """The answer in a reply; ValueError if it is not one, NoText if it has no whole answer."""
    if not isinstance(document, dict) or not {"candidates", "promptFeedback"} & document.keys():
        raise ValueError("the reply has no candidates")
    candidates = members(document, "candidates")
    if not candidates:
        reason = object_in(document, "promptFeedback").get("blockReason")
        raise NoText(f"the server gives no answer (blockReason: {reason})")
    reason = candidates[0].get("finishReason")
    if reason not in ("STOP", "MAX_TOKENS"):
        raise NoText(f"the server gives no whole answer (finishReason: {reason})")
    parts = members(candidates[0].get("content"), "parts")
    usage = object_in(document, "usageMetadata")
    answer, thoughts = count(usage.get("candidatesTokenCount")), count(usage.get("thoughtsTokenCount"))
    return Reply(
        text="".join(str(part.get("text", "")) for part in parts if not part.get("thought")).strip(),
        finish="length" if reason == "MAX_TOKENS" else "stop",
        prompt_tokens=count(usage.get("promptTokenCount")),
        new_tokens=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        thought="".join(str(part.get("text", "")) for part in parts if part.get("thought")) or None,
        thought_tokens=thoughts,
        cached_tokens=count(usage.get("cachedContentTokenCount")),
    )


def _entries(document: Any) -> list[dict[str, Any]]:
    """It does not state since when it has a model."""
    named = [entry for entry in members(document, "models") if isinstance(entry.get("name"), str)]
    return [{"id": entry["name"].removeprefix("models/")} for entry in named]


GEMINI = Wire(
    kind="gemini",
    key="GEMINI_API_KEY",
    url="https://generativelanguage.googleapis.com/v1beta",
    written="gemini:NAME, or gemini:NAME@https://HOST/v1beta",
    headers=_headers,
    body=content_body,
    read=read_content,
    settings={
        "temperature": "temperature",
        "topP": "top_p",
        "topK": "top_k",
        "seed": "seed",
        "presencePenalty": "presence_penalty",
        "stopSequences": "stop",
    },
    entries=_entries,
    batch=GEMINI_BATCH,
)
