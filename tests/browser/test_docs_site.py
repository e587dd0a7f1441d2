"""The documentation as a site, in a browser: search and language switch, nothing from another host."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from repository import ROOT
from watched_page import Watched

pytestmark = pytest.mark.slow

THEMES = {"scrollable-region-focusable"}
"""The theme's script wraps every table so."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    made = subprocess.run(
        ["make", "-s", "docs", f"SITE={folder}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def found(seen: Watched, query: str) -> list[str]:
    """The pages that the search finds, best first."""
    page = seen.page
    page.wait_for_load_state("networkidle")
    page.locator("input.md-search__input").click()
    page.keyboard.insert_text(query)
    page.keyboard.press("End")  # the page looks at each key that is let go
    page.wait_for_selector(".md-search-result__item")
    links = page.locator(".md-search-result__item > .md-search-result__link:first-child").all()
    return [Path(link.get_attribute("href").partition("?")[0]).name for link in links]


@pytest.mark.parametrize(
    ("start", "query", "best"),
    [
        ("docs/index.html", "Wilson", "statistics.html"),
        ("docs/rules.html", "McNemar", "statistics.html"),
        ("zh-CN/index.html", "提示词格式", "asking.html"),
        ("zh-CN/docs/index.html", "思考过程", "thinking.html"),
    ],
)
def test_the_search_finds_the_page(
    start: str, query: str, best: str, site: str, watched: Callable[..., Watched]
) -> None:
    seen = watched(f"{site}/{start}")
    assert best in found(seen, query)[:3]
    seen.see(f"docs-search-{query}")


def test_the_language_switch_leads_to_the_same_page_and_back(
    site: str, watched: Callable[..., Watched]
) -> None:
    page = watched(f"{site}/docs/asking.html").page
    for name, address, title in (
        ("中文", "/zh-CN/docs/asking.html", "怎样向模型提问"),
        ("English", "/docs/asking.html", "Asking a model"),
    ):
        page.locator(".md-select > button").hover()
        page.locator(".md-select__link", has_text=name).click()
        page.wait_for_url(f"{site}{address}")
        assert page.locator("h1").first.inner_text().startswith(title)


@pytest.mark.parametrize(
    ("path", "scheme"), [("docs/statistics.html", "light"), ("zh-CN/docs/asking.html", "dark")]
)
def test_a_page_fits_a_phone_and_loads_nothing_from_elsewhere(
    path: str, scheme: str, site: str, watched: Callable[..., Watched]
) -> None:
    seen = watched(f"{site}/{path}", color_scheme=scheme)
    seen.page.wait_for_load_state("networkidle")
    assert [address for address in seen.requests if not address.startswith((site, "data:", "blob:"))] == []
    assert seen.complaints == []
    serious = {
        violation["id"]: violation["nodes"][0]["html"]
        for violation in Axe().run(seen.page).response["violations"]
        if violation["impact"] in ("serious", "critical") and violation["id"] not in THEMES
    }
    assert serious == {}
    seen.page.set_viewport_size({"width": 360, "height": 800})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    seen.see(f"docs-{Path(path).stem}-{scheme}")
