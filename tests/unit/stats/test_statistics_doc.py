"""docs/statistics.md names options and formats that exist."""

from __future__ import annotations

import argparse
import re

from repository import ROOT

from vlmbench.cli import compare, export, run

PAGE = (ROOT / "docs" / "statistics.md").read_text("utf-8")


def options(*verbs: object) -> set[str]:
    found: set[str] = set()
    for verb in verbs:
        parser = argparse.ArgumentParser()
        verb.add_arguments(parser)  # type: ignore[attr-defined]
        found |= {name for action in parser._actions for name in action.option_strings}
    return found


def test_every_option_of_the_page_exists() -> None:
    of_ours = PAGE.replace("tensorboard --logdir", "")
    assert set(re.findall(r"--[a-z][a-z-]+", of_ours)) <= options(compare, export, run)


def test_every_format_is_on_the_page() -> None:
    assert set(re.findall(r"--format ([a-z-]+)", PAGE)) == {
        "hub",
        "eval-results",
        "every-eval-ever",
        "inspect",
    }
