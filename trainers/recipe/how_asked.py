"""How an evaluation asks: flags of `vlmbench run` that a chain's `evaluate:` and `vlmbench train` take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

from vlmbench.trainers.recipe.typed import Range

_Count = Annotated[int, Range(least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HowAsked:
    """Each field is a flag of `vlmbench run`; what is None or empty is as a run has it without the flag."""

    decoding: str | None = None
    set_decoding: tuple[str, ...] = ()
    """`temperature=0.6`, as typed."""
    max_new_tokens: _Count | None = None
    thinking: str | None = None
    min_pixels: _Count | None = None
    max_pixels: _Count | None = None
    tiles: _Count | None = None
    resample: str | None = None

    @property
    def how(self) -> dict[str, Any]:
        """What is set, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(HowAsked)}
        return {name: value for name, value in values.items() if value not in (None, ())}

    @property
    def flags(self) -> tuple[str, ...]:
        """As they are typed."""
        found: list[str] = []
        for name, value in self.how.items():
            found += [_flag(name), *(value if isinstance(value, tuple) else [str(value)])]
        return tuple(found)

    def is_of(self, command: Sequence[str]) -> bool:
        """Whether a command asks like this."""
        known, ours, keeps = {_flag(field.name) for field in fields(HowAsked)}, [], False
        for word in command:
            keeps = word in known if word.startswith("--") else keeps
            ours += [word] if keeps else []
        return tuple(ours) == self.flags


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
