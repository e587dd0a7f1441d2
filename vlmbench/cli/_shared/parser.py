"""The parser of a verb: options in titled groups, rare ones behind `--help-all`, mistakes as UsageErrors."""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from vlmbench.chinese import translated
from vlmbench.chinese.width import filled, lines_of
from vlmbench.cli._shared.xtuner_words import flag_here
from vlmbench.errors import UnknownName, UsageError
from vlmbench.terminal.output import write

GENERAL = "general"
"""The title of what every verb has; it comes last."""


class OptionGroup(argparse._ArgumentGroup):
    """Options under one title. `--help` leaves the rare ones out."""

    def __init__(self, parser: argparse._ActionsContainer, title: str, about: str | None, rare: bool) -> None:
        super().__init__(parser, title, about)
        self.parser, self.rare = parser, rare


def options(
    container: argparse._ActionsContainer, title: str, about: str | None = None, *, rare: bool = False
) -> argparse._ArgumentGroup:
    """The group with that title, made if it is new; options added to a rare one are for `--help-all`.

    Within a group, that group: its own title stays.
    """
    if isinstance(container, OptionGroup):
        return options(container.parser, str(container.title), rare=True) if rare else container
    for known in container._action_groups:
        if isinstance(known, OptionGroup) and (known.title, known.rare) == (title, rare):
            return known
    made = OptionGroup(container, title, about, rare)
    container._action_groups.append(made)
    return made


class VerbParser(argparse.ArgumentParser):
    """Prints help in groups and raises its errors as UsageErrors."""

    def __init__(self, verb: str, description: str | None) -> None:
        super().__init__(
            prog=f"vlmbench {verb}", description=description, formatter_class=_Formatter, add_help=False
        )
        self._positionals.title = "what"

    def add_general(self) -> argparse._ArgumentGroup:
        """Add what every verb has; returns its group."""
        general = options(self, GENERAL)
        general.add_argument("-h", "--help", action=_Help, dest="help", help="show the common options")
        rare = options(self, GENERAL, rare=True)
        rare.add_argument("--help-all", action=_Help, dest="help", help="show every option")
        rare.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            help="also print what goes to libraries.log",
        )
        return general

    def format_usage(self) -> str:
        """What is required, and `[options]`."""
        flags = [action for action in self._actions if action.required and action.option_strings]
        words = [action for action in self._actions if not action.option_strings]
        head = translated("usage: ")
        return f"{head}{' '.join([self.prog, *map(_in_usage, [*flags, *words]), '[options]'])}\n"

    def format_help(self, *, every: bool = False) -> str:
        """The help page; without `every`, only of the common options."""
        formatter = self._get_formatter()
        formatter.add_text(_reflowed(self.description or "", formatter._width))
        sections: dict[str, list[argparse._ArgumentGroup]] = {}
        for one in self._action_groups:
            if every or not getattr(one, "rare", False):
                sections.setdefault(str(one.title), []).append(one)
        for title in sorted(sections, key=GENERAL.__eq__):
            formatter.start_section(translated(title))
            about = sections[title][0].description
            formatter.add_text(about and translated(about))
            for one in sections[title]:
                formatter.add_arguments(one._group_actions)
            formatter.end_section()
        end = "" if every else self._named_rare()
        return f"{self.format_usage()}\n{formatter.format_help()}{end}"

    def _named_rare(self) -> str:
        rare = [one for one in self._action_groups if getattr(one, "rare", False)]
        count = sum(action.help != argparse.SUPPRESS for one in rare for action in one._group_actions)
        titles = dict.fromkeys(str(one.title) for one in rare if one.title != GENERAL)
        if not titles:  # --help-all itself, and --verbose
            line = f"`{self.prog} --help-all` shows every option."
        else:
            named = ", ".join(map(translated, titles))
            line = f"{count} more options with `{self.prog} --help-all`: {named}."
        return f"\n{filled(translated(line), self._get_formatter()._width)}\n"

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing."""
        raise UsageError(f"{message}.", fix=f"See `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            of = "/".join(action.option_strings)
            kind = f"value for `{of}`" if of else action.dest
            raise UnknownName(kind, str(value), map(str, action.choices), fix=f"See `{self.prog} --help`.")


def check_options(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Refuse a misspelt option first: argparse would complain of the option that it was meant to be."""
    known = {option: action for action in parser._actions for option in action.option_strings}
    for word in itertools.takewhile(lambda word: word != "--", argv):
        name = word.partition("=")[0]
        if not name.startswith("-") or name == "-" or " " in name or _NUMBER.match(word) or name in known:
            continue
        if not name.startswith("--") and _shorts(name, known):
            continue
        meant = {id(known[o]): o for o in known if o.startswith(name) and name.startswith("--")}
        if not meant:
            _refuse(parser, name, known)
        if len(meant) > 1:
            longer = " or ".join(sorted(meant.values()))
            raise UsageError(f"`{name}` may be {longer}.", fix="Write it as one of them.")


_NUMBER = re.compile(r"-\d+(\.\d*)?$|-\.\d+$")


def _shorts(name: str, known: Iterable[str]) -> bool:
    """Several flags of one letter in one word: `-qh`."""
    return all(f"-{letter}" in known for letter in name[1:])


def _refuse(parser: argparse.ArgumentParser, name: str, known: Iterable[str]) -> NoReturn:
    if (fix := flag_here(name)) is not None:
        raise UsageError(f"`{name}` is a flag of xtuner's.", fix=fix)
    spelled = f"--{name.lstrip('-')}"
    names = [option for option in known if option.startswith("--")]
    near = [option for option in names if option.startswith(spelled)]
    near = near or difflib.get_close_matches(spelled, names, n=3)
    if near:
        raise UsageError(
            f"there is no option named `{name}`. Did you mean {' or '.join(near)}?",
            fix=f"See `{parser.prog} --help-all`.",
        )
    raise UnknownName("option", name, names, fix=f"See `{parser.prog} --help-all`.")


class _Help(argparse.Action):
    """Print the page and leave."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **more)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option: str | None = None
    ) -> NoReturn:
        every = self.option_strings[-1] == "--help-all"
        page = parser.format_help(every=every) if isinstance(parser, VerbParser) else parser.format_help()
        write(page.removesuffix("\n"))
        parser.exit()


_REMARK = re.compile(r"(?P<command>.*\S\s{3,})(?P<remark>\S.*)")
"""A command with a remark beside it."""


def _reflowed(text: str, width: int) -> str:
    """The paragraphs at this width; commands stay as they are, and the remarks beside them are translated."""

    def shown(block: str) -> str:
        lines = block.split("\n")
        if not any(line.startswith((" ", "vlmbench ")) for line in lines):
            return filled(translated(" ".join(block.split())), width)
        indent = "    " if all(line.startswith("vlmbench ") for line in lines) else ""
        return "\n".join(indent + _REMARK.sub(_remarked, line) for line in lines)

    return "\n\n".join(map(shown, text.strip().split("\n\n")))


def _remarked(line: re.Match[str]) -> str:
    return line["command"] + translated(line["remark"])


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description, shortens `NAME [NAME ...]`, and breaks Chinese by its width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22)

    def _get_help_string(self, action: argparse.Action) -> str:
        return translated(super()._get_help_string(action) or "")

    def _split_lines(self, text: str, width: int) -> list[str]:
        return super()._split_lines(text, width) if text.isascii() else lines_of(text, width)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs in ("+", "*"):
            return _values(action, default_metavar)
        return super()._format_args(action, default_metavar)


def _values(action: argparse.Action, otherwise: str) -> str:
    name = str(action.metavar or otherwise)
    forms: dict[Any, str] = {"+": f"{name} …", "*": f"[{name} …]", "?": f"[{name}]", 0: ""}
    return forms.get(action.nargs, name)


def _in_usage(action: argparse.Action) -> str:
    if not action.option_strings:
        chosen = f"{{{','.join(map(str, action.choices))}}}" if action.choices and not action.metavar else ""
        return chosen or _values(action, action.dest.upper())
    return f"{action.option_strings[0]} {_values(action, action.dest.upper())}".rstrip()
