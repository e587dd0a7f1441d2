"""The pages of the site: the README, docs/ and every file that they link, at their paths in the repository.

Links work as they do on GitHub. The Chinese site has NAME.zh-CN.md in the place of NAME.md, where it exists.
A linked file that is no Markdown, such as a Python module, becomes a page with its text, at this version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "build" / "leaderboard"
"""What `make leaderboard` has made stands beside the pages, where it is there."""
LANGUAGES = {"en": ("English", ""), "zh": ("中文", "zh-CN/")}
"""Name and folder in the site."""

CODE_OR_LINK = re.compile(
    r"(?P<code>^```.*?^```$|`[^`\n]*`)|\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)", re.M | re.S
)
OTHER_LANGUAGE = re.compile(r"^\[(?:中文|English)\]\([^)]*\)\n\n", re.M)
NAMED_FENCE = re.compile(r"^```(\w+) (\S+)$", re.M)
OUTSIDE = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?(?:https?:)?//[^\s"'>]+""")
HIGHLIGHTED = {
    ".py": "python",
    ".sh": "sh",
    ".sbatch": "sh",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".json": "json",
}
COPIED = {".png", ".svg", ".ipynb"}


def chinese(config: MkDocsConfig) -> bool:
    """Whether this is the Chinese site."""
    return bool(config.theme["language"] == "zh")


def text_of(path: str, in_chinese: bool) -> str:
    """A page in the site's language, without its link to the other language: the header has one."""
    translated = ROOT / path.replace(".md", ".zh-CN.md")
    page = translated if in_chinese and translated.is_file() else ROOT / path
    return OTHER_LANGUAGE.sub("", page.read_text("utf-8"), count=1)


def place(path: str) -> str:
    """Where a file of the repository stands in the site's sources."""
    if path.endswith(".md") or Path(path).suffix in COPIED:
        return path
    return f"source/{path.lstrip('.')}.md"


def rewritten(path: str, text: str) -> tuple[str, set[str]]:
    """A page with links to pages of this site, and the files of the repository that it links."""
    linked = set()

    def link(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        target = os.path.normpath(Path(path).parent / match["path"].replace(".zh-CN.md", ".md"))
        linked.add(target)
        there = os.path.relpath(place(target), Path(place(path)).parent)
        return f"]({there}{match['anchor'] or ''})"

    text = CODE_OR_LINK.sub(link, text)
    return NAMED_FENCE.sub(r'```\1 title="\2"', text), linked


def as_page(path: str) -> str:
    """A file that is no Markdown, or the names in a folder, as a page that the search leaves out."""
    here = ROOT / path
    names = sorted(file.name for file in here.iterdir()) if here.is_dir() else []
    text = "\n".join(names) or here.read_text("utf-8").rstrip("\n")
    language = HIGHLIGHTED.get(Path(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n~~~~~~ {language}\n{text}\n~~~~~~\n"


def made(path: str, config: MkDocsConfig) -> tuple[File, set[str]]:
    """A file of the site, and what it links."""
    if not (ROOT / path).exists():
        raise PluginError(f"{path} is linked, but there is no such file")
    if Path(path).suffix in COPIED:
        return File.generated(config, path, abs_src_path=str(ROOT / path)), set()
    if path.endswith(".md"):
        text, linked = rewritten(path, text_of(path, chinese(config)))
        return File.generated(config, path, content=text), linked
    return File.generated(config, place(path), content=as_page(path)), set()


def navigation(index: str) -> Iterator[str | dict[str, Any]]:
    """The groups of docs/README.md; a page stands under the words that lead to it."""
    seen = {"README.md", "docs/README.md"}
    yield from [{"vlmbench": "README.md"}, "docs/README.md"]
    for group in index.split("\n## ")[1:]:
        pages: list[Any] = []
        for title, rest in re.findall(r"^- \*\*(.*?)[.。]?\*\*(.*(?:\n  .*)*)", group, re.M):
            paths = [os.path.normpath(f"docs/{path}") for path in re.findall(r"\]\(([^)#:]+\.md)", rest)]
            new = [
                path for path in dict.fromkeys(paths) if path not in seen and not path.startswith("source/")
            ]
            seen.update(new)
            pages += [{title: path} if path == paths[0] else path for path in new]
        yield {group.splitlines()[0]: pages}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add everything that can be reached from the README and the pages of docs/."""
    index = rewritten("docs/README.md", text_of("docs/README.md", chinese(config)))[0]
    config.nav = list(navigation(index))
    if BOARD.is_dir():
        config.nav.append({"排行榜" if chinese(config) else "Leaderboard": "leaderboard/index.html"})
        for file in (file for file in BOARD.rglob("*") if file.is_file()):
            there = f"leaderboard/{file.relative_to(BOARD)}"
            files.append(File.generated(config, there, abs_src_path=str(file)))
    every = (page.relative_to(ROOT) for page in (ROOT / "docs").glob("*.md"))
    todo = {"README.md", *(str(page) for page in every if not page.name.endswith(".zh-CN.md"))}
    done: set[str] = set()
    while todo:
        path = todo.pop()
        file, linked = made(path, config)
        files.append(file)
        done.add(path)
        todo |= linked - done
    return files


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: object) -> dict[str, Any]:
    """The language switch leads to the same page. The theme would rewrite an address without a scheme."""
    here = Path(LANGUAGES[config.theme["language"]][1] + page.url).parent
    config.extra["alternate"] = [
        {"name": name, "lang": language, "link": f"here:{os.path.relpath(folder + page.url, here)}"}
        for language, (name, folder) in LANGUAGES.items()
    ]
    return context


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """No page loads anything from another host."""
    # The theme's script looks for a site map beside each alternate page.
    output = re.sub(r'<link rel="alternate"[^>]*>', "", output).replace('"here:', '"')
    search = "搜索" if chinese(config) else "Search"
    output = output.replace('role="dialog"', f'role="dialog" aria-label="{search}"', 1)  # for screen readers
    if found := OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0]}")
    return output
