"""The figures of the report's page in a real browser: names without end, and what each number opens into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from report_pages import LONG, opened, run_of_answers, width, write_questions
from watched_page import Watched

from vlmbench.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A page of one run and a page of two; the second run answers every third question otherwise."""
    questions = write_questions(tmp_path_factory.mktemp("figures"))
    one = run_of_answers(questions, "one", lambda i, right: right if i % 3 else "I cannot tell.", "!raise=5")
    two = run_of_answers(questions, "two", lambda i, right: right if i % 20 else "C")
    assert main(["report", str(one)]) == 0
    assert main(["report", str(one), str(two)]) == 0
    return {"one": (one / "report.html").as_uri(), "two": (two / "report-compared.html").as_uri()}


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_long_category_name_widens_nothing_and_can_be_read_whole(
    watched: Callable[..., Watched], pages: dict[str, str], name: str
) -> None:
    seen = opened(watched, pages[name])
    for window in (400, 1200, 1600):
        seen.page.set_viewport_size({"width": window, "height": 900})
        seen.page.keyboard.press("j")
        assert width(seen) <= window
        inside = "e => [...e.querySelectorAll('table, .tag')].every(t => t.offsetWidth <= e.clientWidth)"
        assert seen.page.locator("#categories").evaluate(inside)
        assert seen.page.locator("#detail").evaluate("e => e.scrollWidth <= e.clientWidth")
        seen.see(f"report-long-name-{name}-{window}")
    drawn = seen.page.locator("#categories bdi[title]").first
    assert len(drawn.inner_text()) == 60
    assert drawn.get_attribute("title") == f"{LONG[:199]}…"
    seen.page.set_viewport_size({"width": 760, "height": 1000})
    seen.page.emulate_media(media="print")
    assert width(seen) <= 760
