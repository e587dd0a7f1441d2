"""Every cell of the case tables in docs/rules.md is what the code says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

from vlmbench.answers.choice import find_choice
from vlmbench.answers.toolkits import answers_as_read, samples_as_read
from vlmbench.domain import RULE_SETS, Sample

CHOICE = [rules for rules in RULE_SETS if rules != "original"]
"""What its authors' evaluator reads differs from benchmark to benchmark."""

PAGE, CHINESE = ROOT / "docs" / "rules.md", ROOT / "docs" / "rules.zh-CN.md"


def cases(page: Path = PAGE) -> Iterator[tuple[str, str, list[str]]]:
    """Answer, options, and the letter under each rule set, of every row that has them."""
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 + len(CHOICE) and cells[0] not in ("answer", "回答"):
            yield cells[0], cells[1], cells[2 : 2 + len(CHOICE)]


def letters(answer: str, options: str) -> list[str]:
    text = "" if answer == "`∅`" else answer.strip("`").replace("⏎", "\n")
    choices = dict(zip("ABCDEFGHI", options.split(", "), strict=False))
    sample = Sample(id="0", question="?", group="0", choices=choices)
    found = []
    for rules in CHOICE:
        (seen,), (said,) = samples_as_read([sample], rules), answers_as_read([text], rules)
        found.append(find_choice(rules, said, seen.choices).letter or "·")
    return found


@pytest.mark.parametrize(("answer", "options", "expected"), list(cases()))
def test_the_page_says_what_the_code_does(answer: str, options: str, expected: list[str]) -> None:
    assert letters(answer, options) == expected


def test_the_page_has_its_cases() -> None:
    assert len(list(cases())) > 50
    assert list(cases(CHINESE)) == list(cases())
