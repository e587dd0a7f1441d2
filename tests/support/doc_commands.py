"""The code blocks of the Markdown pages, the commands in them, and what each command names."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from repository import ROOT

from vlmbench.cli.main import parse, parser_of

CHINESE = ".zh-CN.md"
PAGES = sorted(
    page for pattern in ("README*.md", "docs/*.md", "examples/*/README*.md") for page in ROOT.glob(pattern)
)
ENGLISH = [page for page in PAGES if not page.name.endswith(CHINESE)]
OTHERS = {
    "cd": "of the shell",
    "curl": "the vLLM lane sends the same request",
    "export": "of the shell",
    "git": "fetches another project's files",
    "hf": "uploads to the hub",
    "inspect": "tests/formats_lane/test_inspect_tasks.py runs inspect",
    "llama-mtmd-cli": "llama.cpp is not installed here",
    "llama-server": "llama.cpp is not installed here",
    "lm-eval": "tests/formats_lane/test_lm_eval_task.py runs lm-eval",
    "lmdeploy": "needs a GPU",
    "make": "its target exists; CI runs it",
    "ollama": "is not installed here",
    "pip": "tests/packaging/test_install_lines.py reads it",
    "printf": "of the shell",
    "pytest": "its file exists",
    "python": "its file exists",
    "ray": "a cluster of several machines",
    "sbatch": "Slurm is not installed here",
    "srun": "Slurm is not installed here",
    "ssh": "another machine",
    "vllm": "tests/vllm_lane/test_deploy_commands.py runs it",
}
"""Programs other than vlmbench, and why a test of the page does not run them."""
PLACEHOLDERS = {"GIB": "80", "TOKENS/S": "1000", "N": "1", "M": "1"}
"""Where a page shows the form of a command."""


@dataclass(frozen=True)
class Block:
    """A code block: the words after the fence, if it has one, and its text."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def name(self) -> str:
        """The file that the block is, if the page names it."""
        return self.info.partition(" ")[2]

    @property
    def lines(self) -> list[str]:
        """The command lines of the block, without prompts, comments and the remarks beside them."""
        if self.language not in ("", "sh", "text"):
            return []
        every = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        shown = [line[2:] for line in every if line.startswith("$ ")] or every
        return [
            line for line in (re.split(r"\s{3,}|(?:^|\s+)#\s", line)[0].strip() for line in shown) if line
        ]


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def blocks_of(page: Path) -> list[Block]:
    """Every code block of a page, fenced or indented."""
    return [
        Block(page, token.map[0] + 1, token.info, token.content)
        for token in _tokens(page)
        if token.type in ("fence", "code_block") and token.map
    ]


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `vlmbench` of every command in the page's blocks."""
    for block in blocks_of(page):
        yield from _commands(block)


def _commands(block: Block) -> Iterator[list[str]]:
    for line in block.lines:
        if (found := re.search(r"(?:^|\s)vlmbench (?=[a-z])", line)) is not None:
            yield words(line[found.end() :])


def scripts(page: Path) -> Iterator[list[str]]:
    """The commands of the blocks that are scripts: tests of their pages run these as they are."""
    for block in blocks_of(page):
        if block.language == "sh":
            yield from _commands(block)


def tables(page: Path) -> Iterator[list[str]]:
    """The commands in the last column of a table: those for who comes from another tool."""
    if page.name.startswith("from-"):
        for row in re.findall(r"^\| .* \| `vlmbench ([^`]*)` \|$", page.read_text("utf-8"), re.MULTILINE):
            yield shlex.split(row)


def kind(command: list[str]) -> tuple[str, ...]:
    """Verb, its own verb, flags, and what kind of model it names: what decides which code runs."""
    second = command[1:2] if command[0] in ("data", "leaderboard", "list", "recipes") else []
    flags = {word.partition("=")[0] for word in command if word.startswith("--")}
    models = [found[1] for word in command if (found := re.match(r"([a-z]+):", word)) is not None]
    return (command[0], *second, *sorted(flags), *models)


def words(text: str) -> list[str]:
    """A command as typed: up to a pipe, the first of alternatives, a number for a number's name."""
    found = []
    for word in shlex.split(text.replace("[", "").replace("]", "") if "[--" in text else text):
        if word in ("|", "&&", ">", ";"):
            break
        found.append(re.sub(r"^(\w+)(\|\w+)+$", r"\1", PLACEHOLDERS.get(word, word)))
    return found


def inline_commands(page: Path) -> Iterator[list[str]]:
    """The words after `vlmbench` of every command within the page's text and tables."""
    for token in _tokens(page):
        for child in token.children or ():
            if child.type == "code_inline" and child.content.startswith("vlmbench "):
                yield shlex.split(child.content)[1:]


def parser(verb: str) -> Any:
    """The real parser of a verb."""
    return parser_of(verb, importlib.import_module(f"vlmbench.cli.{verb.replace('-', '_')}"))


def parsed(command: list[str]) -> argparse.Namespace:
    """What the command's verb makes of it; a UserError where it refuses."""
    return parse(parser(command[0]), command[1:])


def headings(page: Path) -> list[str]:
    """The levels of a page's headings, in their order."""
    return [token.tag for token in _tokens(page) if token.type == "heading_open"]


def link_targets(page: Path) -> Iterator[str]:
    """Every relative link and picture."""
    for token in _tokens(page):
        for child in token.children or ():
            target = str(child.attrGet("href") or child.attrGet("src") or "")
            if target and not re.match(r"[a-z]+:", target):
                yield target
