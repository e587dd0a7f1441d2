"""The table of prompt styles in docs/asking.md is that of today, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from style_table import PAGES, with_table


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_of_styles_is_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == with_table(text), f"run: python tests/support/style_table.py, then commit {page.name}"
