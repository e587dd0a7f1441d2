"""The page: figures, script, questions and pictures in one file (see `vlmbench.html_page`).

The figures stand before the script and the questions after it, so that a browser shows the figures while it
still reads the rest. Pictures are shrunk: a page with a thousand of them can still be sent by mail.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.domain import ImageSource
from vlmbench.errors import DataError
from vlmbench.finished import FinishedRun
from vlmbench.html_page import content_policy, filled, json_for_html, read_script
from vlmbench.images import open_picture
from vlmbench.plain_text import visible
from vlmbench.report.page.figures import figures
from vlmbench.report.page.questions import prompts_of, question_rows
from vlmbench.report.page.training import training_figures

if TYPE_CHECKING:
    from PIL.Image import Image

_HERE = Path(__file__).parent
SCRIPTS = (
    "words.js",
    "names.js",
    "drawing.js",
    "figures.js",
    "curves.js",
    "detail.js",
    "filters.js",
    "address.js",
    "answers.js",
    "list.js",
    "gallery.js",
    "keys.js",
    "start.js",
)
ALL_BYTES = 18_000_000
"""For all pictures together; base64 adds a third."""
MOST_BYTES = 48_000
"""For one picture."""
LADDER = ((512, 82), (384, 76), (320, 70), (224, 66), (160, 60), (96, 50))
"""Longest side in pixels and WebP quality, tried in order until the picture is small enough."""
PIXEL_ART = 160
"""Pictures up to this size are stored without loss: blurred edges would show."""


def page_of_runs(
    runs: Sequence[FinishedRun],
    *,
    difference: Mapping[str, Any] | None = None,
    row: str | None = None,
) -> str:
    """One run, or two side by side over the same questions; `row` is the id of the row that it opens on."""
    prompts = [prompts_of(run) for run in runs]
    questions = question_rows(runs, prompts)
    source = next((run.questions.images for run in runs if run.questions.images is not None), None)
    pictures = thumbnails(questions.pop("pictures"), source)
    questions["notes"] = list(dict.fromkeys(p.note for p in prompts if p.note))
    title = f"{runs[0].benchmark}: {' and '.join(dict.fromkeys(run.name for run in runs))}"
    return _page(title, {**figures(runs, difference), "opens": visible(row or "")}, questions, pictures)


def page_of_trainings(folders: Sequence[Path]) -> str:
    """The curves of one training, or of two in the same charts."""
    title = " and ".join(folder.name for folder in folders)
    return _page(title, training_figures(folders), None, ())


def _page(title: str, figures_: Mapping[str, Any], questions: Any, pictures: Iterable[str]) -> str:
    style = (_HERE / "page.css").read_text("utf-8")
    script = read_script(_HERE, SCRIPTS)
    parts = {
        "title": html.escape(visible(title)),
        "policy": content_policy(script, style, pictures=True),
        "style": style,
        "figures": json_for_html(figures_),
        "script": script,
        "questions": json_for_html(questions),
        "pictures": "".join(_picture(number, data) for number, data in enumerate(pictures)),
    }
    return filled((_HERE / "page.html").read_text("utf-8"), parts)


def _picture(number: int, data: str) -> str:
    return f'<script type="text/plain" id="picture-{number}">{data}</script>\n' if data else ""


def thumbnails(digests: Iterable[str], images: ImageSource | None) -> list[str]:
    """A WebP file as base64 for each digest, in order; empty where a picture is missing or broken."""
    wanted = list(digests)
    if images is None:
        return [""] * len(wanted)
    most = min(MOST_BYTES, ALL_BYTES // max(1, len(wanted)))
    found, step = [], 0
    for digest in wanted:
        try:
            picture = open_picture(images[digest])
        except (DataError, KeyError):
            found.append("")
            continue
        # Pictures of one set are alike: start one step above what the last one needed.
        data, step = _small(picture, most, max(0, step - 1))
        found.append(base64.b64encode(data).decode("ascii"))
    return found


def _small(picture: Image, most: int, first: int) -> tuple[bytes, int]:
    """The file, and the step of the ladder that gave it."""
    if max(picture.size) <= PIXEL_ART:
        data = _webp(picture, quality=50, lossless=True)
        if len(data) <= most:
            return data, first
    data, step = b"", first
    for step in range(first, len(LADDER)):
        side, quality = LADDER[step]
        picture.thumbnail((side, side))
        data = _webp(picture, quality=quality)
        if len(data) <= most:
            break
    return data, step


def _webp(picture: Image, *, quality: int, lossless: bool = False) -> bytes:
    buffer = io.BytesIO()
    # Method 2 takes a third of the time of the default and gives files a few percent larger.
    picture.save(buffer, "WEBP", quality=quality, lossless=lossless, method=2)
    return buffer.getvalue()
