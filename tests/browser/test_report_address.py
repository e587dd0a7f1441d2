"""What a report opens on, what its address says, the way back, and the gallery of failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from report_pages import (
    no_violations,
    nothing_else_happened,
    opened,
    rows,
    run_of_answers,
    shown,
    write_questions,
)
from watched_page import Watched

from vlmbench.cli.main import main

pytestmark = pytest.mark.slow
TITLE = "#detail h3"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty text-only questions in four rotations: category 1 is wrong in every row, category 2 in some."""
    questions = write_questions(tmp_path_factory.mktemp("addresses"))

    def answer(i: int, right: str) -> str:
        return "ABCD"[("ABCD".index(right) + 1) % 4] if i % 4 == 1 or i in (2, 6) else right

    return run_of_answers(questions, "one", answer)


@pytest.fixture(scope="module")
def address(run: Path) -> str:
    """The address of its report."""
    assert main(["report", str(run)]) == 0
    return (run / "report.html").as_uri()


def test_it_opens_on_the_first_wrong_answer_of_the_worst_category(
    watched: Callable[..., Watched], address: str
) -> None:
    seen = opened(watched, address)
    assert seen.page.inner_text(TITLE) == "1"
    assert "counting" in seen.page.inner_text("#detail header")
    assert seen.page.url == address  # and its address is still the bare one
    assert seen.page.evaluate("scrollY") == 0
    assert seen.page.title() == "Colours_circular: echo:@one.jsonl 70.0 % · Run report"
    nothing_else_happened(seen)


def test_row_names_the_row_that_the_page_opens_on(
    run: Path, watched: Callable[..., Watched], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(run), "--row", "1000007", "--out", str(out)]) == 0
    assert opened(watched, out.as_uri()).page.inner_text(TITLE) == "1000007"
    assert main(["report", str(run), "--row", "100007", "--out", str(out)]) == 2
    assert "no row named `100007`. Did you mean" in capsys.readouterr().err
    assert main(["report", str(run), str(run), "--each", "--row", "1", "--out", str(tmp_path)]) == 2
    assert "--row" in capsys.readouterr().err


def test_a_copied_link_opens_the_same_and_the_way_back_undoes_each_step(
    watched: Callable[..., Watched], address: str
) -> None:
    seen = opened(watched, address)
    page = seen.page
    page.click("[data-filter=wrong]")
    page.select_option("#sort", "worst")
    page.fill("#search", "question 2?")
    page.click(".row >> nth=2")
    page.click("#language")
    page.select_option("#theme", "dark")
    row = page.inner_text(TITLE)
    for part in (
        "filter=wrong",
        "sort=worst",
        "search=question+2",
        f"row={row}",
        "language=zh",
        "theme=dark",
    ):
        assert part in page.url
    again = opened(watched, page.url)
    assert again.page.inner_text(TITLE) == row
    assert again.page.input_value("#search") == "question 2?"
    assert again.page.input_value("#sort") == "worst"
    assert rows(again) == rows(seen)
    assert again.page.get_attribute("html", "lang") == "zh"
    assert again.page.get_attribute("html", "data-theme") == "dark"
    page.go_back()  # from the row
    page.wait_for_function(f"document.querySelector('{TITLE}').innerText !== '{row}'")
    page.go_back()  # from the order, where letters of the search were typed
    page.wait_for_function("document.getElementById('sort').value === 'file'")
    assert page.get_attribute("[data-filter=wrong]", "aria-pressed") == "true"
    page.go_back()
    page.wait_for_function("document.querySelector('[data-filter=all]').ariaPressed === 'true'")
    assert page.inner_text(TITLE) == "1"
    page.go_forward()
    page.wait_for_function("document.querySelector('[data-filter=wrong]').ariaPressed === 'true'")
    nothing_else_happened(seen)


def test_the_gallery_has_failures_worst_category_first_and_is_walked_by_keys(
    watched: Callable[..., Watched], address: str
) -> None:
    seen = opened(watched, address)
    page = seen.page
    page.click(".headline .more a")
    page.wait_for_selector(".cell:focus")
    headings = page.locator("#gallery h3").all_inner_texts()
    assert [text.split()[0] for text in headings] == ["counting", "object"]
    assert "0.0 %" in headings[0]
    assert "40 of 40" in headings[0]
    assert page.locator(".cell").count() == 48  # forty of one category and eight of the next
    first = page.locator(".cell").first
    assert "Question 1?" in first.inner_text()  # a card of words where there is no picture
    assert "Right answer B green 1" in first.inner_text()
    no_violations(seen)
    places = []
    for key in ("ArrowRight", "ArrowDown", "j", "ArrowUp", "k", "ArrowLeft", "End", "Home"):
        page.keyboard.press(key)
        places.append(page.evaluate("document.activeElement.id"))
    assert places[0] == "card-1"
    assert places[2] == f"card-{int(places[1][5:]) + 1}"
    assert places[3] == "card-2"
    assert places[5:] == ["card-0", "card-47", "card-0"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#list:focus")
    opened_row = page.inner_text(TITLE)
    assert shown(seen) == 48
    page.keyboard.press("j")  # the next failure
    assert page.inner_text(TITLE) != opened_row
    page.keyboard.press("Escape")
    page.wait_for_selector("#card-2:focus")
    page.keyboard.press("g")
    page.wait_for_selector("#list:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector("#list:focus")
    nothing_else_happened(seen)


def test_the_way_back_from_a_failure_is_the_gallery_where_it_was_left(
    watched: Callable[..., Watched], address: str
) -> None:
    seen = watched(f"{address}#view=gallery&filter=wrong&sort=worst&row=1000009")
    seen.page.wait_for_selector(".cell:focus")
    assert "1000009" in seen.page.inner_text(".cell:focus")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector(TITLE)
    assert seen.page.inner_text(TITLE) == "1000009"
    seen.page.go_back()
    seen.page.wait_for_selector(".cell:focus:has-text('1000009')")
    nothing_else_happened(seen)


def test_of_many_failures_a_page_of_cards_is_drawn_at_a_time(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    run = run_of_answers(
        write_questions(tmp_path, 100), "many", lambda i, right: "A" if right != "A" else "B"
    )
    assert main(["report", str(run)]) == 0
    seen = watched(f"{(run / 'report.html').as_uri()}#view=gallery&filter=wrong&sort=worst")
    seen.page.wait_for_selector(".cell")
    drawn = seen.page.locator(".cell").count()
    assert drawn < 400 == int(seen.page.inner_text("#found").split()[0])
    seen.page.keyboard.press("End")
    seen.page.wait_for_selector("#card-399:focus")
    seen.page.keyboard.press("Home")
    seen.page.wait_for_selector("#card-0:focus")
    headings = seen.page.locator("#gallery h3").count()
    assert headings == 4  # one of each category, though cards came page by page
    nothing_else_happened(seen)


def test_paper_has_the_figures_and_the_chosen_row_on_white(
    watched: Callable[..., Watched], address: str
) -> None:
    seen = opened(watched, f"{address}#row=7&theme=dark")
    seen.page.emulate_media(media="print")
    hidden = ("#list", ".toolbar", ".chips", ".controls", ".headline .more")
    assert [name for name in hidden if seen.page.is_visible(name)] == []
    for name in (".headline", "#categories", "#confusion", "#detail .question", "#detail .readings"):
        assert seen.page.is_visible(name)
    white = "getComputedStyle(document.body).backgroundColor"
    assert seen.page.evaluate(white) == "rgb(255, 255, 255)"
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pages = seen.page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert 2 <= pages <= 4
    nothing_else_happened(seen)
