"""Names of models and benchmarks: family, size, suite and language, and how they may be published.

The page is public, so that names and reasons lose the paths of the machine that made the runs.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import dropwhile, takewhile

from vlmbench.finished import FinishedRun
from vlmbench.model_names import names_of
from vlmbench.plain_text import visible

LONGEST = 80
"""Characters after which a name is cut."""

_FAMILIES = (
    "LLaVA",
    "InternVL",
    "InternLM",
    "Qwen",
    "SmolVLM",
    "MiniCPM",
    "DeepSeek",
    "Phi",
    "Gemma",
    "Llama",
    "Mistral",
    "Gemini",
    "Claude",
    "GPT",
)
_SIZE = re.compile(r"(?<![\d.A-Za-z])(\d{1,4}(?:[._]\d{1,3})?)([bBmM])(?![A-Za-z])")


_PATH = re.compile(
    r"(?<![\w/.:<])(?:[A-Za-z]:[/\\]|~/|\.{0,2}/)(?:[^/\\`'\"<>|\s]+[/\\])+(?P<last>[^/\\`'\"<>|\s]+)"
    r"|(?<=[@:])/(?:[^/\\`'\"<>|\s]+/)+(?P<file>[^/\\`'\"<>|\s]+)"
)


def shown(name: str) -> str:
    """The name on one line, cut where it is too long."""
    return visible(name, LONGEST) or "�"


def family_of(model: str) -> str:
    """The first known family in the model's name, else its first word."""
    text = model.casefold()
    found = [(text.find(family.casefold()), family) for family in _FAMILIES if family.casefold() in text]
    if found:
        return min(found)[1]
    word = "".join(takewhile(_in_words, dropwhile(lambda c: not c.isalpha(), model)))
    return word or next((c for c in model if c.isdigit() or c == "_"), "?")


def _in_words(character: str) -> bool:
    """Whether it is a letter of any script or a mark on one."""
    return unicodedata.category(character)[0] in "LM"


def billions_in(model: str) -> float | None:
    """Parameters in billions if the name states them: `7B`, `1_8b`, `500M`."""
    found = _SIZE.search(model)
    if found is None:
        return None
    number = float(found[1].replace("_", "."))
    return number if found[2] in "bB" else number / 1000


def suite_of(benchmark: str) -> tuple[str, str]:
    """The heading of a column, and the rest of its name."""
    head, _, rest = benchmark.partition("_")
    return head, rest.replace("_", " ") or head


def languages_of(benchmark: str) -> tuple[str, ...]:
    """The benchmark's languages by its name; English where it names none."""
    words = re.split(r"[ _()-]", benchmark.upper())
    return ("zh",) if "CN" in words or benchmark.startswith("CCBench") else ("en",)


def public_names(models: Iterable[str]) -> dict[str, str]:
    """Each model's shortest name; one with one more folder, or the server, where names would be equal."""
    names = {model: names_of(model) for model in sorted(set(models))}
    often = Counter(found[0] for found in names.values())
    return {model: found[0] if often[found[0]] == 1 else found[:2][-1] for model, found in names.items()}


def with_public_names(runs: Mapping[str, FinishedRun]) -> dict[str, FinishedRun]:
    """The runs with public names of models and judges; a run of this version has its model's name already."""
    judges = {folder: str(run.results["judged"]["model"] or "") for folder, run in runs.items()}
    names = public_names([run.model for run in runs.values() if "name" not in run.results])
    called = public_names(judges.values())
    return {
        folder: _called(run, run.results.get("name") or names[run.model], called[judges[folder]])
        for folder, run in runs.items()
    }


def without_folders(text: str) -> str:
    """The text with every path cut to its last part."""
    return _PATH.sub(lambda found: found["last"] or found["file"], text)


def _called(run: FinishedRun, model: str, judge: str) -> FinishedRun:
    judged = run.results["judged"]
    if (model, judge or None) == (run.model, judged["model"]):
        return run
    return replace(run, results={**run.results, "model": model, "judged": {**judged, "model": judge or None}})
