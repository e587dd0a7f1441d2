"""Whether two runs answer the same prompts; if not, which fact differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from vlmbench.decoding import Decoding
from vlmbench.domain import RuleSet
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible

_DEFAULTS = asdict(Decoding()) | {"stop": []}


def why_incomparable(first: FinishedRun, second: FinishedRun, rules: RuleSet | None) -> str | None:
    """The first difference that makes the scores incomparable; None if there is none."""
    return next(_reasons(first, second, rules), None)


def remarks(first: FinishedRun, second: FinishedRun) -> tuple[str, ...]:
    """Other facts that differ and may explain a difference of scores."""
    return tuple(_remarks(first, second))


def _reasons(first: FinishedRun, second: FinishedRun, rules: RuleSet | None) -> Iterator[str]:
    pair = (first, second)
    if first.benchmark != second.benchmark:
        yield f"the benchmarks differ: {first.benchmark} and {second.benchmark}"
    if rules is None and first.rules != second.rules:
        yield f"the rule sets differ: {first.rules} and {second.rules}; name one with --rules"
    datasets = [_dataset(run.facts) for run in pair]
    if datasets[0] != datasets[1]:
        yield f"the datasets differ: {' and '.join(_dataset_in_words(run.facts) for run in pair)}"
    if None in datasets:
        yield "run.json does not name its dataset"
    if first.results["blind"] != second.results["blind"]:
        yield "the pictures differ: one run is blind"
    prompts = [run.facts.get("prompts") for run in pair]
    if prompts[0] != prompts[1]:
        styles = [str(run.results["style"]) for run in pair]
        # In one style they differ by its text or by the rows, and no flag brings them together.
        mend = f"; `vlmbench run --prompt {styles[0]} --out DIR` asks the second model as the first was asked"
        yield (
            f"the prompts differ: style {styles[0]} ({_brief(prompts[0])}) and "
            f"{styles[1]} ({_brief(prompts[1])})" + mend * (styles[0] != styles[1])
        )
    yield from _judges(first, second)
    for run in pair:
        if why := _unscored(run, rules or run.rules):
            yield f"{run.folder} {why}"


def _judges(first: FinishedRun, second: FinishedRun) -> Iterator[str]:
    judges = [run.results["judged"]["model"] for run in (first, second)]
    counted = any(run.results["judged"]["count"] for run in (first, second))
    if counted and judges[0] != judges[1]:
        yield f"the judges differ: {judges[0] or 'none'} and {judges[1] or 'none'}"


def _unscored(run: FinishedRun, rules: RuleSet) -> str | None:
    if run.results["withheld"]:
        return "has no scores: the benchmark's answers are withheld"
    if run.results["needs_judge"]:
        return "has no scores yet: it needs a judge"
    if rules not in run.results["by_rules"]:
        return f"was not scored under {rules}"
    return None


def _remarks(first: FinishedRun, second: FinishedRun) -> Iterator[str]:
    for name in ("decoding", "sampling seed", "left out"):
        if first.facts.get(name) != second.facts.get(name):
            yield f"the {name} differs: {_changes(first.facts.get(name), second.facts.get(name))}"
    yield from _engines(first, second)
    draws = [run.draws for run in (first, second)]
    if draws[0] != draws[1]:
        yield f"draws of each question: {draws[0]} and {draws[1]}; the mean over them is compared"
    elif draws[0] > 1:
        yield f"the mean over {draws[0]} draws of each question is compared"
    versions = [_version(run) for run in (first, second)]
    if versions[0] != versions[1]:
        yield f"scored by different versions of vlmbench: {versions[0]} and {versions[1]}"
    if first.facts.get("model") == second.facts.get("model") and first.facts.get("model"):
        yield "both runs are of the same model files"


def _engines(first: FinishedRun, second: FinishedRun) -> Iterator[str]:
    """The engine's settings that may change answers, where the user set them differently."""
    one, two = (dict((run.facts.get("model") or {}).get("engine") or {}) for run in (first, second))
    names = [name for name in sorted({**one, **two}) if one.get(name) != two.get(name)]
    if names:
        sides = (
            ", ".join(f"{name} {_brief(of.get(name, 'not set'))}" for name in names) for of in (one, two)
        )
        yield f"the engine's settings differ: {' and '.join(sides)}"


def _dataset(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    dataset = facts.get("dataset")
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get("md5"), str):
        return None
    return dataset["md5"], str(dataset.get("with pictures"))


def _dataset_in_words(facts: Mapping[str, Any]) -> str:
    """`Shapes.tsv (MD5 3f2a41…)`; pictures in files beside it have a digest of their own."""
    if (found := _dataset(facts)) is None:
        return "unknown"
    md5, with_pictures = (f"{digest[:12]}…" if len(digest) > 12 else digest for digest in found)
    digests = f"MD5 {md5}" + f", with its pictures {with_pictures}" * (found[0] != found[1])
    return f"{visible(str(facts['dataset'].get('file', 'a file')), 80)} ({digests})"


def _version(run: FinishedRun) -> str:
    versions = run.sittings[-1].get("versions") if run.sittings else None
    return str(versions.get("vlmbench")) if isinstance(versions, Mapping) else "unknown"


def _changes(before: Any, after: Any) -> str:
    """The differing settings, where both are one setting; else both values."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after) == 1:
        before, after = before[0], after[0]
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        # A setting that changes nothing may be left out of run.json.
        first, second = {**_DEFAULTS, **before}, {**_DEFAULTS, **after}
        keys = [key for key in {**before, **after} if first[key] != second[key]]
        return ", ".join(f"{key} {_brief(first[key])} and {_brief(second[key])}" for key in keys)
    return f"{_brief(before)} and {_brief(after)}"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:12]}…"
