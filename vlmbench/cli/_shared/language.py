"""--lang: before a verb or after it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vlmbench.chinese import LANGUAGES, in_chinese
from vlmbench.cli._shared.parser import GENERAL, options
from vlmbench.errors import UsageError

if TYPE_CHECKING:
    from vlmbench.decoding import Decoding

FLAG = "--lang"


def add_lang_argument(parser: argparse._ActionsContainer) -> None:
    """The language of what is printed."""
    general = options(parser, GENERAL, rare=True)
    general.add_argument(FLAG, choices=LANGUAGES, help="language of the terminal (default: the locale's)")


def split_language(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """The command line without --lang, which may stand before the verb too, and the language it names."""
    left, language = list[str](), None
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*left, word, *words], language
        if name != FLAG:
            left.append(word)
            continue
        language = value if equals else next(words, "")
        if language not in LANGUAGES:
            raise UsageError(f"`{language}` is not a language here.", fix="Write `--lang en` or `--lang zh`.")
    return left, language


def decoding_words(settings: Iterable[Decoding]) -> str:
    """How answers are generated, in the user's language."""
    from vlmbench import decoding

    return decoding.in_chinese(settings) if in_chinese() else decoding.in_english(settings)
