"""The parts a conversation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.errors import UserError

IMAGE = "<image>"
"""Stands for a picture in the text of a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question, and its answer once there is one."""

    question: str
    answer: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One family's wording.

    A turn is [system] instruction, answer + suffix, separator. Where the suffix is no end of
    sequence of its own, the tokenizer's end token follows the answer.
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
