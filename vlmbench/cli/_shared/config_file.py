"""The YAML file of `--config`: a verb's options by name, checked and typed as on the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from vlmbench.errors import UnknownName, UsageError
from vlmbench.files.json_files import read_yaml


def mapping_in_file(text: str) -> NoReturn:
    """An argparse type: a mapping, which only a file can hold."""
    raise argparse.ArgumentTypeError(
        f"`{text}` cannot stand on a command line: it is a part of --config FILE"
    )


def apply_config(parser: argparse.ArgumentParser, path: Path) -> None:
    """Make the file's values the defaults, so that flags override them."""
    found = typed_options(parser, read_yaml(path, raises=UsageError) or {}, path)
    parser.set_defaults(**found)
    for action in parser._actions:
        action.required = action.required and action.dest not in found


def typed_options(
    parser: argparse.ArgumentParser, given: Any, path: Path, key: str | None = None
) -> dict[str, Any]:
    """Options of a mapping in the file, typed, by the names of their attributes; `key` is where it stands."""
    if not isinstance(given, Mapping):
        raise UsageError("must be a mapping of option names to values.", file=path, key=key)
    actions: dict[str, Any] = {o.lstrip("-"): a for a in parser._actions for o in a.option_strings}
    found: dict[str, Any] = {}
    for key_, value in given.items():
        name = str(key_).replace("_", "-")
        if name not in actions:
            raise UnknownName("option", str(key_), actions, fix=f"Correct it in {path}.")
        found[actions[name].dest] = _value(path, actions[name], name, value)
    return found


def _value(path: Path, action: Any, name: str, value: Any) -> Any:
    if action.type is mapping_in_file:
        if not isinstance(value, dict):
            raise UsageError(f"must be a mapping, not `{value}`.", file=path, key=name)
        return value
    if action.nargs in ("+", "*") or isinstance(action.default, list):
        return [_scalar(path, action, name, one) for one in _listed(value)]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"must be true or false, not `{value}`.", file=path, key=name)
        return value
    return _scalar(path, action, name, value)


def _listed(value: Any) -> list[Any]:
    """Several values; a mapping stands for KEY=VALUE each."""
    if isinstance(value, Mapping):
        return [f"{key}={one if isinstance(one, str) else json.dumps(one)}" for key, one in value.items()]
    return value if isinstance(value, list) else [value]


def _scalar(path: Path, action: Any, name: str, value: Any) -> Any:
    try:
        typed = action.type(str(value)) if action.type else str(value)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UsageError(
            f"{error}." if "`" in str(error) else f"`{value}`: {error}.", file=path, key=name
        ) from None
    if action.choices is not None and typed not in action.choices:
        raise UnknownName(
            f"value for `{name}`", str(value), map(str, action.choices), fix=f"Correct it in {path}."
        )
    return typed
