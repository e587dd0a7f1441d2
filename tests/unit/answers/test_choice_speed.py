"""Scoring the largest multiple-choice set under every rule set is a matter of seconds."""

from __future__ import annotations

import runpy

import pytest
from repository import TESTS

PERF = TESTS / "perf" / "score_rules.py"
BOUND = 3.0
SLACK = 3.0  # machines that run several things at once

pytestmark = pytest.mark.slow


def test_every_rule_set_together_stays_within_the_bound() -> None:
    measure = runpy.run_path(str(PERF))["measure"]
    assert sum(measure().values()) < BOUND * SLACK
