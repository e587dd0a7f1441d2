"""What can stand next on a command line, from the parsers; kept in a file until the code changes."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BENCHMARKS, RECIPES, STYLES, FILES = "benchmarks", "recipes", "styles", ""
"""What a value is the name of; files otherwise."""
_NAMED = {
    "--bench": BENCHMARKS, "--eval": BENCHMARKS, "--recipe": RECIPES, "--prompt": STYLES,
    "check-submission": FILES, "show": BENCHMARKS, "list": BENCHMARKS, "data": BENCHMARKS,
    "train": RECIPES, "recipes": RECIPES,
}  # fmt: skip
"""Of the values of a flag, and of the words that follow a verb."""


def completions(words: Sequence[str]) -> list[str]:
    """What can replace the last of the words after `vlmbench`; empty where the shell completes files."""
    *before, last = words or [""]
    table = _table()
    if not before:
        return _beginning(last, table["verbs"])
    verb = table["verbs"].get(before[0])
    if verb is None:
        return []
    if last.startswith("-"):
        return _beginning(last, verb["flags"])
    flag = _flag_of(before[1:], verb["flags"])
    found = verb["flags"][flag] if flag else verb["words"]
    names = [*found["choices"]]
    if not (found["choices"] and not flag and len(before) == 1):
        names += table["names"].get(found["named"], ())
    return _beginning(last, names)


def _beginning(start: str, names: Any) -> list[str]:
    folded = start.lower()
    return [name for name in names if name.lower().startswith(folded)]


def _flag_of(words: Sequence[str], flags: Mapping[str, Any]) -> str:
    """The flag whose value the next word is; empty where it is a word of the verb."""
    for back, word in enumerate(reversed(words), 1):
        if word in flags:
            takes = flags[word]["takes"]
            return word if takes == "many" or (takes == "one" and back == 1) else ""
    return ""


def _table() -> dict[str, Any]:
    """Verbs with their flags, and every name; made anew when a file of the package is another."""
    from vlmbench.data.disk import home_folder

    key, file = _fingerprint(), home_folder() / "completion.json"
    try:
        table: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if table["key"] == key:
            return table
    except (OSError, ValueError, KeyError, TypeError):
        pass
    table = {"key": key, "verbs": _verbs(), "names": _names()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(table), "utf-8")
        aside.replace(file)
    except OSError:
        pass  # the next one is as slow as this one
    return table


def _fingerprint() -> str:
    """Of every file of the package and of the user's suites; installed plugins change the path's folders."""
    from vlmbench.data.disk import home_folder

    found = [f"{entry.path} {entry.stat().st_mtime_ns}" for root in _roots() for entry in _files(root)]
    places = [home_folder() / "suites.yaml", *map(Path, filter(None, sys.path))]
    found += [f"{place} {place.stat().st_mtime_ns}" for place in places if place.exists()]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _roots() -> list[str]:
    """The package and its sister folders, which may lie elsewhere; none is imported for it."""
    names = ("vlmbench.cli", "vlmbench.prompts", "vlmbench.benchmarks", "vlmbench.trainers")
    specs = [importlib.util.find_spec(name) for name in names]
    return [place for spec in specs if spec for place in spec.submodule_search_locations or ()]


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _files(entry.path)
        else:
            yield entry


def _verbs() -> dict[str, Any]:
    from vlmbench.cli.main import VERBS, parser_of, verb_named

    return {verb: _verb(verb, parser_of(verb, verb_named(verb))) for verb in VERBS}


def _verb(verb: str, parser: argparse.ArgumentParser) -> dict[str, Any]:
    flags = {
        option: _described(action, _NAMED.get(action.option_strings[-1], FILES))
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
    }
    words = [action for action in parser._actions if not action.option_strings]
    choices = [str(choice) for action in words for choice in action.choices or ()]
    return {"flags": flags, "words": {"choices": choices, "named": _NAMED.get(verb, FILES)}}


def _described(action: argparse.Action, named: str) -> dict[str, Any]:
    takes = "none" if action.nargs == 0 else "many" if action.nargs in ("+", "*") else "one"
    return {"takes": takes, "choices": [str(c) for c in action.choices or ()], "named": named}


def _names() -> dict[str, list[str]]:
    from vlmbench.prompts import style_names
    from vlmbench.registry import Registry
    from vlmbench.suites import suites
    from vlmbench.trainers.recipe.library import recipe_names

    return {
        BENCHMARKS: sorted([*Registry().benchmarks, *suites()]),
        RECIPES: sorted(recipe_names()),
        STYLES: sorted(style_names()),
    }
