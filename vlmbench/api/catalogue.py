"""`vlmbench.benchmarks()`, the table; and the families that a benchmark of your own starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.benchmarks import MultipleChoice as MultipleChoice
from vlmbench.benchmarks import ShortAnswer as ShortAnswer
from vlmbench.benchmarks import YesNo as YesNo
from vlmbench.domain import Card

if TYPE_CHECKING:
    import pandas as pd


def benchmarks(*, data_dir: str | Path | None = None, plugins: Sequence[str | Path] = ()) -> pd.DataFrame:
    """Every benchmark by name, plugins included: facts of its card, aliases, and whether its file is here.

    `answers` is `yes`, `apart` (published in another file) or `withheld`. `rows` is empty where no public
    text gives a number and the file was not read on this machine yet.
    """
    import pandas as pd

    where = None if data_dir is None else Path(data_dir)
    rows = benchmark_rows(where, [Path(plugin) for plugin in plugins])
    return pd.DataFrame(rows).set_index("name")


def benchmark_rows(data_dir: Path | None, plugins: Sequence[Path]) -> list[dict[str, Any]]:
    """Every benchmark with facts from its card, and its other names."""
    from vlmbench.registry import Registry

    registry = Registry(plugins)
    cards = sorted((b.card for b in registry.benchmarks.values()), key=lambda card: card.name.lower())
    others: dict[str, list[str]] = {}
    for alias, name in registry.aliases.items():
        others.setdefault(name, []).append(alias)
    return [_row(card, others.get(card.name, ()), data_dir) for card in cards]


_SEVERAL_IMAGES = ("BLINK", "MMMU", "MMT-Bench_ALL_MI", "MMT-Bench_VAL_MI", "MMSIBench")
"""Benchmarks of which some questions show more than one picture."""


def _row(card: Card, aliases: Sequence[str], data_dir: Path | None) -> dict[str, Any]:
    from vlmbench.data.locate import find_file

    here = find_file(card.file, data_dir)
    return {
        "name": card.name,
        "measures": card.measures,
        "family": card.family + (" (circular)" if card.circular else ""),
        "languages": ", ".join(card.languages),
        "modality": "several images" if card.name.startswith(_SEVERAL_IMAGES) else "image",
        "rows": _rows(card, here),
        "answers": "yes" if card.answers else "apart" if card.answers_file else "withheld",
        "file": "here" if here else "absent",
        "also": ", ".join(aliases),
    }


def _rows(card: Card, here: Path | None) -> int | None:
    from vlmbench.data.table import decoded_rows

    if here and card.file.bundled:
        # A small table of ours, whose cells have no line breaks.
        with here.open("rb") as lines:
            return sum(1 for _ in lines) - 1
    return decoded_rows(card.file.md5) if card.rows is None else card.rows
