"""How closely a server's model looks at pictures: OpenAI's `detail`, Gemini's media resolution.

Anthropic's interface has no such field. What a server makes of it, only its vendor knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmbench.models.thinking_switch import with_fields

WITH_DETAIL = ("openai", "responses", "gemini")
"""The interfaces that have a field for it."""


def with_detail(kind: str, body: Mapping[str, Any], detail: str | None) -> dict[str, Any]:
    """A request's body that asks for low, high or automatic detail; None leaves it as it is."""
    if detail is None:
        return dict(body)
    if kind != "gemini":
        return {name: _looked_at(value, detail) for name, value in body.items()}
    # Automatic is Gemini's own choice, which it makes where the field is absent.
    resolution = {} if detail == "auto" else {"mediaResolution": f"MEDIA_RESOLUTION_{detail.upper()}"}
    return with_fields(body, {"generationConfig": resolution})


def _looked_at(node: Any, detail: str) -> Any:
    """The same with the field in each part that is a picture."""
    if isinstance(node, list):
        return [_looked_at(item, detail) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "image_url":
        return {**node, "image_url": {**node["image_url"], "detail": detail}}
    if node.get("type") == "input_image":
        return {**node, "detail": detail}
    return {name: _looked_at(value, detail) for name, value in node.items()}
