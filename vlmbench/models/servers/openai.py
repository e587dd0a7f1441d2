"""OpenAI's chat completions, as vLLM, SGLang, LMDeploy and many vendors serve them too."""

from __future__ import annotations

from typing import Any

from vlmbench.decoding import seed_of
from vlmbench.domain import Decoding, ImageRef, ImageSource, Request
from vlmbench.models.decoding_limits import used
from vlmbench.models.servers.batch.openai import OPENAI_BATCH
from vlmbench.models.servers.wire import NoText, Reply, Wire, bearer, count, data_url, members, object_in

MORE = ("presence_penalty", "top_k", "min_p", "repetition_penalty")
"""OpenAI's own, and extensions of vLLM and SGLang, which another server may refuse or ignore."""
_ENDED = frozenset({"stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "complete", ""})
_CUT = frozenset({"length", "max_tokens", "model_length"})
"""How servers call an answer that ended by itself, and one that came to its limit."""
THOUGHT_FIELDS = ("reasoning", "reasoning_content")
"""vLLM from 0.11 and OpenRouter; DeepSeek, SGLang and vLLM before."""


def chat_body(model: str, request: Request, images: ImageSource) -> tuple[str, dict[str, Any]]:
    """Path and body of a chat completion; a prompt of text alone is sent as a plain string."""
    content: str | list[dict[str, Any]] = "".join(part for part in request.parts if isinstance(part, str))
    if any(isinstance(part, ImageRef) for part in request.parts):
        content = [
            {"type": "image_url", "image_url": {"url": data_url(images[part.digest])}}
            if isinstance(part, ImageRef)
            else {"type": "text", "text": part}
            for part in request.parts
        ]
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    messages = [*system, {"role": "user", "content": content}]
    settings = sampling(request.decoding, request.id)
    return "chat/completions", {"model": model, "messages": messages, "stream": False, **settings}


def sampling(decoding: Decoding, request_id: str) -> dict[str, Any]:
    """The decoding in this interface's fields, and in those that vLLM and SGLang add; only what is set."""
    found: dict[str, Any] = {"max_tokens": decoding.max_new_tokens, "temperature": 0}
    if decoding.do_sample:
        found |= {"temperature": decoding.temperature, "top_p": decoding.top_p}
        found["seed"] = seed_of(decoding, request_id)
    more = {name: getattr(decoding, name) for name in MORE if name in used(decoding)}
    return found | more | ({"stop": list(decoding.stop)} if decoding.stop else {})


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
    usage = object_in(document, "usage")
    return Reply(
        text=text.strip(),  # as the other engines give theirs
        finish="length" if ended in _CUT else "stop",
        prompt_tokens=count(usage.get("prompt_tokens")),
        new_tokens=count(usage.get("completion_tokens")),
        thought=thought,
        thought_tokens=_thought_tokens(usage),
        cached_tokens=count(object_in(usage, "prompt_tokens_details").get("cached_tokens")),
    )


def _thought_in(message: dict[str, Any]) -> str | None:
    """Servers call it by one name or the other, and send an empty one where there was no thought."""
    fields = (message.get(name) for name in THOUGHT_FIELDS)
    return next((field for field in fields if isinstance(field, str) and field.strip()), None)


def _thought_tokens(usage: dict[str, Any]) -> int | None:
    inside = object_in(usage, "completion_tokens_details").get("reasoning_tokens")
    return count(usage.get("reasoning_tokens") if inside is None else inside)


OPENAI = Wire(
    kind="openai",
    key="OPENAI_API_KEY",
    written="openai:NAME@http://HOST:PORT/v1",
    headers=bearer,
    body=chat_body,
    read=read_reply,
    settings={name: name for name in (*MORE, "stop", "seed", "temperature", "top_p")},
    entries=lambda document: members(document, "data"),
    batch=OPENAI_BATCH,
)
