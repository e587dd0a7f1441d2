"""What every result file for other tools says of a run: when, with what, and whether it may be published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vlmbench import __version__
from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import encodable


def must_be_whole(run: FinishedRun) -> None:
    """Refuses a run whose figure is not that of the benchmark."""
    results = run.results
    marks = [mark for mark in ("partial", "blind") if results[mark]] + ["incomplete"] * (not run.whole)
    if marks:
        raise RunFolderError(
            f"this run is {' and '.join(marks)}; its figure is not that of {run.benchmark}.", file=run.folder
        )
    must_be_scored(run)


def must_be_scored(run: FinishedRun) -> None:
    """Refuses a run without a figure."""
    if run.results["headline"]["value"] is None:
        why = "the answers are withheld" if run.results["withheld"] else "nothing was scored"
        raise RunFolderError(f"this run has no figure: {why}.", file=run.folder)


def started(run: FinishedRun) -> datetime:
    """When the last sitting began."""
    try:
        moment = datetime.fromisoformat(str(run.sittings[-1]["started"]))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (IndexError, KeyError, ValueError):
        raise RunFolderError("run.json does not say when it ran.", file=run.folder) from None


def library_version(run: FinishedRun) -> str:
    """The version of vlmbench that scored it."""
    versions = run.sittings[-1].get("versions") if run.sittings else None
    return str(versions.get("vlmbench") or __version__) if isinstance(versions, Mapping) else __version__


def setup_line(run: FinishedRun) -> str:
    """How the headline came about, in one line."""
    headline, facts = run.results["headline"], [run.results["headline"]["name"]]
    facts += [f"rules {run.rules}", f"prompt {run.results['style']}", f"n {headline['n']}"]
    if headline["ci95"] is not None:
        low, high = (shown_value(end, headline["unit"]) for end in headline["ci95"])
        facts.append(f"95 % {low:g} to {high:g}")
    if run.results["judged"]["model"]:
        facts.append(f"judge {run.results['judged']['model']}")
    return encodable(f"vlmbench {library_version(run)}: {', '.join(facts)}")


def shown_value(value: float, unit: str) -> float:
    """As tables print it: a fraction in percent."""
    return round(value * 100, 2) if unit == "fraction" else round(value, 4)


def decoding_of(run: FinishedRun) -> Mapping[str, Any]:
    """The decoding settings, where all rows share them."""
    settings = run.facts.get("decoding")
    only = settings[0] if isinstance(settings, list) and len(settings) == 1 else {}
    return only if isinstance(only, Mapping) else {}


def model_facts(run: FinishedRun) -> Mapping[str, Any]:
    """What identifies the model."""
    facts = run.facts.get("model")
    return facts if isinstance(facts, Mapping) else {}


def dataset_md5(run: FinishedRun) -> str:
    """The digest of the benchmark's file."""
    dataset = run.facts.get("dataset")
    return str(dataset.get("md5", "")) if isinstance(dataset, Mapping) else ""


def stable_id(*parts: str) -> str:
    """A UUID of version 4 in form, the same for the same run: files are equal for equal input."""
    digest = bytearray(hashlib.sha256("\0".join(map(encodable, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
