"""The page of a run in a real browser, opened from disk: filters, keys, links, languages, hostile answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_pages import no_violations, nothing_else_happened, opened, rows, shown
from watched_page import Watched

from vlmbench.cli.main import main
from vlmbench.domain import RULE_SETS
from vlmbench.draws import draw_ids

pytestmark = pytest.mark.slow

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    "<svg onload=document.title='owned'> \u202eesrever\u202c \0 \ud800 =cmd()"
)
LIMIT = "12"


def run_echo(folder: Path, name: str, answers: dict[str, str], *faults: str) -> Path:
    """A run of made-up answers; A where there is none."""
    file = folder / f"{name}.jsonl"
    lines = [json.dumps({"index": i, "prediction": text}) for i, text in answers.items()]
    file.write_text("\n".join(lines))
    out = folder / name / "Shapes_DEV_EN"
    model = ",".join([f"echo:@{file}", *faults])
    main(["run", "--model", model, "--bench", "Shapes_DEV_EN", "--limit", LIMIT, "--out", str(out)])
    return out


def asked(folder: Path) -> dict[str, str]:
    """The right answers to the questions of the run, by row."""
    from vlmbench.report.runs import open_run

    out = folder / "probe"
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", LIMIT, "--out", str(out)])
    return {s.id: s.references[0] for s in open_run(out).questions.samples}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A page of one run, of two, and of a training; and which rows are out of the ordinary."""
    folder = tmp_path_factory.mktemp("pages")
    truth = asked(folder)
    ids = list(truth)
    answers = {**truth, ids[0]: HOSTILE, ids[1]: "x" * 1_000_000, ids[2]: "", ids[3]: "Certainly a unicorn."}
    one = run_echo(folder, "one", answers, f"!raise={ids[4]}")
    two = run_echo(folder, "two", truth)
    (folder / "training").mkdir()
    with (folder / "training" / "metrics.jsonl").open("w") as file:
        for step in range(1, 400):
            figures = {"step": step, "loss": 3 / step**0.5, "learning_rate": {"projector": 1e-3 / step}}
            file.write(json.dumps(figures) + "\n")
    assert main(["report", str(one)]) == 0
    assert main(["report", str(one), str(two)]) == 0
    assert main(["report", str(folder / "training")]) == 0
    return {
        "one": (one / "report.html").as_uri(),
        "two": (two / "report-compared.html").as_uri(),
        "training": (folder / "training" / "report.html").as_uri(),
        "ids": ids,
        "truth": truth,
    }


def test_filters_search_and_lists_lead_to_the_rows(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen, ids = opened(watched, pages["one"]), pages["ids"]
    everything = len(ids)
    assert shown(seen) == everything
    seen.page.click("[data-filter=error]")
    assert rows(seen) == [ids[4]]
    seen.page.click("[data-filter=unparsed]")
    assert ids[2] in rows(seen)
    assert shown(seen) < everything
    seen.page.click("[data-filter=all]")
    seen.page.fill("#search", "UNICORN certainly")
    assert rows(seen) == [ids[3]]
    seen.page.press("#search", "Escape")
    assert shown(seen) == everything
    seen.page.select_option("#category", "counting")
    assert 0 < shown(seen) < everything
    seen.page.fill("#search", "no such words")
    assert shown(seen) == 0
    seen.page.click("#error-list a")
    assert seen.page.inner_text("#detail h3") == ids[4]
    assert "echo" in seen.page.inner_text("#detail .problem")
    nothing_else_happened(seen)


def test_keys_step_through_and_links_lead_back(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, pages["one"])
    title = "#detail h3"
    seen.page.keyboard.press("j")
    first = seen.page.inner_text(title)
    seen.page.keyboard.press("j")
    second = seen.page.inner_text(title)
    seen.page.keyboard.press("k")
    assert seen.page.inner_text(title) == first != second
    seen.page.focus("#list")
    seen.page.keyboard.press("End")
    last = seen.page.inner_text(title)
    seen.page.keyboard.press("ArrowUp")
    assert seen.page.inner_text(title) != last
    chosen = seen.page.get_attribute("#list", "aria-activedescendant")
    assert seen.page.get_attribute(f"#{chosen}", "aria-selected") == "true"
    assert seen.page.url.endswith(f"#row={seen.page.inner_text(title)}")
    seen.page.keyboard.press("/")
    assert seen.page.evaluate("document.activeElement.id") == "search"
    seen.page.keyboard.type("wj?")  # letters while typing are letters
    assert seen.page.input_value("#search") == "wj?"
    seen.page.keyboard.press("Escape")
    seen.page.keyboard.press("w")
    assert seen.page.get_attribute("[data-filter=wrong]", "aria-pressed") == "true"
    seen.page.keyboard.press("?")
    assert seen.page.is_visible("#keys")
    no_violations(seen)
    seen.page.keyboard.press("Escape")
    assert seen.page.locator("#keys").count() == 0
    again = opened(watched, f"{pages['one']}#row-{last}")
    assert again.page.inner_text(title) == last
    nothing_else_happened(again)


def test_a_row_shows_picture_prompt_every_rule_set_and_its_group(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, pages["one"])
    row = pages["ids"][5]
    seen.page.evaluate(f"location.hash = '#row-{row}'")
    seen.page.wait_for_selector(f"#detail h3:has-text('{row}')")
    assert seen.page.evaluate("document.querySelector('.pictures img').decode().then(() => true)")
    assert seen.page.evaluate("document.querySelector('.pictures img').naturalWidth") > 50
    assert seen.page.locator("#detail .readings caption ~ tbody tr").count() == len(RULE_SETS)
    assert "Question:" in seen.page.inner_text("#detail details")
    assert seen.page.locator("#detail .group tbody tr").count() >= 2
    assert pages["truth"][row] in seen.page.inner_text(".options .truth b")
    seen.see("report-row")


def test_hostile_answers_are_text_and_long_ones_are_cut(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, f"{pages['one']}#row-{pages['ids'][0]}")
    answer = seen.page.inner_text("#detail .said .raw")
    assert "</script><script>document.title='owned'</script>" in answer
    assert "⟨U+202E⟩esrever⟨U+202C⟩ ⟨U+0000⟩ \N{REPLACEMENT CHARACTER}" in answer
    assert "owned" not in seen.page.title()
    seen.see("report-hostile")
    seen.page.evaluate(f"location.hash = '#row-{pages['ids'][1]}'")
    seen.page.wait_for_selector(".cut")
    assert "1,000,000 characters" in seen.page.inner_text(".cut")
    nothing_else_happened(seen)


def test_the_rule_set_changes_every_figure(watched: Callable[..., Watched], pages: dict[str, Any]) -> None:
    seen = opened(watched, pages["one"])
    seen.page.select_option("#rules", "vlmevalkit-2024")
    assert seen.page.locator("#categories tbody tr").count() > 5
    assert seen.page.locator("#bias tbody tr").count() >= 4
    assert seen.page.locator("#confusion tbody tr").count() == 4
    seen.page.click("[data-filter=disagree]")
    assert shown(seen) >= 0
    nothing_else_happened(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["one", "two"])
def test_both_themes_are_accessible(
    watched: Callable[..., Watched], pages: dict[str, Any], scheme: str, name: str
) -> None:
    seen = opened(watched, pages[name], color_scheme=scheme)
    no_violations(seen)
    seen.page.keyboard.press("j")
    no_violations(seen)
    seen.see(f"report-{name}-{scheme}")
    nothing_else_happened(seen)


def test_the_theme_can_be_chosen(watched: Callable[..., Watched], pages: dict[str, Any]) -> None:
    seen = opened(watched, pages["one"], color_scheme="light")
    light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    seen.page.select_option("#theme", "dark")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_chinese_by_the_browser_s_language_and_by_the_button(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, pages["one"], locale="zh-CN")
    assert seen.page.inner_text("#answers > h2") == "回答"
    assert seen.page.get_attribute("html", "lang") == "zh"
    seen.page.keyboard.press("j")
    no_violations(seen)
    seen.see("report-chinese")
    seen.page.click("#language")
    assert seen.page.inner_text("#answers > h2") == "Answers"
    nothing_else_happened(seen)


def test_chinese_tells_wrong_answers_from_failed_requests_and_says_why(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, f"{pages['one']}#row-{pages['ids'][5]}", locale="zh-CN")
    assert seen.page.inner_text("[data-filter=wrong]").startswith("答错")
    assert seen.page.inner_text("[data-filter=error]").startswith("请求错误")
    assert seen.page.inner_text("#error-card h2") == "请求错误"
    assert "仅有一个字母" in seen.page.inner_text("#detail .readings")
    assert "letter" not in seen.page.inner_text("#detail .readings")
    seen.page.evaluate(f"location.hash = '#row-{pages['ids'][4]}'")
    seen.page.wait_for_selector("#detail .problem")
    assert "echo" in seen.page.locator("#detail .reason bdi[lang=en]").first.inner_text()
    nothing_else_happened(seen)


@pytest.mark.parametrize(("locale", "words"), [("en-US", "answers were not kept"), ("zh-CN", "回答未保留")])
def test_a_run_kept_without_answers_shows_verdicts_and_nothing_that_needs_them(
    watched: Callable[..., Watched], pages: dict[str, Any], tmp_path: Path, locale: str, words: str
) -> None:
    run = Path(pages["two"].removeprefix("file://")).parent
    kept = shutil.copytree(run, tmp_path / "kept", ignore=shutil.ignore_patterns("responses.jsonl", "*.html"))
    assert main(["report", str(kept)]) == 0
    seen = opened(watched, (kept / "report.html").as_uri(), locale=locale)
    assert words in seen.page.inner_text(".headline")
    for card in ("#bias", "#confusion", "#latency", "#error-card", "#unparsed-card", "[data-filter=error]"):
        assert seen.page.locator(card).count() == 0
    seen.page.click("[data-filter=right]")
    assert shown(seen) == len(pages["ids"])
    seen.page.keyboard.press("j")
    assert words in seen.page.inner_text("#detail .said")
    no_violations(seen)
    seen.see(f"report-not-kept-{locale}")
    nothing_else_happened(seen)


def test_two_runs_side_by_side_and_what_flipped(
    watched: Callable[..., Watched], pages: dict[str, Any]
) -> None:
    seen = opened(watched, pages["two"])
    assert seen.page.locator(".headline").count() == 2
    assert "points" in seen.page.inner_text(".verdict")
    seen.page.click("[data-filter=flipped]")
    assert set(rows(seen)) >= set(pages["ids"][2:4])
    seen.page.click("[data-filter=lost]")
    assert shown(seen) == 0  # the second run is right everywhere
    seen.page.click("[data-filter=gained]")
    seen.page.keyboard.press("j")
    assert seen.page.locator("#detail .said > section").count() == 2
    nothing_else_happened(seen)


def test_curves_of_a_training(watched: Callable[..., Watched], pages: dict[str, Any]) -> None:
    seen = watched(pages["training"])
    assert seen.page.locator(".chart").count() == 2
    assert seen.page.locator("h2").all_inner_texts() == ["Loss", "Learning rate: projector"]
    no_violations(seen)
    seen.see("report-training")
    nothing_else_happened(seen)


def test_a_narrow_screen_and_paper(watched: Callable[..., Watched], pages: dict[str, Any]) -> None:
    seen = opened(watched, pages["two"])
    seen.page.set_viewport_size({"width": 390, "height": 844})
    seen.page.keyboard.press("j")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    seen.see("report-narrow")
    seen.page.set_viewport_size({"width": 900, "height": 1200})
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert seen.page.is_visible(".headline")
    assert seen.page.is_visible("#categories table")
    assert not seen.page.is_visible("#list")
    assert seen.page.is_visible("#detail .said")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    seen.see("report-print")


def test_a_page_that_moved_still_works(
    watched: Callable[..., Watched], pages: dict[str, Any], tmp_path: Path
) -> None:
    moved = shutil.copy(pages["one"].removeprefix("file://"), tmp_path / "elsewhere.html")
    seen = opened(watched, Path(moved).as_uri())
    assert shown(seen) == len(pages["ids"])
    nothing_else_happened(seen)


def test_a_thought_is_folded_and_is_text(watched: Callable[..., Watched], tmp_path: Path) -> None:
    run = tmp_path / "run"
    hostile = HOSTILE.partition("\0")[0]
    words = ["run", "--model", f"echo:<think>{hostile}</think>B", "--bench", "Shapes_DEV_EN", "--limit", "1"]
    main([*words, "--out", str(run)])
    main(["report", str(run)])
    seen = opened(watched, (run / "report.html").as_uri())
    seen.page.keyboard.press("j")
    thought = seen.page.locator("#detail details.thought")
    assert thought.get_attribute("open") is None
    thought.locator("summary").click()
    assert "document.title='owned'" in thought.inner_text()
    assert seen.page.title() != "owned"
    nothing_else_happened(seen)


def test_a_question_opens_to_all_its_draws_and_says_how_many_are_right(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    truth = asked(tmp_path)
    wrong = {row: next(letter for letter in "AB" if letter != right) for row, right in truth.items()}
    # Each row is right in draws 0 and 2 of four.
    lines = {own: (wrong if k % 2 else truth)[row] for row in truth for k, own in enumerate(draw_ids(row, 4))}
    lines[f"{next(iter(truth))}#2"] = HOSTILE.partition("\0")[0]
    file = tmp_path / "drawn.jsonl"
    file.write_text("\n".join(json.dumps({"index": i, "prediction": text}) for i, text in lines.items()))
    words = ["run", "--model", f"echo:@{file}", "--bench", "Shapes_DEV_EN", "--limit", LIMIT]
    main([*words, "--samples", "4", "--set-decoding", "temperature=1", "--out", str(tmp_path / "run")])
    main(["report", str(tmp_path / "run")])
    seen = opened(watched, (tmp_path / "run" / "report.html").as_uri())
    assert "4 draws of each" in seen.page.locator(".headline").inner_text()
    assert "between draws of a question" in seen.page.locator(".headline").inner_text()
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("j")
    draws = seen.page.locator("#detail details.draw")
    assert draws.count() == 4
    assert seen.page.locator("#detail details.voted").count() == 2
    assert "2 of 4 draws right" in seen.page.locator("#detail .said").inner_text()
    draws.nth(1).locator("summary").click()
    assert draws.nth(1).locator("pre").inner_text() in ("A", "B")
    # The first row's third draw was no answer.
    assert "1 / 4" in seen.page.locator("#detail .group").inner_text()
    seen.page.click("#language")
    assert "答对 2 次（共采样 4 次）" in seen.page.locator("#detail .said").inner_text()
    assert "多次采样" in seen.page.locator("#figures").inner_text()
    seen.page.keyboard.press("k")
    assert seen.page.title() != "owned"
    no_violations(seen)
    nothing_else_happened(seen)
