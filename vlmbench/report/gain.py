"""How much the pictures matter: a run compared with its `--blind` run, and with the language model alone.

    gain        with pictures - without
    leakage     max(0, without pictures - the language model alone)

After MMStar (arXiv 2403.20330), for any benchmark. The `--blind` run is in the next folder, named `…-blind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.domain import RuleSet
from vlmbench.errors import RunFolderError, UserError
from vlmbench.report.results import RESULTS
from vlmbench.report.runs import read_results, read_scores

BLIND = "-blind"
GAIN = "gain.json"


def twins(folder: Path) -> tuple[Path, Path]:
    """The seeing and the blind folder of a pair, whichever is given."""
    if folder.name.endswith(BLIND):
        return folder.with_name(folder.name.removesuffix(BLIND)), folder
    return folder, folder.with_name(folder.name + BLIND)


def gain_of(folder: Path, llm_base: Path | None = None) -> dict[str, Any] | None:
    """Gain, and leakage where `llm_base` is given; None unless both runs are complete and comparable."""
    if not all((twin / RESULTS).exists() for twin in twins(folder)):
        return None
    seeing, blind = map(_results, twins(folder))
    if seeing is None or blind is None or not _comparable(seeing, blind):
        return None
    values = (seeing["headline"]["value"], blind["headline"]["value"])
    return {
        "figure": seeing["headline"]["name"],
        "unit": seeing["headline"]["unit"],
        "rules": seeing["rules"],
        "seeing": values[0],
        "blind": values[1],
        "gain": values[0] - values[1],
        **_paired(folder, seeing["rules"]),
        **_leakage(values[1], seeing, llm_base),
    }


def gain_line(gain: Mapping[str, Any]) -> str:
    """The gain in one line of text."""
    text = f"multi-modal gain {_number(gain, 'gain')} ({_number(gain, 'seeing')} seeing, "
    text += f"{_number(gain, 'blind')} blind, {gain['rules']})"
    if "leakage" not in gain:
        return text
    return f"{text}; leakage {_number(gain, 'leakage')} (language model alone {_number(gain, 'llm base')})"


def _number(gain: Mapping[str, Any], key: str) -> str:
    return f"{100 * gain[key]:.1f}" if gain["unit"] == "fraction" else f"{gain[key]:.1f}"


def _leakage(blind: float, seeing: Mapping[str, Any], llm_base: Path | None) -> dict[str, float]:
    if llm_base is None:
        return {}
    base = _results(llm_base)
    if base is None:
        raise RunFolderError("it has no results of a finished run.", file=llm_base, fix="See `--llm-base`.")
    if base["benchmark"] != seeing["benchmark"] or base["headline"]["value"] is None:
        raise RunFolderError(
            f"it is a run of {base['benchmark']}, not a scored run of {seeing['benchmark']}.", file=llm_base
        )
    value = base["by_rules"][seeing["rules"]]["headline"]["value"]
    return {"llm base": value, "leakage": max(0.0, blind - value)}


def _results(folder: Path) -> dict[str, Any] | None:
    """A damaged one has no gain; whoever opens its run gets the reason."""
    try:
        return read_results(folder / RESULTS)
    except UserError:
        return None


def _comparable(seeing: Mapping[str, Any], blind: Mapping[str, Any]) -> bool:
    """Whether both answered the same questions under one rule set, one with pictures and one without."""
    same = all(seeing[key] == blind[key] for key in ("benchmark", "model", "rules", "style", "rows", "limit"))
    scored = all(run["complete"] and run["headline"]["value"] is not None for run in (seeing, blind))
    return same and scored and blind["blind"] and not seeing["blind"]


def _paired(folder: Path, rules: RuleSet) -> dict[str, float | None]:
    """The mean gain over the same rows: a paired difference varies less than either figure."""
    from vlmbench.stats import clustered_mean

    seeing, blind = (_values(path, rules) for path in twins(folder))
    pairs = [(value - blind[row][0], group) for row, (value, group) in seeing.items() if row in blind]
    if not pairs:
        return {}
    estimate = clustered_mean([difference for difference, _ in pairs], [group for _, group in pairs])
    return {"row gain": estimate.value, "row gain stderr": estimate.stderr}


def _values(folder: Path, rules: RuleSet) -> dict[str, tuple[float, str]]:
    """By row: its score and its group."""
    scores = read_scores(folder)[rules]
    return {score.id: (score.value, score.group) for score in scores if score.value is not None}
