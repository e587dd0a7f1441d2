"""The chat template of what is trained: asked later in the words it was trained in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.wording import BOS, adds_bos, with_template
from vlmbench.templates import Turn, chat_template, template
from vlmbench.trainers.data.mixture import style_of
from vlmbench.trainers.data.tokenizing import from_transformers
from vlmbench.trainers.recipe.model import Wording

_QUESTION = "What is this?"


def worded(llava: Llava, wording: Wording) -> Llava:
    """The model with the recipe's wording; its own stays where it asks in the same words."""
    spoken = _spoken(llava, wording)
    return spoken if wording.bos == "none" else _begun(spoken)


def _begun(llava: Llava) -> Llava:
    """A conversation begins as in training, also where the tokenizer puts no beginning token by itself."""
    tokenizer, chat = llava.language.tokenizer, llava.chat_template or ""
    if adds_bos(tokenizer) or not from_transformers(tokenizer).bos or "bos_token" in chat:
        return llava
    return replace(llava, chat_template=BOS + chat)


def _spoken(llava: Llava, wording: Wording) -> Llava:
    if llava.chat_template is not None and _asks(llava) == _wanted(wording):
        return llava
    chosen = template(wording.template)
    if wording.separator is not None:
        chosen = replace(chosen, separator=wording.separator)
    return replace(
        with_template(llava, wording.template), chat_template=_opening(wording) + chat_template(chosen)
    )


def _asks(llava: Llava) -> str:
    """What the model's own template makes of one question."""
    tokenizer: Any = llava.language.tokenizer
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}
    text: str = tokenizer.apply_chat_template(
        [message], chat_template=llava.chat_template, tokenize=False, add_generation_prompt=True
    )
    return text.removeprefix(tokenizer.bos_token or "")


def _wanted(wording: Wording) -> str:
    style = style_of(replace(wording, keep="all"))
    return style.question(Turn(question=f"<image>\n{_QUESTION}", answer=None), 1)


def _opening(wording: Wording) -> str:
    """What stands before the first question, unless a conversation brings a system text of its own."""
    system = ""
    if wording.system:
        known = template(wording.template).system or ""
        system = known.replace("{system}", wording.system)
    text = wording.preamble + system
    if not text:
        return ""
    quoted = json.dumps(text, ensure_ascii=False)
    return "{%- if messages[0]['role'] != 'system' -%}{{ " + quoted + " }}{%- endif -%}"
