"""Facts of a run that result files for other tools share, and whether its figure may be published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vlmbench.domain import Response, Sample
from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun
from vlmbench.installation import __version__
from vlmbench.plain_text import encodable


def must_be_whole(run: FinishedRun) -> None:
    """Raise a RunFolderError unless the run is complete, with pictures and over the whole benchmark."""
    results = run.results
    marks = [mark for mark in ("partial", "blind") if results[mark]] + ["incomplete"] * (not run.whole)
    if marks:
        raise RunFolderError(
            f"this run is {' and '.join(marks)}; its figure is not one of the whole {run.benchmark}.",
            file=run.folder,
            fix=f"Export a run of all questions{', with pictures' * results['blind']}.",
        )
    must_be_scored(run)


def must_be_scored(run: FinishedRun) -> None:
    """Raise a RunFolderError for a run without a figure."""
    if run.results["headline"]["value"] is None:
        why = "the answers are withheld" if run.results["withheld"] else "nothing was scored"
        raise RunFolderError(f"this run has no figure: {why}.", file=run.folder)


def started(run: FinishedRun) -> datetime:
    """When the last sitting began."""
    try:
        moment = datetime.fromisoformat(str(run.sittings[-1]["started"]))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (IndexError, KeyError, ValueError):
        raise RunFolderError("run.json has no time at which the run started.", file=run.folder) from None


def library_version(run: FinishedRun) -> str:
    """The version of vlmbench that scored it."""
    versions = run.sittings[-1].get("versions") if run.sittings else None
    return str(versions.get("vlmbench") or __version__) if isinstance(versions, Mapping) else __version__


def setup_line(run: FinishedRun) -> str:
    """Rule set, prompt style, n, interval and judge of the headline, in one line."""
    headline, facts = run.results["headline"], [run.results["headline"]["name"]]
    facts += [f"rules {run.rules}", f"prompt {run.results['style']}", f"n {headline['n']}"]
    if run.draws > 1:
        facts.append(f"mean of {run.draws} draws")
    if headline["ci95"] is not None:
        low, high = (shown_value(end, headline["unit"]) for end in headline["ci95"])
        facts.append(f"95 % {low:g} to {high:g}")
    if run.results["judged"]["model"]:
        facts.append(f"judge {run.results['judged']['model']}")
    return encodable(f"vlmbench {library_version(run)}: {', '.join(facts)}")


def shown_value(value: float, unit: str) -> float:
    """As tables print it: a fraction in percent, rounded."""
    return round(value * 100, 2) if unit == "fraction" else round(value, 4)


def decoding_of(run: FinishedRun) -> Mapping[str, Any]:
    """The decoding settings, where all rows share them."""
    settings = run.facts.get("decoding")
    only = settings[0] if isinstance(settings, list) and len(settings) == 1 else {}
    return only if isinstance(only, Mapping) else {}


def model_facts(run: FinishedRun) -> Mapping[str, Any]:
    """The model's locked facts, such as its files' digests; empty where run.json has none."""
    facts = run.facts.get("model")
    return facts if isinstance(facts, Mapping) else {}


def dataset_md5(run: FinishedRun) -> str:
    """The MD5 of the benchmark's file; empty where run.json has none."""
    dataset = run.facts.get("dataset")
    return str(dataset.get("md5", "")) if isinstance(dataset, Mapping) else ""


def stable_id(*parts: str) -> str:
    """A UUID, version 4 in form, derived from `parts`: equal runs give equal files."""
    digest = bytearray(hashlib.sha256("\0".join(map(encodable, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def question_text(sample: Sample) -> str:
    """Hint, question and options, a line each."""
    options = [f"{letter}. {text}" for letter, text in sample.choices.items()]
    return "\n".join([*([sample.hint] if sample.hint else []), sample.question, *options])


def token_usage(response: Response) -> dict[str, int] | None:
    """Tokens of prompt and answer; None where the model did not report them."""
    if response.prompt_tokens is None or response.new_tokens is None:
        return None
    prompt, new = response.prompt_tokens, response.new_tokens
    return {"input_tokens": prompt, "output_tokens": new, "total_tokens": prompt + new}
