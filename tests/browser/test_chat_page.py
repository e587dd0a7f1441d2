"""The page to talk to a model, in a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from repository import ROOT
from watched_page import Watched

pytestmark = pytest.mark.slow

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script> "
    "![](http://127.0.0.2:9/beacon.png) &lt;b&gt;"
)
SLOW = " ".join(f"word{number}" for number in range(40))
WAIT = 30_000


@contextmanager
def program(*command: str, at: str | None = None, **env: str) -> Iterator[str]:
    """A program with a page, at a known address or at the one it says."""
    quiet = {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", **env}
    running = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | quiet, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        line = at or running.stdout.readline()
        if not line:
            raise AssertionError(running.communicate()[1])
        until_open(line.strip(), running)
        yield line.strip()
    finally:
        running.terminate()
        running.communicate(timeout=20)


def until_open(address: str, running: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert running.poll() is None, running.communicate()[1]
        try:
            httpx.get(address, timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return


def chat(*flags: str) -> Any:
    return program(sys.executable, "-m", "vlmbench", "chat", "--web", *flags)


@pytest.fixture(scope="module")
def two_models() -> Iterator[str]:
    with chat("--model", "demo", "--against", f"echo:{HOSTILE}") as address:
        yield address


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import random

    from vlmbench.shapes.scene import picture, random_scene

    file = tmp_path_factory.mktemp("pictures") / "shapes.png"
    picture(random_scene(random.Random(3))).resize((288, 288), 0).save(file)
    return file


def ask(seen: Watched, question: str, *files: Path) -> None:
    page = seen.page
    page.wait_for_selector("#question textarea", timeout=WAIT)
    if files:
        page.set_input_files("#question input[type=file]", [str(file) for file in files])
        page.wait_for_selector("#question img", timeout=WAIT)
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")


def answered(seen: Watched, count: int, side: int = 0) -> str:
    """The `count`-th answer, once it is complete."""
    page = seen.page
    page.wait_for_function(
        "([side, count]) => document.querySelectorAll(`#chat-${side} [data-testid=bot]`).length === count"
        " && /token/.test(document.querySelector(`#status-${side}`).innerText)",
        arg=[side, count],
        timeout=WAIT,
    )
    return str(page.locator(f"#chat-{side} [data-testid=bot]").last.inner_text()).strip()


def test_a_picture_two_turns_and_two_models(
    two_models: str, watched: Callable[..., Watched], shapes: Path
) -> None:
    seen = watched(two_models)
    ask(seen, "Describe the picture.", shapes)
    assert "green star" in answered(seen, 1)
    assert answered(seen, 1, side=1) == HOSTILE
    assert seen.page.locator("#chat-0 [data-testid=user] img").count() == 1
    seen.see("two-models")
    ask(seen, "How many shapes are there in the picture?")
    assert answered(seen, 2)
    assert answered(seen, 2, side=1) == HOSTILE
    assert seen.page.locator("#chat-0 [data-testid=user] img").count() == 1
    seen.see("second-turn")
    assert seen.complaints == []
    assert seen.page.title() == "vlmbench · demo · echo"


def test_what_a_model_or_a_reader_writes_is_text(two_models: str, watched: Callable[..., Watched]) -> None:
    seen = watched(two_models)
    ask(seen, HOSTILE)
    assert answered(seen, 1, side=1) == HOSTILE
    asked = seen.page.locator("#chat-1 [data-testid=user]").last.inner_text().strip()
    assert asked == HOSTILE
    assert seen.page.locator("#chat-1 .message-content img, #chat-1 .message-content script").count() == 0
    seen.see("hostile")
    assert seen.complaints == []
    assert "owned" not in seen.page.title()


def test_nothing_comes_from_another_host(
    two_models: str, watched: Callable[..., Watched], shapes: Path
) -> None:
    seen = watched(two_models)
    ask(seen, "Describe the picture.", shapes)
    answered(seen, 1)
    hosts = {urlsplit(url).netloc for url in seen.requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(two_models).netloc}
    # And were something to ask for more, the browser would refuse.
    blocked = seen.page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'got it', () => 'refused')")
    assert blocked == "refused"
    assert any("Content Security Policy" in complaint for complaint in seen.complaints)


def test_answers_stream_and_can_be_stopped_and_cleared(watched: Callable[..., Watched]) -> None:
    with chat("--model", f"echo:{SLOW},!sleep=0.1") as address:
        seen = watched(address)
        ask(seen, "Count.")
        seen.page.wait_for_selector("#chat-0 [data-testid=bot]:has-text('word3')", timeout=WAIT)
        growing = seen.page.locator("#chat-0 [data-testid=bot]").last.inner_text()
        assert "word39" not in growing
        seen.page.click("#stop button, button#stop")
        seen.page.wait_for_selector("#status-0:has-text('stopped')", timeout=WAIT)
        kept = answered(seen, 1)
        assert kept.startswith("word0")
        assert "word39" not in kept
        seen.see("stopped")
        ask(seen, "Again.")
        seen.page.wait_for_selector("#status-0:has-text('…')", timeout=WAIT)
        seen.page.click("#clear button, button#clear")
        seen.page.wait_for_selector("#chat-0 >> text=Show a picture", timeout=WAIT)
        # What was on its way when the button was pressed may still be drawn, and goes at once.
        expect(seen.page.locator("#chat-0 [data-testid=bot]")).to_have_count(0)
        assert seen.complaints == []


def test_a_real_model_is_free_again_after_stop_and_clear(watched: Callable[..., Watched]) -> None:
    with chat("--model", "demo", "--temperature", "50", "--max-new-tokens", "900") as address:
        seen = watched(address)
        for button in ("clear", "stop", "clear"):
            ask(seen, "Describe the picture.")
            seen.page.wait_for_function(
                "document.querySelector('#status-0').innerText.trim() !== ''", timeout=WAIT
            )
            seen.page.click(f"button#{button}")
            # The page takes the next question once it has heard that the last one is over.
            seen.page.wait_for_timeout(500)
        ask(seen, "Describe the picture.")
        seen.page.wait_for_selector("#chat-0 [data-testid=bot]", timeout=WAIT)
        assert seen.page.get_by_text("Error", exact=True).count() == 0
        assert seen.page.locator("#chat-0 [data-testid=user]").count() == 1
        assert seen.complaints == []


def test_an_example_is_one_click(two_models: str, watched: Callable[..., Watched]) -> None:
    seen = watched(two_models)
    seen.page.click("text=Describe the picture.", timeout=WAIT)
    seen.page.wait_for_selector("#question img", timeout=WAIT)
    seen.page.press("#question textarea", "Enter")
    assert "yellow" in answered(seen, 1)
    assert seen.complaints == []


def test_a_file_that_is_no_picture_is_refused_in_words(
    two_models: str, watched: Callable[..., Watched], tmp_path: Path
) -> None:
    file = tmp_path / "drawing.png"
    file.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'></svg>")
    seen = watched(two_models)
    seen.page.wait_for_selector("#question textarea", timeout=WAIT)
    seen.page.set_input_files("#question input[type=file]", str(file))
    ask(seen, "What is it?")
    seen.page.wait_for_selector("text=not a picture in any known format", timeout=WAIT)
    seen.see("no-picture")
    assert seen.page.locator("#chat-0 [data-testid=bot]").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_it_fits_every_screen_and_its_texts_stand_out(
    two_models: str, watched: Callable[..., Watched], language: str, theme: str
) -> None:
    seen = watched(two_models, locale=language, color_scheme=theme)
    seen.page.wait_for_selector("#question textarea", timeout=WAIT)
    for wide, high in ((360, 740), (768, 1024), (1440, 900)):
        seen.page.set_viewport_size({"width": wide, "height": high})
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= wide
        seen.see(f"chat-{language[:2]}-{theme}-{wide}")
    found = Axe().run(seen.page, options={"runOnly": ["color-contrast"]}).response["violations"]
    assert [node["html"][:160] for one in found for node in one["nodes"]] == []


def test_the_space_answers(watched: Callable[..., Watched], shapes: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}/"
    app = str(ROOT / "examples" / "space" / "app.py")
    with program(sys.executable, app, at=address, GRADIO_SERVER_PORT=port):
        seen = watched(address)
        ask(seen, "Describe the picture.", shapes)
        assert "green star" in answered(seen, 1)
        assert seen.complaints == []
