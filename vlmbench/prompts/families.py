"""Which style a model is asked in, the same on every route.

By the `model_type` of its config.json where that can be read; else by the name under which a server or a
function has it, against the patterns that the style files keep (`names`). Where neither is known, in
VLMEvalKit's words for any model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from vlmbench.plain_text import visible
from vlmbench.prompts.files import FALLBACK, prompt_style, style_names

_NO_LETTER = re.compile(r"[^a-z0-9*]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenStyle:
    """The style of a model, and what decided it."""

    name: str
    because: str
    """`its model_type llava in config.json`, `the name llava-1.5-7b-hf`."""
    known: bool = True
    """False: no family was found, and `name` is the style for any model."""

    def __str__(self) -> str:
        """One line for the start of a run."""
        name, title = self.name, prompt_style(self.name).title
        if not self.known:
            return (
                f"prompt style {name} ({title}): no family is known for {self.because}; "
                "--prompt STYLE chooses another (vlmbench list styles)"
            )
        return (
            f"prompt style {name} ({title}), for {self.because}; "
            "--prompt STYLE chooses another (vlmbench list styles)"
        )


def style_of_type(model_type: str) -> ChosenStyle:
    """The style in which models of this `model_type` are asked."""
    name = _by_type().get(model_type)
    because = f"its model_type {visible(model_type, 80)} in config.json"
    return ChosenStyle(name=name or FALLBACK, because=because, known=name is not None)


def style_of_names(names: Iterable[str]) -> ChosenStyle:
    """The style of the first name that is known; the longest pattern decides between several."""
    given = [name for name in names if name]
    for name in given:
        plain = _plain(_last(name))
        fitting = [(len(pattern), style) for pattern, style in _patterns() if fnmatchcase(plain, pattern)]
        if fitting:
            return ChosenStyle(name=max(fitting)[1], because=f"the name {visible(_last(name), 80)}")
    because = f"the name {visible(_last(given[0]), 80)}" if given else "a model without a name"
    return ChosenStyle(name=FALLBACK, because=because, known=False)


def default_style(model_type: str) -> str:
    """The name of the style in which models of this `model_type` are asked."""
    return style_of_type(model_type).name


@cache
def _by_type() -> dict[str, str]:
    return {kind: style for style in _whole() for kind in prompt_style(style).models}


@cache
def _patterns() -> tuple[tuple[str, str], ...]:
    return tuple((_plain(pattern), style) for style in _whole() for pattern in prompt_style(style).names)


def _whole() -> Iterator[str]:
    return (name for name in style_names() if ":" not in name)


def _last(name: str) -> str:
    """The last part of a path or a hub id."""
    return name.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]


def _plain(name: str) -> str:
    """Letters and digits: `Qwen2.5-VL`, `qwen2_5_vl` and Ollama's `qwen2.5vl:7b` are one name."""
    return _NO_LETTER.sub("", name.lower())
