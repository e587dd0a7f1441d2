"""The figures of the report's page in a real browser: names without end, and what each number opens into."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest
from report_pages import (
    LONG,
    give_times,
    no_violations,
    nothing_else_happened,
    opened,
    rows,
    run_of_answers,
    shown,
    width,
    write_questions,
)
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
    slow = one.parent / "slow.html"
    give_times(two)
    assert main(["report", str(two), "--out", str(slow)]) == 0
    return {
        "one": (one / "report.html").as_uri(),
        "two": (two / "report-compared.html").as_uri(),
        "slow": slow.as_uri(),
    }


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
        bottom = "s => document.querySelector(s).getBoundingClientRect().bottom"
        assert seen.page.evaluate(bottom, "#categories table") < seen.page.evaluate(bottom, "#categories")
        assert seen.page.locator("#detail").evaluate("e => e.scrollWidth <= e.clientWidth")
        seen.see(f"report-long-name-{name}-{window}")
    drawn = seen.page.locator("#categories bdi[title]").first
    assert len(drawn.inner_text()) == 60
    assert drawn.get_attribute("title") == LONG
    seen.page.set_viewport_size({"width": 760, "height": 1000})
    seen.page.emulate_media(media="print")
    assert width(seen) <= 760


def follow(seen: Watched, selector: str, nth: int = 0) -> str:
    """What the number says that is opened, by the keyboard."""
    link = seen.page.locator(selector).nth(nth)
    link.focus()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("#list:focus")
    said: str = link.inner_text()
    return said


def in_sight(seen: Watched, selector: str) -> bool:
    """Whether the upper edge of an element can be seen."""
    top = seen.page.evaluate("s => document.querySelector(s).getBoundingClientRect().top", selector)
    return bool(-1 <= top < seen.page.viewport_size["height"])


@pytest.mark.parametrize("keys", [("j",), ("w",), ("u", "j")])
def test_keys_at_the_top_of_the_page_bring_the_answers_into_view(
    watched: Callable[..., Watched], pages: dict[str, str], keys: tuple[str, ...]
) -> None:
    seen = opened(watched, pages["one"])
    assert not in_sight(seen, "#answers")
    for key in keys:
        seen.page.keyboard.press(key)
    assert in_sight(seen, "#answers")
    assert in_sight(seen, "#detail")


@pytest.mark.parametrize("rules", ["strict", "vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner"])
def test_every_cell_of_the_confusion_opens_as_many_rows_as_it_says(
    watched: Callable[..., Watched], pages: dict[str, str], rules: str
) -> None:
    seen = opened(watched, pages["one"])
    seen.page.select_option("#rules", rules)
    cells = seen.page.locator("#confusion tbody a")
    assert cells.count() >= 4
    for nth in range(cells.count()):
        said = follow(seen, "#confusion tbody a", nth)
        assert shown(seen) == int(said)
        assert in_sight(seen, "#list")
    nothing_else_happened(seen)


def test_categories_letters_and_problems_open_their_rows(
    watched: Callable[..., Watched], pages: dict[str, str]
) -> None:
    seen = opened(watched, pages["one"])
    follow(seen, "#categories tbody:nth-of-type(2) td.number a")
    assert shown(seen) == 40  # ten questions in four rotations
    assert "counting" in seen.page.locator("#category option:checked").inner_text()
    follow(seen, "#categories tbody:nth-of-type(3) td.number a")
    assert shown(seen) == 40  # the first rotation of every question
    share = follow(seen, "#bias tbody tr:last-child td.number a")
    assert "none found" in seen.page.inner_text("#picked")
    assert share == f"{shown(seen) / 159:.1%}".replace("%", " %")  # one row is an error
    follow(seen, "#error-list .more a")
    assert rows(seen) == ["5"]
    follow(seen, ".flags a")
    assert rows(seen) == ["5"]


def test_what_a_number_chose_is_seen_linked_to_and_taken_away(
    watched: Callable[..., Watched], pages: dict[str, str]
) -> None:
    seen = opened(watched, pages["two"])
    follow(seen, "#confusion .run-1 tbody a")
    narrowed = shown(seen)
    for words in ("run B", "Answered: A", "Right answer: A"):
        assert words in seen.page.inner_text("#picked")
    no_violations(seen)
    seen.see("report-opened")
    seen.page.keyboard.press("j")
    again = opened(watched, seen.page.url)
    assert shown(again) == narrowed
    assert again.page.inner_text("#detail h3") == seen.page.inner_text("#detail h3")
    seen.page.click("#picked [data-part=answer]")
    assert shown(seen) > narrowed
    seen.page.click("#clear")
    assert shown(seen) == 160
    assert not seen.page.is_visible("#picked")
    seen.page.select_option("#rules", "xtuner")
    follow(seen, "#unparsed-list .more a")
    other = opened(watched, seen.page.url)
    assert other.page.input_value("#rules") == "xtuner"
    assert shown(other) == shown(seen)
    seen.page.evaluate("location.hash = '#filter=nonsense&category=x:y&run=Z&seconds=soon&answer=%00'")
    seen.page.wait_for_selector("#found:has-text('No row')")
    nothing_else_happened(seen)


@pytest.mark.parametrize("rules", ["strict", "vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner"])
def test_two_runs_are_tested_under_every_rule_set_and_by_category(
    watched: Callable[..., Watched], pages: dict[str, str], rules: str
) -> None:
    seen = opened(watched, pages["two"])
    seen.page.select_option("#rules", rules)
    assert "McNemar exact" in seen.page.inner_text(".verdict")
    tested = seen.page.locator("#categories td.apart:has(a)").all_inner_texts()
    assert len(tested) == 7  # two abilities, four categories, row by row
    assert all("p " in text for text in tested)
    follow(seen, "#categories td.apart a")
    assert seen.page.get_attribute("[data-filter=flipped]", "aria-pressed") == "true"


def test_the_difference_says_of_what_over_how_much_and_what_is_left_out(
    watched: Callable[..., Watched], pages: dict[str, str]
) -> None:
    seen = opened(watched, pages["two"])
    said = seen.page.inner_text(".verdict")
    for words in (
        "percentage points of circular accuracy over 39 questions",
        "over 156 rows in 39 clusters",
        "The smallest difference this set detects with 80 % power",
        "4 rows are left out: only rows with a score in both runs are compared",
    ):
        assert words in said
    bases = seen.page.locator("#categories tr", has_text="base-row accuracy").locator("td.apart")
    assert "other rows" in bases.inner_text()
    seen.page.click("#language")
    said = seen.page.inner_text(".verdict")
    for words in ("个百分点（循环准确率，39 题）", "有 4 行未参与比较"):
        assert words in said


def test_figures_that_no_test_compares_have_their_difference(
    watched: Callable[..., Watched], tmp_path_factory: pytest.TempPathFactory
) -> None:
    questions = write_questions(tmp_path_factory.mktemp("whole"))
    one = run_of_answers(questions, "one", lambda i, right: right if i % 4 else "D")
    two = run_of_answers(questions, "two", lambda _, right: right)
    assert main(["report", str(one), str(two)]) == 0
    seen = opened(watched, (two / "report-compared.html").as_uri())
    told = [text for text in seen.page.locator("#categories td.apart").all_inner_texts() if "p " not in text]
    assert [text.split() for text in told] == [["+25.0", "not", "tested"]]


LETTERS = "all => all.map(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().d)"


def test_letters_of_a_chart_keep_their_size_however_wide_it_is(
    watched: Callable[..., Watched], pages: dict[str, str], noisy: str
) -> None:
    for address in (pages["slow"], noisy):
        seen = watched(address)
        for window in (390, 1400, 800):
            seen.page.set_viewport_size({"width": window, "height": 900})
            # A chart is drawn again once the window has its size, on a busy machine not at once.
            for _ in range(50):
                seen.page.wait_for_timeout(100)
                sizes = seen.page.locator("svg text").evaluate_all(LETTERS)
                if sizes and sizes == pytest.approx([12] * len(sizes), abs=0.3):
                    break
            assert sizes
            assert sizes == pytest.approx([12] * len(sizes), abs=0.3)
        seen.page.emulate_media(media="print")
        nothing_else_happened(seen)


def test_badges_stand_in_a_column_of_their_own(
    watched: Callable[..., Watched], pages: dict[str, str]
) -> None:
    seen = opened(watched, pages["two"])
    left = "all => [...new Set(all.map(e => e.getBoundingClientRect().left))]"
    assert len(seen.page.locator("#categories .letter").evaluate_all(left)) == 1
    middles = "all => all.map(e => e.getBoundingClientRect()).map(box => box.top + box.height / 2)"
    badges = seen.page.locator("#categories .letter").evaluate_all(middles)
    bars = seen.page.locator("#categories .track").evaluate_all(middles)
    assert badges == pytest.approx(bars, abs=3)


def test_measures_tests_and_cards_speak_chinese(
    watched: Callable[..., Watched], pages: dict[str, str]
) -> None:
    seen = opened(watched, pages["two"], locale="zh-CN")
    text = seen.page.inner_text("body")
    for words in ("循环准确率", "McNemar 精确检验", "逐行准确率", "贪心解码", "B 优于 A"):
        assert words in text
    for words in ("circular accuracy", "McNemar exact", "row accuracy", "greedy"):
        assert words not in text
    no_violations(seen)
    seen.see("report-two-chinese")


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a training of 799 steps: even noise that ends in a spike, and a line without noise."""
    folder = tmp_path_factory.mktemp("noisy")
    chance = random.Random(0)
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(1, 800):
            loss = 1.0 if step == 799 else chance.random()
            file.write(json.dumps({"step": step, "loss": loss, "rate": 1 - step / 1000}) + "\n")
    assert main(["report", str(folder)]) == 0
    return (folder / "report.html").as_uri()


def test_a_running_mean_does_not_end_in_the_last_point(watched: Callable[..., Watched], noisy: str) -> None:
    seen = watched(noisy)
    path = str(seen.page.locator(".curve.run-0").first.get_attribute("d"))
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    top, bottom = 12, 210  # of the axis, where even noise is 1 and 0
    assert len(heights) == 799
    assert all(0.2 < (bottom - y) / (bottom - top) < 0.8 for y in (*heights[:5], *heights[-5:]))
    assert seen.page.locator(".chart").nth(1).locator(".curve").count() == 1  # nothing to smooth
    nothing_else_happened(seen)


def test_axes_say_where_they_begin_and_end(watched: Callable[..., Watched], noisy: str) -> None:
    words = watched(noisy).page.locator(".chart").first.locator("text").all_text_contents()
    assert words == ["0", "0.5", "1", "1", "200", "400", "600", "799", "optimizer step"]
