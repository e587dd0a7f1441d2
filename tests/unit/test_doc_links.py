"""Relative links in the Markdown pages lead to a file and a heading; docs/README.md links every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "*/README.md", "examples/*/README.md", "tests/*/README.md")
    for page in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links(text: str) -> Iterator[tuple[str, str]]:
    """Path and anchor of every relative link; an address with a scheme is none."""
    for target in LINK.findall(CODE.sub("", FENCED.sub("", text))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(text: str) -> set[str]:
    """The anchor that GitHub makes of every heading: small letters, no punctuation, hyphens for blanks."""
    headings = HEADING.findall(FENCED.sub("", text))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading of a page."""
    wrong = []
    for path, anchor in links(page.read_text("utf-8")):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            wrong.append(f"{path}#{anchor}" if anchor else path)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert broken(page) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](#a-heading) [b](#b) [c](page.md) [d](gone.md) `[e](no.md)`\n", "utf-8")
    assert broken(page) == ["#b", "gone.md"]


def test_the_index_names_every_page_and_each_chinese_page_hangs_on_its_english_one() -> None:
    index = {path for path, _ in links((DOCS / "README.md").read_text("utf-8"))}
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    chinese = {name for name in pages if name.endswith(".zh-CN.md")}
    assert pages - chinese <= index
    for name in chinese:
        english = name.replace(".zh-CN", "")
        assert name in {path for path, _ in links((DOCS / english).read_text("utf-8"))}
        assert english in {path for path, _ in links((DOCS / name).read_text("utf-8"))}
