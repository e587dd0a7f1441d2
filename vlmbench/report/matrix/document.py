"""A summary for programs: summary.json, and JUnit XML, which every CI shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as ET

from vlmbench.plain_text import visible
from vlmbench.report.matrix.cells import MatrixCell, MatrixSummary

SCHEMA_VERSION = 1
FILE = "summary.json"


def summary_document(summary: MatrixSummary) -> dict[str, Any]:
    """The JSON document, keys in a fixed order."""
    return {
        "schema_version": SCHEMA_VERSION,
        "models": summary.names,
        "benchmarks": summary.benchmarks,
        "cells": [_cell(summary, cell) for cell in summary.cells],
    }


def _cell(summary: MatrixSummary, cell: MatrixCell) -> dict[str, Any]:
    headline = (cell.document or {}).get("headline") or {}
    return {
        "name": cell.name,
        "model": cell.model,
        "setting": cell.setting or None,
        "benchmark": cell.benchmark,
        "folder": cell.folder,
        "figure": headline.get("name"),
        "value": cell.value,
        "unit": headline.get("unit"),
        "ci95": headline.get("ci95"),
        "n": headline.get("n"),
        "rows": None if cell.document is None else cell.document["rows"],
        "best": summary.is_best(cell),
        "complete": cell.complete,
        "state": cell.state,
        "seconds": round(cell.seconds, 3),
        "gates": [asdict(gate) for gate in cell.gates],
    }


def summary_junit(summary: MatrixSummary) -> str:
    """A test case for each cell; missing rows and failed gates are failures, what did not run is an error."""
    cases = [_case(cell) for cell in summary.cells]
    suite = ET.Element(
        "testsuite",
        name="vlmbench run",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
        time=f"{sum(cell.seconds for cell in summary.cells):.3f}",
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(cell: MatrixCell) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=f"vlmbench.{visible(cell.benchmark)}",
        name=visible(cell.name, 400),
        time=f"{cell.seconds:.3f}",
    )
    undecided = [f"{gate.gate}: {gate.reason}" for gate in cell.gates if gate.state == "undecided"]
    failed = [f"{gate.gate}: {gate.reason}" for gate in cell.gates if gate.state == "failed"]
    if cell.document is None:
        _result(case, "error", "failed", [cell.failure])
    elif undecided:
        _result(case, "error", "gate", undecided)
    elif failed or not cell.complete:
        _result(case, "failure", "gate" if failed else "incomplete", failed or [cell.state])
    lines = [f"{cell.score}, {cell.state}" if cell.document else "", cell.folder]
    lines += [f"{gate.state}: {gate.gate}: {gate.reason}" for gate in cell.gates]
    ET.SubElement(case, "system-out").text = "\n".join(visible(line, 1000) for line in lines if line)
    return case


def _result(case: ET.Element, tag: str, kind: str, reasons: list[str]) -> None:
    ET.SubElement(case, tag, type=kind, message=visible("; ".join(reasons), 2000))
