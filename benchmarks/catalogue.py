"""The catalogue: benchmarks by data alone, from `catalogue.yaml` beside this file, as VLMEvalKit lists them.

Their licences are each their own: read them at the address before you publish a figure. How a benchmark is
scored follows from its family. A name that holds `mmbench`, `ccbench`, `circular` or `mmcr` is circular, as
in the toolkit that the names come from. Whatever has a module of its own is left to it (see
`vlmbench/registry.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vlmbench.answers.scores import Match
from vlmbench.answers.short import match_anls, match_any, match_contained
from vlmbench.answers.vqa import match_equal
from vlmbench.domain import Benchmark, Card, DataFile

from . import with_hub
from .families.choice import MultipleChoice
from .families.open_answers import ShortAnswer, YesNo

FALLBACK = True
"""These names give way to modules of their own."""

_CIRCULAR = re.compile("mmbench|ccbench|circular|mmcr", re.IGNORECASE)
_SUFFIXES = {"AMBER": "\nPlease answer yes or no."}
_CASELESS = {"AMBER"}
"""Yes/no sets whose references are compared without regard to case."""
_WITHHELD = "withheld"
_MEASURES = {
    "multiple-choice": "multiple choice about pictures",
    "yes-no": "yes/no questions about pictures",
    "short-answer": "questions about pictures, answered in a word or a phrase",
    "contains": "questions about pictures; the answer must contain a reference",
}


def is_circular(name: str) -> bool:
    """Whether the file of that name holds every rotation of each question."""
    return _CIRCULAR.search(name) is not None


@cache
def entries() -> Mapping[str, Mapping[str, Any]]:
    """Every name of the catalogue with what is known of it."""
    return _texts("catalogue.yaml")


def aliases() -> Mapping[str, str]:
    """What users of other toolkits type, in lower case, and the benchmark's name here."""
    return _texts("aliases.yaml")


def _texts(name: str) -> Mapping[str, Any]:
    import yaml

    # Texts only: no checksum is ever taken for a number.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    path = Path(__file__).with_name(name)
    loaded: Mapping[str, Any] = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506
    return loaded


def benchmark_of(name: str, entry: Mapping[str, Any]) -> Benchmark | None:
    """The benchmark an entry amounts to; None for a family that needs a module of its own."""
    family = entry["family"]
    if family not in _MEASURES:
        return None
    card = card_of(name, entry)
    if family == "multiple-choice":
        return MultipleChoice(card)
    if family == "yes-no":
        return YesNo(card, suffix=_SUFFIXES.get(name, ""), fold_case=name in _CASELESS)
    if family == "contains":
        return ShortAnswer(card, match_contained, suffix="")
    return ShortAnswer(card, short_rule(name))


def short_rule(name: str) -> Match:
    """How short answers of this set are compared."""
    if name.startswith(("DocVQA", "InfoVQA")):
        return match_anls
    return match_any if name.startswith("OCRVQA") else match_equal


def card_of(name: str, entry: Mapping[str, Any]) -> Card:
    """What is known without having read the file."""
    circular = entry["family"] == "multiple-choice" and is_circular(name)
    md5 = entry.get("md5")
    return Card(
        name=name,
        measures=_MEASURES[entry["family"]],
        family=entry["family"],
        file=with_hub(DataFile(name=f"{name}.tsv", url=entry.get("url"), md5=(md5,) if md5 else ()), entry),
        languages=tuple(entry.get("languages", ("en",))),
        source="file layout of VLMEvalKit",
        rows=int(entry["rows"]) if "rows" in entry else None,
        circular=circular,
        answers="answers" not in entry,
        answers_file=_answers_file(entry.get("answers", _WITHHELD)),
        quoted="circular accuracy over questions (Overall)" if circular else "accuracy over rows (Overall)",
    )


def _answers_file(where: str) -> DataFile | None:
    return None if where == _WITHHELD else DataFile(name=where.rpartition("/")[2], url=where)


BENCHMARKS = tuple(
    benchmark for name, entry in entries().items() if (benchmark := benchmark_of(name, entry)) is not None
)
