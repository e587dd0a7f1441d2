"""Each English page has its Chinese page, with the same commands, files, headings and links, in Chinese."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_commands import CHINESE, ENGLISH, Block, blocks_of, commands, headings, link_targets
from repository import ROOT

PAIRS = [page for page in ENGLISH if page.parent in (ROOT, ROOT / "docs")]
WORDS = {"路径": "PATH", "文件": "FILE", "目录": "DIR", "名称": "NAME", "_CN": "_EN"}
"""A Chinese page may name the reader's own files in Chinese, and a Chinese benchmark."""


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def chinese_of(page: Path) -> Path:
    return page.with_name(page.name.replace(".md", CHINESE))


def without_remarks(block: Block) -> tuple[str, str]:
    """The file or program of a block; remarks and Chinese words in it may differ."""
    lines = (re.sub(r"\s*#.*$", "", line) for line in block.text.splitlines())
    return block.info, "\n".join(line for line in lines if line)


def in_english(command: list[str]) -> list[str]:
    for ours, theirs in WORDS.items():
        command = [word.replace(ours, theirs) for word in command]
    return command


def link_ends(page: Path) -> set[str]:
    """Where the links lead, without the one to the other language."""
    found = (target.partition("#")[0].replace(CHINESE, ".md") for target in link_targets(page))
    return {target for target in found if target not in ("", page.name.replace(CHINESE, ".md"))}


@pytest.mark.parametrize("page", PAIRS, ids=of)
def test_the_chinese_page_shows_what_the_english_one_shows(page: Path) -> None:
    other = chinese_of(page)
    assert [in_english(command) for command in commands(other)] == [*map(in_english, commands(page))]
    assert len(blocks_of(other)) == len(blocks_of(page))
    for ours, theirs in zip(blocks_of(page), blocks_of(other), strict=True):
        assert theirs.info == ours.info
        if ours.language in ("python", "yaml"):
            assert without_remarks(theirs) == without_remarks(ours)
    assert headings(other) == headings(page)
    assert link_ends(other) == link_ends(page)


@pytest.mark.parametrize("page", PAIRS, ids=of)
def test_links_of_a_chinese_page_stay_in_chinese(page: Path) -> None:
    other = chinese_of(page)
    for target in link_targets(other):
        path = target.partition("#")[0]
        if path.endswith(".md") and not path.endswith(CHINESE) and path != page.name:
            assert not chinese_of(other.parent / path).is_file(), target
