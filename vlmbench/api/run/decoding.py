"""Which decoding a run asks for, as a value, and the Decoding that it comes to with one model.

decoding_choice("model")                                   the checkpoint's own generation_config.json
decoding_choice({"temperature": 0.6, "base": "model"})     the same, with one setting changed
decoding_choice(Decoding(stop=("</answer>",)))             exactly this
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from vlmbench.decoding import SAMPLING, SETTINGS, Decoding, changed, checked, in_english
from vlmbench.domain import Card, Model
from vlmbench.errors import UnknownName, UsageError
from vlmbench.models.generation_config import decoding_of
from vlmbench.models.loading import SERVED
from vlmbench.prompts import prompt_style

Base = Literal["greedy", "published", "model"]
BASES: tuple[Base, ...] = get_args(Base)
AnyDecoding: TypeAlias = Base | Decoding | Mapping[str, Any]
"""A name, every setting, or some settings by name; in a mapping, `base` may name what they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingChoice:
    """What is asked for, before the model and the prompt style are known."""

    base: Base | None = None
    """None: greedy, unless a setting samples."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings by name, over the base."""
    exact: Decoding | None = None
    """Every setting, from Python."""

    def checked(self, max_new_tokens: int | None = None) -> DecodingChoice:
        """This choice; refused where two parts of it contradict each other."""
        if self.base is not None and self.base not in BASES:
            raise UnknownName("decoding", str(self.base), BASES)
        if self.exact is not None:
            checked(self.exact)
        else:
            may_sample = self.base not in (None, "greedy")
            changed(Decoding(do_sample=may_sample), self.settings)
        if self.base == "published" and self.settings:
            raise UsageError(
                "a published decoding is taken as it is.",
                key="--set-decoding",
                fix="Leave out `published` and name every setting, or leave out the settings.",
            )
        if self.base == "greedy" and (drawn := self._drawn()):
            raise UsageError(
                f"greedy decoding and {drawn}={self.settings[drawn]} contradict each other.",
                key="--set-decoding",
                fix="Leave out one of the two.",
            )
        longest = self.settings.get("max_new_tokens") if self.exact is None else self.exact.max_new_tokens
        if max_new_tokens is not None and longest is not None and str(longest) != str(max_new_tokens):
            raise UsageError(
                f"at most {max_new_tokens} tokens and at most {longest} contradict each other.",
                key="max_new_tokens",
                fix="Name the longest answer once.",
            )
        return self

    @property
    def is_greedy(self) -> bool:
        """Whether nothing is drawn, whatever the model and the prompt style."""
        if self.exact is not None:
            return not self.exact.do_sample
        return self.base in (None, "greedy") and self._drawn() is None

    def _drawn(self) -> str | None:
        """A setting that makes the decoding sample."""
        temperature = self.settings.get("temperature")
        found = ["temperature"] if temperature is not None and float(temperature) > 0 else []
        return next(iter([*found, *(name for name in SAMPLING if name in self.settings)]), None)


def decoding_choice(given: AnyDecoding | None) -> DecodingChoice:
    """What Python code asks for, as a value."""
    if given is None or isinstance(given, str):
        return DecodingChoice(base=given)
    if isinstance(given, Decoding):
        return DecodingChoice(exact=given)
    if not isinstance(given, Mapping):
        raise UsageError(
            f"a value of type {type(given).__name__} is no decoding.",
            key="decoding",
            fix=f"Give {', '.join(BASES)}, a mapping of settings, or a vlmbench.Decoding.",
        )
    settings = dict(given)
    return DecodingChoice(base=settings.pop("base", None), settings=settings)


_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


def typed_settings(items: Iterable[str]) -> dict[str, Any]:
    """Settings typed as KEY=VALUE; every one once, `stop` as often as wanted."""
    found: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(
                f"`{item}` sets nothing.", key="--set-decoding", fix="Write KEY=VALUE: temperature=0.6"
            )
        if name == "stop":
            text = re.sub(r"\\(n|t|\\)", lambda escape: _ESCAPES[escape[1]], value)
            found.setdefault("stop", []).append(text)
        elif name in found:
            raise UsageError(f"`{name}` is set twice.", key="--set-decoding", fix="Leave out one of the two.")
        else:
            found[name] = value
    return found


def chosen_decoding(
    choice: DecodingChoice, style: str, card: Card, model: Model, *, seed: int, max_new_tokens: int | None
) -> Decoding | None:
    """The decoding that a choice comes to with this model; None where it is the prompt style's own."""
    wording = prompt_style(style)
    if choice.exact is not None:
        found = choice.exact
        if found.seed and seed and found.seed != seed:
            raise UsageError(
                f"seed {seed} and the decoding's seed {found.seed} differ.",
                key="seed",
                fix="Give only one.",
            )
        seed = found.seed or seed
    elif choice.base == "published":
        found = wording.published(card)
    elif choice.base == "model":
        found = changed(decoding_of(own_settings(model), wording.decoding(card)), choice.settings)
    elif choice.settings or max_new_tokens:
        found = changed(wording.decoding(card), choice.settings)
    else:
        return None
    if max_new_tokens:
        found = replace(found, max_new_tokens=max_new_tokens)
    return replace(found, seed=seed if found.do_sample else 0)


def own_settings(model: Any) -> Mapping[str, Any]:
    """What the checkpoint's generation_config.json says, or why it is not known."""
    settings: Mapping[str, Any] | None = getattr(model, "generation_settings", None)
    if settings is None:
        served = getattr(model, "facts", {}).get("kind") in SERVED
        why = "a server does not say what is in it" if served else f"{model.name} has no such file"
        raise UsageError(
            f"`--decoding model` takes the checkpoint's generation_config.json, and {why}.",
            fix=f"Name the settings: --set-decoding temperature=0.6 … ({', '.join(SETTINGS)}).",
        )
    return settings


def decoding_note(choice: DecodingChoice, style: str, decoding: Decoding | None) -> str | None:
    """One line for the screen: what was chosen; None where a run decodes as its style does."""
    if decoding is None or (choice == DecodingChoice(base=choice.base) and choice.base in (None, "greedy")):
        return None
    named = {
        "published": f" as published with {style}",
        "model": " of the model's generation_config.json",
    }
    source = named.get(choice.base or "", "")
    if choice.base == "model" and choice.settings:
        source += f", {', '.join(choice.settings)} changed"
    seed = f", seed {decoding.seed}" if decoding.do_sample else ""
    return f"decoding{source}: {in_english([decoding])}{seed}"
