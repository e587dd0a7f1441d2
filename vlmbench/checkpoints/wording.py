"""Which template a language model was trained in, and a LLaVA that speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vlmbench.checkpoints.llava import LanguageModel, Llava
from vlmbench.errors import ModelError
from vlmbench.templates import TEMPLATES, chat_template, template
from vlmbench.templates.family import family_template


def template_of(language: LanguageModel) -> str | None:
    """The template of the language model's family; None where nothing tells it."""
    return family_template(str(language.config.get("model_type")), language.tokenizer.get_vocab())


def no_template(language: LanguageModel) -> ModelError:
    """What to say where nothing tells the wording."""
    guess = template_of(language)
    hint = (
        f"`--template {guess}` is its family's" if guess else f"`--template` is one of {', '.join(TEMPLATES)}"
    )
    return ModelError(
        "nothing here says in which wording the model was trained, and it answers well in no other.",
        key="chat_template",
        fix=f"{hint}; a recipe (`--recipe`) may name it too.",
    )


def speaking(llava: Llava, name: str) -> Llava:
    """With this template: its Jinja form, and an end of the answer where the template has one."""
    chosen = template(name)
    language = llava.language
    known = language.tokenizer.get_vocab()
    ends = [known[word] for word in chosen.stop_words if word in known]
    generation = _ending(language.generation or _ends_of(language.config), ends)
    return replace(
        llava,
        language=replace(language, generation=generation),
        chat_template=chat_template(chosen),
    )


BEGINNING = "{{- bos_token }}"


def with_beginning(chat: str, tokenizer: Any) -> str:
    """A chat template as folders hold it: with the beginning token, where the tokenizer puts one.

    Servers (vLLM's chat endpoint) tokenise a rendered conversation without special tokens, so what the
    template leaves out is lost. Whoever adds special tokens looks first whether the text begins with one.
    """
    return BEGINNING + chat if begins(tokenizer) and "bos_token" not in chat else chat


def without_beginning(chat: str, tokenizer: Any) -> str:
    """The same as the noun holds it: without what the tokenizer does by itself."""
    return chat.removeprefix(BEGINNING) if begins(tokenizer) else chat


def begins(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a beginning token in front by itself."""
    return tokenizer.bos_token_id is not None and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]


def _ends_of(config: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {key: config[key] for key in keys if config.get(key) is not None}


def _ending(generation: Mapping[str, Any], ends: list[int]) -> dict[str, Any]:
    """The settings with these tokens as ends besides those there are."""
    before = generation.get("eos_token_id")
    known = before if isinstance(before, list) else [] if before is None else [before]
    every = list(dict.fromkeys([*known, *ends]))
    if not every:
        return dict(generation)
    return {**generation, "eos_token_id": every[0] if len(every) == 1 else every}
