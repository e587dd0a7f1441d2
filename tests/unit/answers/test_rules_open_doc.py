"""Every line of the tables in docs/rules-open.md is what the code does."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from repository import ROOT

from vlmbench.answers.mmmu import match_open_question
from vlmbench.answers.scores import Match
from vlmbench.answers.short import match_anls, match_contained, match_exact, match_relaxed
from vlmbench.answers.vqa import match_consensus
from vlmbench.answers.yes_no import yes_or_no

DOCUMENT, CHINESE = ROOT / "docs" / "rules-open.md", ROOT / "docs" / "rules-open.zh-CN.md"
SIGNS = {"∅": "", "⏎": "\n", "␣": " "}
MATCHES: dict[str, Match] = {
    "exact": match_exact,
    "consensus": match_consensus,
    "relaxed": match_relaxed,
    "edit": match_anls,
    "contains": match_contained,
    "formula": partial(match_contained, formula=True),
}


def lines(columns: int, page: Path = DOCUMENT) -> list[list[str]]:
    """The lines of the table with so many columns, without its head."""
    text = page.read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line[:1] == "|"
    ]
    return [row for row in rows if len(row) == columns and "`strict`" not in row and "---" not in row[0]]


def plain(cell: str) -> str:
    text = re.fullmatch("`(.*)`", cell)
    assert text is not None, cell
    return re.sub("[∅⏎␣]", lambda sign: SIGNS[sign[0]], text[1])


@pytest.mark.parametrize("line", lines(4), ids=lambda line: line[0])
def test_yes_or_no(line: list[str]) -> None:
    answer, strict, vlmevalkit, _ = line
    assert (yes_or_no(plain(answer), "strict") or "·") == strict
    assert (yes_or_no(plain(answer), "vlmevalkit") or "·") == vlmevalkit


@pytest.mark.parametrize("line", lines(6), ids=lambda line: f"{line[0]} {line[1]}")
def test_short_answers(line: list[str]) -> None:
    rule, answer, right, strict, vlmevalkit, _ = line
    match = MATCHES[rule.split(" ")[0]]
    references = plain(right).split(" / ")
    assert match(plain(answer), references, "strict").value == pytest.approx(float(strict), abs=5e-4)
    assert match(plain(answer), references, "vlmevalkit").value == pytest.approx(float(vlmevalkit), abs=5e-4)


@pytest.mark.parametrize("line", lines(5), ids=lambda line: line[1])
def test_open_questions_with_one_letter(line: list[str]) -> None:
    rule, answer, right, strict, _ = line
    assert rule == "open (MMMU)"
    assert match_open_question(plain(answer), [plain(right)]).value == float(strict)


def test_the_tables_are_found() -> None:
    assert len(lines(4)) > 20
    assert len(lines(5)) > 5
    assert len(lines(6)) > 35


@pytest.mark.parametrize("columns", [4, 5, 6])
def test_the_chinese_page_has_the_same_cases(columns: int) -> None:
    cases = [line[:-1] for line in lines(columns)]
    assert [line[:-1] for line in lines(columns, CHINESE)] == cases
