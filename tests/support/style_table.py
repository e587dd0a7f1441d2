"""The table of prompt styles by family of benchmarks in docs/asking.md; run this file to write it anew."""

from __future__ import annotations

import re
from pathlib import Path

from repository import ROOT

from vlmbench.domain import Card, DataFile
from vlmbench.prompts import PromptStyle, prompt_style, style_names
from vlmbench.prompts.style import FIELDS, PLAIN

PAGES = (ROOT / "docs" / "asking.md", ROOT / "docs" / "asking.zh-CN.md")
FAMILIES = ("multiple-choice", "yes-no", "short-answer", "judged", "caption")
BEGIN, END = "<!-- styles -->\n", "<!-- end of styles -->\n"
LONGEST = 60


def table() -> str:
    """One line a style: what it asks in each family, and which benchmarks have other words."""
    rows = [("style", *FAMILIES, "other words for", "tokens")]
    rows += [_row(prompt_style(name)) for name in style_names()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def _row(style: PromptStyle) -> tuple[str, ...]:
    named = [", ".join(entry.patterns) for entry in style.named if {"text", "open"} & entry.words.keys()]
    tokens = {style.wording(_card(family)).tokens for family in FAMILIES}
    named = [*dict.fromkeys(named)]
    return (
        f"`{style.name}`",
        *(_ending(style, family) for family in FAMILIES),
        "; ".join(f"`{name}`" for name in named) or "–",
        " – ".join(map(str, sorted({min(tokens), max(tokens)}))),
    )


def _ending(style: PromptStyle, family: str) -> str:
    """The longest sentence between what is filled in: the one that asks for the form of an answer."""
    text = style.wording(_card(family)).text
    if text == PLAIN:
        return "–"
    filled_in = "|".join(FIELDS)
    line = max(re.split(rf"\{{(?:{filled_in})\}}|\n", text), key=len).strip()
    short = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return f"`{short}`" if line else "the question alone"


def _card(family: str) -> Card:
    return Card(name="", measures="", family=family, file=DataFile(name=""))


def with_table(text: str) -> str:
    """A page's text with the table of today."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def write(page: Path) -> None:
    page.write_text(with_table(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    for one in PAGES:
        write(one)
