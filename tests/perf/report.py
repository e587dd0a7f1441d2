"""The page of a run with 4,329 rows and 1,164 pictures: its size, its making, and how it feels in a browser.

python tests/perf/report.py [--questions 1164] [--keep]
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

QUESTIONS = 1164
PASS = 1_000_000
BENCH = "Photos"
PLUGIN = """
from vlmbench.benchmarks.families.choice import MultipleChoice
from vlmbench.domain import Card, DataFile

BENCHMARKS = (
    MultipleChoice(
        Card(
            name="Photos",
            measures="nothing but time",
            family="multiple-choice",
            file=DataFile(name="Photos.tsv"),
            circular=True,
        )
    ),
)
"""
LETTERS = "ABCD"
SIZE = (640, 480)


def photo(number: int) -> str:
    """A scene of Shapes under light, shade and noise: as hard to compress as a photograph."""
    from vlmbench.shapes.scene import picture, random_scene

    scene = picture(random_scene(random.Random(number)))
    chance = np.random.default_rng(number)
    pixels = np.asarray(scene.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
    coarse = chance.normal(0, 40, (24, 32, 3)).astype(np.float32)
    light = np.asarray([np.kron(coarse[..., c], np.ones((20, 20), np.float32)) for c in range(3)])
    pixels = pixels + light.transpose(1, 2, 0) + chance.normal(0, 8, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return base64.b64encode(buffer.getvalue()).decode()


def three_options(questions: int) -> int:
    """How many have three: as many of them as in MMBench."""
    return questions * 327 // QUESTIONS


def write_table(path: Path, questions: int) -> None:
    """1,164 questions, 327 of them with three options, in every rotation: 4,329 rows. Or fewer."""
    of_three = three_options(questions)
    chance = random.Random(0)
    columns = ["index", "question", "hint", *LETTERS, "answer", "category", "l2-category", "image"]
    truths = [chance.randrange(3 if i < of_three else 4) for i in range(questions)]
    with path.open("w", encoding="utf-8") as file:
        file.write("\t".join(columns) + "\n")
        for k in range(4):
            for i in range(of_three if k == 3 else 0, questions):
                count = 3 if i < of_three else 4
                options = [
                    f"an answer of some length, number {i % 97 + (o - k) % count}" for o in range(count)
                ]
                cells = [str(i + k * PASS), f"Which of these is seen in picture {i}, left of the middle?"]
                cells += ["A hint. " * 8, *options, *[""] * (4 - count), LETTERS[(truths[i] + k) % count]]
                cells += [f"category {i % 20}", f"ability {i % 6}", photo(i) if k == 0 else str(i)]
                file.write("\t".join(cells) + "\n")


def write_answers(path: Path, questions: int) -> None:
    """Letters, sentences, and now and then nothing that any rule finds."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for i in range(questions):
            for k in range(3 if i < three_options(questions) else 4):
                letter = chance.choice(LETTERS)
                text = chance.choice(
                    [letter, f"{letter}.", f"The answer is {letter}.", "I cannot tell. " * 9]
                )
                file.write(json.dumps({"index": str(i + k * PASS), "prediction": text}) + "\n")


def make_run(folder: Path, questions: int) -> Path:
    """The run folder."""
    from vlmbench.cli.main import main

    write_table(folder / f"{BENCH}.tsv", questions)
    write_answers(folder / "answers.jsonl", questions)
    (folder / "photos.py").write_text(PLUGIN)
    model, out = f"echo:@{folder}/answers.jsonl", str(folder / "run")
    flags = [
        "--data-dir",
        str(folder),
        "--plugin",
        str(folder / "photos.py"),
        "--format",
        "json",
        "--out",
        out,
    ]
    saved, sys.stdout = sys.stdout, io.StringIO()
    try:
        main(["run", "--model", model, "--bench", BENCH, *flags])
    finally:
        sys.stdout = saved
    return folder / "run"


_PAUSES = """async () => {
  const list = document.getElementById("list"), pauses = [];
  let before = performance.now();
  for (let i = 0; i < 120; i += 1) {
    list.scrollTop = i < 60 ? i * 900 : Math.random() * list.scrollHeight;
    await new Promise(requestAnimationFrame);
    const now = performance.now(); pauses.push(now - before); before = now;
  }
  return Math.max(...pauses);
}"""

_FILTERS = """async () => {
  const took = {};
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const timed = async (name, act) => {
    await frame();
    const before = performance.now();
    act();
    await frame();
    took[name] = performance.now() - before;
  };
  const search = document.getElementById("search");
  const type = (text) => { search.value = text; search.dispatchEvent(new Event("input")); };
  for (const chip of document.querySelectorAll(".chips button")) {
    await timed(chip.dataset.filter, () => chip.click());
  }
  document.querySelector("[data-filter=all]").click();
  await timed("first search", () => type("picture 77"));
  await timed("second search", () => type("cannot tell"));
  type("");
  const next = new KeyboardEvent("keydown", { key: "j", bubbles: true });
  await timed("next row", () => document.body.dispatchEvent(next));
  await timed("gallery", () => document.getElementById("view-gallery").click());
  await timed("more cards", () => document.querySelector(".further").click());
  await timed("list again", () => document.getElementById("view-list").click());
  return took;
}"""


def in_a_browser(page: Path) -> None:
    """Print how long the browser takes."""
    from playwright.sync_api import sync_playwright
    from watched_page import chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        tab: Any = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector(".row", timeout=60_000)
        tab.wait_for_load_state("load")
        paint = (
            "performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint').startTime"
        )
        print(f"first paint     {tab.evaluate(paint):.0f} ms")
        ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        print(f"all rows there  {tab.evaluate(ready):.0f} ms")
        tab.evaluate("document.getElementById('answers').scrollIntoView()")
        for name, took in tab.evaluate(_FILTERS).items():
            print(f"{name:<16}{took:.0f} ms")
        print(f"longest pause while scrolling  {tab.evaluate(_PAUSES):.0f} ms")
        browser.close()


def measure(folder: Path, questions: int) -> None:
    """Make the run, its page, and look at it."""
    from vlmbench.report.page.compose import page_of_runs
    from vlmbench.report.runs import open_run

    os.environ["VLMBENCH_HOME"] = str(folder / "home")
    plugins = [folder / "photos.py"]
    run = open_run(make_run(folder, questions), data_dir=folder, plugins=plugins)
    started = time.perf_counter()
    text = page_of_runs([run])
    print(f"built in        {time.perf_counter() - started:.1f} s")
    page = folder / "report.html"
    page.write_text(text, "utf-8")
    rows, shown = len(run.questions.samples), len({d for s in run.questions.samples for d in s.images})
    print(f"size            {page.stat().st_size / 1e6:.1f} MB, {rows} rows, {shown} pictures")
    in_a_browser(page)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--keep", action="store_true", help="leave run and page, and say where")
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    try:
        measure(place, args.questions)
    finally:
        if args.keep:
            print(place)
        else:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
