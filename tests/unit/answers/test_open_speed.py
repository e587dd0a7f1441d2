"""Scoring the largest open sets under all rule sets takes a second or so."""

from __future__ import annotations

import runpy

import pytest
from repository import TESTS

pytestmark = pytest.mark.slow

PERF = runpy.run_path(str(TESTS / "perf" / "score_families.py"))
BOUND = 3.0
"""Three to ten times what it takes, for machines that do other things as well."""


@pytest.mark.parametrize("name", PERF["CASES"])
def test_all_rule_sets_together_stay_within_the_bound(name: str) -> None:
    _, questions, scoring = PERF["seconds"](name)
    assert questions + scoring < BOUND
