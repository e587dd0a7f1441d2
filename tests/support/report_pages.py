"""What the tests of the report's page share: runs of made-up answers, and what the page shows of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watched_page import Watched

from vlmbench.cli.main import main

LONG = "spatial" * 85 + "tail"
"""A category's name as nobody should write it: 599 letters without a blank."""


def write_questions(folder: Path, count: int = 40) -> Path:
    """Multiple choice of two abilities and four categories, one of them with a name without end."""
    names = (LONG, "counting", "object localization", "counting & <b>naming</b>")
    abilities = ("seeing", "thinking")
    lines = ["\t".join(("index", "question", *"ABCD", "answer", "category", "l2-category"))]
    for i in range(count):
        options = (f"{word} {i}" for word in ("red", "green", "blue", "grey"))
        cells = (str(i), f"Question {i}?", *options, "ABCD"[i % 4], names[i % 4], abilities[i % 2])
        lines.append("\t".join(cells))
    file = folder / "Colours.tsv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def run_of_answers(questions: Path, name: str, answer: Callable[[int, str], str], *faults: str) -> Path:
    """A run in which `answer` says what is said, given a row's number and its right letter."""
    rows = [line.split("\t") for line in questions.read_text("utf-8").splitlines()[1:]]
    said = []
    for k in range(4):
        for i, row in enumerate(rows):
            right = "ABCD"[("ABCD".index(row[6]) + k) % 4]
            said.append(json.dumps({"index": str(i + k * 1_000_000), "prediction": answer(i, right)}))
    file = questions.parent / f"{name}.jsonl"
    file.write_text("\n".join(said))
    out = questions.parent / name / "Colours"
    model = ",".join([f"echo:@{file}", *faults])
    main(["run", "--model", model, "--bench", str(questions), "--circular", "--out", str(out)])
    return out


def give_times(run: Path) -> None:
    """Seconds for every answer of a finished run."""
    file = run / "responses.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    file.write_text(
        "".join(json.dumps({**line, "seconds": 1 + i % 7}) + "\n" for i, line in enumerate(lines))
    )


def opened(watched: Callable[..., Watched], address: str, **options: Any) -> Watched:
    """The page with its list drawn."""
    seen = watched(address, **options)
    seen.page.wait_for_selector(".row", state="attached")
    return seen


def shown(seen: Watched) -> int:
    """How many rows the list says it has."""
    return int(seen.page.inner_text("#found").split()[0].replace(",", "")) if rows(seen) else 0


def rows(seen: Watched) -> list[str]:
    """The rows in sight, by id."""
    texts: list[str] = seen.page.locator(".row .under bdi:first-child").all_inner_texts()
    return texts


def width(seen: Watched) -> int:
    """How wide the page is, whatever the window."""
    found: int = seen.page.evaluate("document.documentElement.scrollWidth")
    return found


def nothing_else_happened(seen: Watched) -> None:
    """No error, and nothing asked of anybody."""
    assert seen.complaints == []
    assert [r for r in seen.requests if not r.startswith(("file:", "data:"))] == []


def no_violations(seen: Watched) -> None:
    """axe-core finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(seen.page).response["violations"]
    assert [(v["id"], [n["html"][:160] for n in v["nodes"][:3]]) for v in found] == []
