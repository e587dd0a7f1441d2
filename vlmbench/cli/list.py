"""List benchmarks, suites, plugins, prompt styles or rule sets.

    vlmbench list
    vlmbench list mmbench zh          # benchmarks in whose row both words stand: name, family, language, …
    vlmbench list suites
    vlmbench list plugins --plugin mine.py

The table of benchmarks shows how many rows there are, `?` where that is known only once the file is here,
whether the answers are public and whether the file is on this machine.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import fitting_rows
from vlmbench.cli._shared.flags import add_data_dir_argument, add_format_argument, add_plugin_argument
from vlmbench.cli._shared.tables import UNKNOWN, print_rows
from vlmbench.domain import RULE_SETS
from vlmbench.errors import UnknownName
from vlmbench.terminal.screen import note

if TYPE_CHECKING:
    from vlmbench.registry import BenchmarkSource

KINDS = ("benchmarks", "suites", "plugins", "styles", "rules")
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "benchmarks": (
        ("family", "languages", "modality", "also"),
        ("also", "file", "modality", "answers", "languages"),
    ),
    "suites": (("benchmarks",), ()),
    "plugins": (("benchmarks", "error"), ()),
    "styles": (("whose", "default for", "sources"), ("sources", "pictures", "whose")),
    "rules": (("what",), ()),
}
"""By kind: the columns that may be wrapped, and those that a narrow terminal does without."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `list`."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WHAT",
        help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]} (default: benchmarks), and words that stand in the "
        "rows wanted, or patterns such as '*_CN'",
    )
    add_data_dir_argument(parser)
    add_plugin_argument(parser)
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Print the table."""
    tables = (listed_benchmarks, suite_rows, plugin_rows, style_rows, rule_rows)
    named = bool(args.words) and args.words[0] in KINDS
    kind, words = args.words[0] if named else KINDS[0], args.words[named:]
    every = dict(zip(KINDS, tables, strict=True))[kind](args)
    rows = fitting_rows(every, words)
    if words and not rows:
        known = [*(str(next(iter(row.values()))) for row in every), *KINDS]
        raise UnknownName(kind.removesuffix("s"), " ".join(words), known)
    prose, least = COLUMNS[kind]
    print_rows(rows, args.format, prose=prose, least=least)
    if any(row.get("rows") == UNKNOWN for row in rows):
        note(f"{UNKNOWN}: rows not known; `vlmbench data check NAME` counts those of a file that is here")
    return 0


def listed_benchmarks(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every benchmark with facts from its card, and its other names."""
    from vlmbench.api.catalogue import benchmark_rows

    rows = benchmark_rows(args.data_dir, args.plugin)
    shown = [{key: value for key, value in row.items() if key != "measures"} for row in rows]
    if args.format == "table":
        shown = [row | {"rows": UNKNOWN if row["rows"] is None else row["rows"]} for row in shown]
    return shown


def suite_rows(_args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every named suite with its benchmarks."""
    from vlmbench.suites import suites

    return [{"name": name, "benchmarks": ", ".join(members)} for name, members in suites().items()]


def plugin_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every plugin with what it offers, or why it could not be imported."""
    from vlmbench.registry import Registry

    return [plugin_row(source) for source in Registry(args.plugin).plugins]


def plugin_row(source: BenchmarkSource) -> dict[str, Any]:
    """One plugin."""
    return {
        "plugin": source.origin,
        "benchmarks": ", ".join(b.card.name for b in source.benchmarks),
        "error": source.error,
    }


def style_rows(_args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every prompt style with the model types that it is the default for."""
    from vlmbench.prompts import prompt_style, style_names

    return [
        {
            "name": style.name,
            "whose": style.title,
            "default for": ", ".join(style.models),
            "pictures": style.image_fit,
            "sources": ", ".join(style.sources),
        }
        for style in map(prompt_style, style_names())
    ]


def rule_rows(_args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every rule set with its purpose."""
    purpose = {
        "strict": "ours, the default: documented case by case in docs/rules.md, never guesses",
        "original": "the benchmark authors' own evaluators, faults included; no value where there is none",
        "vlmevalkit": "bit-compatible with VLMEvalKit since 2026-06-17",
        "vlmevalkit-2025-08": "the same, 2025-08-04 to 2026-06-17",
        "vlmevalkit-2024": "the same, before 2025-08-04: for XTuner's tables and OpenVLM's board of "
        "that time",
        "xtuner": "bit-compatible with `xtuner mmbench`",
    }
    return [{"name": name, "what": purpose[name]} for name in RULE_SETS]
