"""A template in the form that transformers, vLLM and the Hub read: Jinja."""

from __future__ import annotations

import json

from vlmbench.templates.template import IMAGE, Template

_CONTENT = """\
{%- macro written(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}
{%- for part in content -%}
{%- if part['type'] == 'image' -%}{{ @IMAGE@ }}{%- else -%}{{ part['text'] }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
"""

_CONVERSATION = """\
{%- set count = namespace(turns=0) -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
@SYSTEM@
{%- elif message['role'] == 'user' -%}
{%- set count.turns = count.turns + 1 -%}
{{ @INSTRUCTION@ }}
{%- elif message['role'] == 'assistant' -%}
{{ written(message['content']) + @END@ }}
{%- else -%}
{{ raise_exception('A message is of system, user or assistant, and not of ' + message['role'] + '.') }}
{%- endif -%}
{%- endfor -%}
"""


def chat_template(template: Template) -> str:
    """The wording as a chat template; a picture is `<image>` and a newline, where it stands.

    It writes no beginning-of-sequence token: the tokenizer puts that in front, once.
    """
    said = "written(message['content'])"
    values = {"{input}": said, "{system}": said, "{round}": "count.turns | string"}
    if template.system is None:
        refusal = f"The template {template.name} has no place for a system text."
        system = "{{ raise_exception(" + _quoted(refusal) + ") }}"
    else:
        system = "{{ " + _joined(template.system, values) + " }}"
    end = _joined(template.suffix, {}) + ("" if template.suffix_ends else " + eos_token")
    text = _CONTENT.replace("@IMAGE@", _quoted(f"{IMAGE}\n")) + _CONVERSATION
    text = text.replace("@SYSTEM@", system).replace("@INSTRUCTION@", _joined(template.instruction, values))
    return text.replace("@END@", f"{end} + {_quoted(template.separator)}")


def _joined(text: str, values: dict[str, str]) -> str:
    """`a {input} b` as a Jinja sum of literals and values."""
    pieces = [text]
    for mark in values:
        pieces = [part for piece in pieces for part in _split(piece, mark)]
    return " + ".join(values.get(piece) or _quoted(piece) for piece in pieces if piece) or "''"


def _split(text: str, mark: str) -> list[str]:
    first, *rest = text.split(mark)
    return [first, *(part for after in rest for part in (mark, after))]


def _quoted(text: str) -> str:
    """A Jinja string literal: JSON's escapes are among Jinja's."""
    return json.dumps(text, ensure_ascii=False)
