"""An Ollama Modelfile: the two GGUF files, the wording, and where an answer stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmbench.templates import TEMPLATES, Template, chat_template

CONTEXT = 4096
"""What is asked of Ollama where the model allows it: an image of 336 pixels alone takes 576 tokens."""


def own_template(jinja: str | None) -> Template | None:
    """The template of ours that this chat template was written from.

    Of several with one wording, the one with the most stop words: one too many costs nothing.
    """
    if jinja is None:
        return None
    same = [template for template in TEMPLATES.values() if chat_template(template).strip() == jinja.strip()]
    return max(same, key=lambda template: len(template.stop_words), default=None)


def modelfile(
    language: str, projector: str, template: Template | None, config: Mapping[str, Any], *, eos: str
) -> str:
    """The text of the Modelfile; `language` and `projector` are files beside it."""
    lines = [f"FROM ./{language}", f"FROM ./{projector}", ""]
    if template is None:
        lines.append("# The wording is the chat template inside the language model's file.")
    else:
        if "{round}" in template.instruction:
            lines.append("# Ollama counts no turns: each is written as the first.")
        lines.append(f'TEMPLATE """{go_template(template, eos=eos)}"""')
        lines += [f'PARAMETER stop "{word}"' for word in stop_words(template, eos=eos)]
    lines.append(f"PARAMETER num_ctx {min(CONTEXT, int(config['max_position_embeddings']))}")
    return "\n".join(lines) + "\n"


def stop_words(template: Template, *, eos: str) -> tuple[str, ...]:
    """What ends an answer, each once: the template's own words, then the tokenizer's end token."""
    own = (*template.stop_words, template.suffix if template.suffix_ends else "", eos)
    return tuple(word for word in dict.fromkeys(own) if word)


def go_template(template: Template, *, eos: str) -> str:
    """One turn in Ollama's syntax. Ollama writes a turn after the other, and the last up to its answer."""
    ask = template.instruction.replace("{round}", "1").replace("{input}", "{{ .Prompt }}")
    system = ""
    if template.system is not None:
        said = template.system.replace("{system}", "{{ .System }}")
        system = "{{ if .System }}" + said + "{{ end }}"
    return system + ask + "{{ .Response }}" + template.end(eos) + template.separator
