"""How the answers behind a figure were decoded. It parts no columns: it is said of every figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from vlmbench.domain import Decoding
from vlmbench.finished import FinishedRun

_DEFAULTS = asdict(Decoding())
_SIZED = {"max_new_tokens", "num_beams", "seed"}
"""Counts; the others are numbers, or yes and no."""


def decodings_of(run: FinishedRun) -> tuple[Decoding, ...]:
    """The settings that run.json locked; none where it does not say, or says what is no setting."""
    facts = run.facts.get("decoding")
    if not isinstance(facts, list) or not facts or len(facts) > 9:
        return ()
    return tuple(_decoding(setting) for setting in facts) if all(map(_sound, facts)) else ()


def decoded(settings: Iterable[Decoding]) -> str:
    """In words; two ways that differ in their words are not the same way."""
    return "; ".join(map(_in_words, settings))


def _sound(setting: Any) -> bool:
    if not isinstance(setting, Mapping) or "max_new_tokens" not in setting:
        return False
    return all(
        isinstance(value, bool)
        if name == "do_sample"
        else isinstance(value, int if name in _SIZED else int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e9
        for name, value in setting.items()
        if name in _DEFAULTS
    )


def _decoding(setting: Mapping[str, Any]) -> Decoding:
    return Decoding(**{name: setting[name] for name in _DEFAULTS if name in setting})


def _in_words(setting: Decoding) -> str:
    way = f"sampling at {setting.temperature}" if setting.do_sample else "greedy"
    top = f" from the top {setting.top_p}" if setting.do_sample and setting.top_p != 1 else ""
    beams = f", {setting.num_beams} beams" if setting.num_beams != 1 else ""
    return f"{way}{top}{beams}, at most {setting.max_new_tokens} tokens"
