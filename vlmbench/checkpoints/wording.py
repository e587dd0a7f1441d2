"""The chat template of a LLaVA: which one its language model was trained in, and where a folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.llava import LanguageModel, Llava
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.templates import TEMPLATES, chat_template, template
from vlmbench.templates.table import family_template

BOS = "{{- bos_token }}"
_TEMPLATE_FILES = (
    "chat_template.jinja",
    "chat_template.json",
    "processor_config.json",
    "tokenizer_config.json",
)


def template_of(language: LanguageModel) -> str | None:
    """The template of the language model's family; None for an unknown family."""
    return family_template(str(language.config.get("model_type")), language.tokenizer.get_vocab())


def no_template(language: LanguageModel) -> ModelError:
    """The error for a model whose template nothing names."""
    guess = template_of(language)
    hint = (
        f"`--template {guess}` is its family's" if guess else f"`--template` is one of {', '.join(TEMPLATES)}"
    )
    return ModelError(
        "no file here has the template that the model was trained in, and it answers well in no other.",
        key="chat_template",
        fix=f"{hint}; a recipe (`--recipe`) may name it too.",
    )


def with_template(llava: Llava, name: str) -> Llava:
    """With this template's Jinja form, and its stop words as ends of an answer."""
    chosen = template(name)
    language = llava.language
    known = language.tokenizer.get_vocab()
    ends = [known[word] for word in chosen.stop_words if word in known]
    generation = _with_ends(language.generation or _special_ids(language.config), ends)
    return replace(
        llava,
        language=replace(language, generation=generation),
        chat_template=chat_template(chosen),
    )


def written_template(folder: Path) -> str | None:
    """The chat template of a folder; None where it has none or one without pictures."""
    for file in (folder / name for name in _TEMPLATE_FILES):
        if not file.is_file():
            continue
        if file.suffix == ".jinja":
            text: Any = file.read_text("utf-8", "replace")
        else:
            text = read_json(file).get("chat_template")
        if isinstance(text, list):
            text = next((entry.get("template") for entry in text if entry.get("name") == "default"), None)
        if isinstance(text, str) and "image" in text:
            return text
    return None


def with_bos(chat: str, tokenizer: Any) -> str:
    """A chat template as folders hold it: with the beginning token, where the tokenizer puts one.

    Servers (vLLM's chat endpoint) tokenise a rendered conversation without special tokens, so what the
    template leaves out is lost. Programs that add special tokens check first whether the text begins with
    one.
    """
    return BOS + chat if adds_bos(tokenizer) and "bos_token" not in chat else chat


def without_bos(chat: str, tokenizer: Any) -> str:
    """The same as `Llava` holds it: without what the tokenizer adds by itself."""
    return chat.removeprefix(BOS) if adds_bos(tokenizer) else chat


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a beginning token in front by itself."""
    return tokenizer.bos_token_id is not None and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]


def _special_ids(config: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {key: config[key] for key in keys if config.get(key) is not None}


def _with_ends(generation: Mapping[str, Any], ends: list[int]) -> dict[str, Any]:
    """The settings with these tokens as ends besides those there are."""
    before = generation.get("eos_token_id")
    known = before if isinstance(before, list) else [] if before is None else [before]
    every = list(dict.fromkeys([*known, *ends]))
    if not every:
        return dict(generation)
    return {**generation, "eos_token_id": every[0] if len(every) == 1 else every}
