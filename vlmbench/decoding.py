"""How an answer is generated: the noun, its JSON, its words, and settings changed by name.

    changed(Decoding(), {"temperature": 0.6, "top_p": 0.95}).document()

Standard library only: `domain` offers `Decoding` among its nouns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf, nan
from typing import Any

from vlmbench.errors import UnknownName, UsageError

SAMPLING = ("top_p", "top_k", "min_p")
"""Settings that choose among tokens: they mean nothing where nothing is drawn."""
_LATER = ("top_k", "min_p", "repetition_penalty", "presence_penalty", "stop")
"""Settings that the first runs did not have."""
_MOST_STOPS, _LONGEST_STOP, _MOST_SETTINGS = 16, 200, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How an answer is generated. Greedy, unless sampling is asked for."""

    max_new_tokens: int = 512
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    num_beams: int = 1
    seed: int = 0
    """Where sampling starts; greedy decoding has no use for it."""
    top_k: int = 0
    """Sample from so many of the likeliest tokens; 0: from all."""
    min_p: float = 0.0
    """Leave out tokens whose probability is below this share of the likeliest token's; 0: none."""
    repetition_penalty: float = 1.0
    """Above 1, makes tokens of the prompt and of the answer so far less likely."""
    presence_penalty: float = 0.0
    """Taken from the logit of every token that stands in the answer so far."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these texts."""

    def document(self) -> dict[str, Any]:
        """As JSON has it. Settings that the first runs did not have are left out where they change nothing,
        so that the lock of such a run stays equal."""
        plain = Decoding()
        left_out = {name for name in _LATER if getattr(self, name) == getattr(plain, name)}
        found = {name: value for name, value in asdict(self).items() if name not in left_out}
        return found | ({"stop": list(self.stop)} if self.stop else {})

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Decoding:
        """The decoding of such a document; a TypeError where it has other names."""
        return cls(**{**document, "stop": tuple(document.get("stop", ()))})


def seed_of(decoding: Decoding, request_id: str) -> int:
    """Where sampling of one request starts: the same whatever is asked beside it."""
    return zlib.crc32(f"{decoding.seed} {request_id}".encode("utf-8", "replace"))


def until(text: str, stops: Iterable[str]) -> str:
    """The text before the first of the stop texts in it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def decodings_in(facts: Any) -> tuple[Decoding, ...]:
    """The settings that a run.json locks under `decoding`; empty where it has none or they are malformed."""
    if not isinstance(facts, list) or len(facts) > _MOST_SETTINGS or not all(map(_is_sound, facts)):
        return ()
    known = [{k: v for k, v in setting.items() if k in Decoding.__slots__} for setting in facts]
    return tuple(map(Decoding.from_document, known))


def _is_sound(setting: Any) -> bool:
    if not isinstance(setting, Mapping) or "max_new_tokens" not in setting:
        return False
    plain = Decoding()
    known = (name for name in setting if name in Decoding.__slots__)
    return all(_is_like(getattr(plain, name), setting[name]) for name in known)


def _is_like(plain: Any, value: Any) -> bool:
    """Whether a value of a file is of the same kind as the noun's own."""
    if isinstance(plain, tuple):
        texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
        return texts and len(value) <= _MOST_STOPS and all(0 < len(text) <= _LONGEST_STOP for text in value)
    if isinstance(plain, bool):
        return isinstance(value, bool)
    kind = int if isinstance(plain, int) else int | float
    return isinstance(value, kind) and not isinstance(value, bool) and abs(value) < 1e9


def in_english(settings: Iterable[Decoding]) -> str:
    """The settings as text; runs count as decoded alike where this text is equal."""
    return "; ".join(", ".join(_words(setting, _ENGLISH)) for setting in settings)


def in_chinese(settings: Iterable[Decoding]) -> str:
    """The same in Chinese."""
    return "；".join("，".join(_words(setting, _CHINESE)) for setting in settings)


_ENGLISH = {
    "greedy": "greedy",
    "temperature": "sampling at {}",
    "top_p": " from the top {}",
    "top_k": "top-k {}",
    "min_p": "min-p {}",
    "repetition_penalty": "repetition penalty {}",
    "presence_penalty": "presence penalty {}",
    "num_beams": "{} beams",
    "stop": "stop at {}",
    "max_new_tokens": "at most {} tokens",
}
_CHINESE = {
    "greedy": "贪心解码",
    "temperature": "采样（温度 {}）",
    "top_p": "，top-p {}",
    "top_k": "top-k {}",
    "min_p": "min-p {}",
    "repetition_penalty": "重复惩罚 {}",
    "presence_penalty": "出现惩罚 {}",
    "num_beams": "束宽 {}",
    "stop": "遇到 {} 时停止",
    "max_new_tokens": "最多 {} 个 token",
}


def _words(setting: Decoding, words: Mapping[str, str]) -> list[str]:
    plain, first = Decoding(), words["greedy"]
    drawn: tuple[str, ...] = ()
    if setting.do_sample:
        first, drawn = words["temperature"].format(setting.temperature), ("top_k", "min_p")
        first += words["top_p"].format(setting.top_p) if setting.top_p != 1 else ""
    named = [*drawn, "repetition_penalty", "presence_penalty", "num_beams"]
    values = {name: getattr(setting, name) for name in named}
    shown = [words[name].format(value) for name, value in values.items() if value != getattr(plain, name)]
    if setting.stop:
        # `repr` escapes line breaks and characters that turn a line round.
        shown.append(words["stop"].format(" ".join(repr(text[:40]) for text in setting.stop)))
    return [first, *shown, words["max_new_tokens"].format(setting.max_new_tokens)]


_RANGES: dict[str, tuple[type[int] | type[float], Callable[[float], bool], str]] = {
    "max_new_tokens": (int, lambda n: n >= 1, "a whole number from 1"),
    "temperature": (float, lambda n: 0 <= n < inf, "a number from 0"),
    "top_p": (float, lambda n: 0 < n <= 1, "a number above 0 and at most 1"),
    "top_k": (int, lambda n: n >= 0, "a whole number from 0"),
    "min_p": (float, lambda n: 0 <= n < 1, "a number from 0 and below 1"),
    "repetition_penalty": (float, lambda n: 0 < n < inf, "a number above 0"),
    "presence_penalty": (float, lambda n: -2 <= n <= 2, "a number from -2 to 2"),
    "num_beams": (int, lambda n: n >= 1, "a whole number from 1"),
}
SETTINGS = (*_RANGES, "stop")
"""What can be set by name. Whether tokens are drawn follows from the temperature."""
_OTHERS = {
    "seed": "The seed of a run is `--seed`.",
    "do_sample": "temperature=0 is greedy; a temperature above 0 samples.",
}


def changed(base: Decoding, settings: Mapping[str, Any]) -> Decoding:
    """`base` with settings by name: a temperature above 0 samples, 0 is greedy. Numbers may be text."""
    values = {name: _value(name, value) for name, value in settings.items()}
    temperature = values.pop("temperature", None)
    found = replace(base, **values)
    if temperature == 0:
        left = {name: getattr(Decoding(), name) for name in (*SAMPLING, "temperature") if name not in values}
        found = replace(found, do_sample=False, **left)
    elif temperature is not None:
        found = replace(found, do_sample=True, temperature=temperature)
    return checked(found)


def checked(decoding: Decoding) -> Decoding:
    """The decoding; refused where a value is out of range or has no effect."""
    for name in (*_RANGES, *(("stop",) if decoding.stop else ())):
        _value(name, getattr(decoding, name))
    if decoding.do_sample and decoding.temperature == 0:
        raise UsageError("sampling needs a temperature above 0.", key="temperature")
    for name in () if decoding.do_sample else SAMPLING:
        if getattr(decoding, name) != getattr(Decoding(), name):
            raise UsageError(
                "greedy decoding draws nothing, so this setting would change nothing.",
                key=name,
                fix="Set a temperature too, such as temperature=1.0, or leave it out.",
            )
    return decoding


def _value(name: str, value: Any) -> Any:
    if name not in SETTINGS:
        raise UnknownName("setting of decoding", name, SETTINGS, fix=_OTHERS.get(name))
    if name == "stop":
        return _stops(value)
    kind, allowed, words = _RANGES[name]
    is_number = not isinstance(value, bool if kind is float else bool | float)
    try:
        number = kind(value) if is_number else nan
    except (TypeError, ValueError):
        number = nan
    if name == "top_k" and number == -1:  # how vLLM and SGLang write "all"
        return 0
    if not allowed(number):
        raise UsageError(f"`{value}` is not {words}.", key=name)
    return number


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not 0 < len(stops) <= _MOST_STOPS:
        raise UsageError(f"an answer can end at 1 to {_MOST_STOPS} texts.", key="stop")
    if not all(isinstance(stop, str) and 0 < len(stop) <= _LONGEST_STOP for stop in stops):
        raise UsageError(f"{value!r} is not a text of 1 to {_LONGEST_STOP} characters.", key="stop")
    return tuple(dict.fromkeys(stops))
