"""The wording of a conversation for one family of models: as text, and as a Jinja chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.errors import UserError

IMAGE = "<image>"
"""Stands for a picture in the text of a conversation."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question, and its answer once there is one."""

    question: str
    answer: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One family's wording.

    A turn is [system] instruction, answer + suffix, separator. Where the suffix does not end the sequence,
    the tokenizer's end token follows the answer.
    """

    name: str
    instruction: str
    """With `{input}`, and `{round}` (from 1) where a family counts its turns."""
    system: str | None = None
    """With `{system}`; None where the family has no place for a system text."""
    suffix: str = ""
    suffix_ends: bool = False
    """The suffix is the end of the answer; the tokenizer's own end token does not follow it."""
    separator: str = ""
    stop_words: tuple[str, ...] = ()

    def ask(self, turn: Turn, number: int = 1) -> str:
        """What comes before the answer of the `number`-th turn."""
        instruction = self.instruction.replace("{round}", str(number)).replace("{input}", turn.question)
        if not turn.system:
            return instruction
        if self.system is None:
            raise UserError(
                f"the template `{self.name}` has no place for a system text.",
                fix="Put the text in front of the first question, or leave it out.",
            )
        return self.system.replace("{system}", turn.system) + instruction

    def end(self, eos: str) -> str:
        """What closes an answer, `eos` being the tokenizer's end token."""
        return self.suffix if self.suffix_ends else self.suffix + eos

    def render(self, turns: Sequence[Turn], *, eos: str = "") -> str:
        """The conversation as text, ready for its next answer if the last turn has none.

        The beginning-of-sequence token is the tokenizer's: once, in front of everything.
        """
        written = []
        for number, turn in enumerate(turns, 1):
            written.append(self.ask(turn, number))
            if turn.answer is not None:
                written.append(turn.answer + self.end(eos) + self.separator)
        return "".join(written)


def chat_template(template: Template) -> str:
    """The template as Jinja; a picture is `<image>` and a newline, at its place in the text.

    It writes no beginning-of-sequence token: the tokenizer puts that in front, once.
    """
    content = "written(message['content'])"
    values = {"{input}": content, "{system}": content, "{round}": "count.turns | string"}
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
