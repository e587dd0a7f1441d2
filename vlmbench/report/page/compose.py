"""The page itself: shell, style, script and data in one file that asks no other for anything.

What a model said is data in script elements that no browser runs, and is drawn as text only. The policy
in the head allows this page's own script and style, by digest, and nothing else. The figures stand before the
script and the questions after it, so that the figures are on the screen while the rest is still being read.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible
from vlmbench.report.page.figures import figures
from vlmbench.report.page.prompts import prompts_of
from vlmbench.report.page.questions import question_rows
from vlmbench.report.page.texts import json_for_html
from vlmbench.report.page.thumbnails import thumbnails
from vlmbench.report.page.training import training_figures

_HERE = Path(__file__).parent
SCRIPTS = (
    "words.js",
    "drawing.js",
    "figures.js",
    "curves.js",
    "detail.js",
    "filters.js",
    "answers.js",
    "start.js",
)


def page_of_runs(runs: Sequence[FinishedRun], *, difference: Mapping[str, Any] | None = None) -> str:
    """One run, or two side by side over the same questions."""
    prompts = [prompts_of(run) for run in runs]
    questions = question_rows(runs, prompts)
    source = next((run.questions.images for run in runs if run.questions.images is not None), None)
    pictures = thumbnails(questions.pop("pictures"), source)
    questions["notes"] = list(dict.fromkeys(p.note for p in prompts if p.note))
    title = f"{runs[0].benchmark}: {' and '.join(dict.fromkeys(run.model for run in runs))}"
    return _page(title, figures(runs, difference), questions, pictures)


def page_of_trainings(folders: Sequence[Path]) -> str:
    """The curves of one training, or of two over each other."""
    title = " and ".join(folder.name for folder in folders)
    return _page(title, training_figures(folders), None, ())


def _page(title: str, figures_: Mapping[str, Any], questions: Any, pictures: Iterable[str]) -> str:
    style = _read("page.css")
    script = f'"use strict";\n(() => {{\n{"".join(map(_read, SCRIPTS))}}})();\n'
    parts = {
        "title": html.escape(visible(title)),
        "policy": _policy(script, style),
        "style": style,
        "figures": json_for_html(figures_),
        "script": script,
        "questions": json_for_html(questions),
        "pictures": "".join(_picture(number, data) for number, data in enumerate(pictures)),
    }
    return _filled(_read("page.html"), parts)


def _filled(shell: str, parts: Mapping[str, str]) -> str:
    """Each `{{name}}` of the shell replaced, and nothing that a part itself may hold."""
    first, *pieces = shell.split("{{")
    filled = [first]
    for piece in pieces:
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _picture(number: int, data: str) -> str:
    return f'<script type="text/plain" id="picture-{number}">{data}</script>\n' if data else ""


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")
