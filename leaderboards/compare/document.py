"""Comparisons for programs: as JSON, and as JUnit XML, which every CI shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as ET

from vlmbench.leaderboards.compare.nouns import Comparison, Refusal
from vlmbench.leaderboards.compare.text import by_row, evidence, flipped, reach, score, verdict
from vlmbench.plain_text import visible

SCHEMA_VERSION = 1


def comparison_document(
    comparisons: Sequence[Comparison],
    refused: Sequence[Refusal],
    regressed: Sequence[Comparison],
    gate: float | None,
) -> dict[str, Any]:
    """The JSON document, keys in a fixed order."""
    return {
        "schema_version": SCHEMA_VERSION,
        "gate": gate,
        "regressions": len(regressed),
        "comparisons": [
            {**_plain(comparison), "regression": comparison in regressed} for comparison in comparisons
        ],
        "refused": [asdict(refusal) for refusal in refused],
    }


def _plain(comparison: Comparison) -> dict[str, Any]:
    document = {"benchmark": comparison.benchmark, "verdict": comparison.verdict, **asdict(comparison)}
    document["difference"]["significant"] = comparison.verdict != "cannot be told apart"
    return document


def junit_xml(
    comparisons: Sequence[Comparison], refused: Sequence[Refusal], regressed: Sequence[Comparison]
) -> str:
    """A test case for each comparison; a regression is a failure, a refused comparison an error."""
    suite = ET.Element(
        "testsuite",
        name="vlmbench compare",
        tests=str(len(comparisons) + len(refused)),
        failures=str(len(regressed)),
        errors=str(len(refused)),
        skipped="0",
    )
    for comparison in comparisons:
        case = _case(suite, comparison.benchmark, f"{comparison.second.name} against {comparison.first.name}")
        if comparison in regressed:
            failure = ET.SubElement(case, "failure", type="regression", message=_message(comparison))
            failure.text = _lost(comparison)
        lines = (words(comparison) for words in (verdict, evidence, by_row, reach, flipped))
        ET.SubElement(case, "system-out").text = "\n".join(line for line in lines if line)
    for refusal in refused:
        case = _case(suite, refusal.benchmark, visible(refusal.runs))
        ET.SubElement(case, "error", type="incomparable", message=visible(refusal.reason, 2000))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, benchmark: str, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=f"vlmbench.{visible(benchmark)}", name=visible(name, 400), time="0"
    )


def _message(comparison: Comparison) -> str:
    before, after = (score(comparison.fraction, side.value) for side in (comparison.first, comparison.second))
    return f"{before} to {after}: {evidence(comparison)}"


def _lost(comparison: Comparison) -> str:
    """The questions that got worse, a line each."""
    return "\n".join(
        f"{visible(flip.row)}: {visible(flip.question)} "
        f"[{visible(flip.first.text, 60)}] became [{visible(flip.second.text, 60)}]"
        for flip in comparison.worse[:50]
    )
