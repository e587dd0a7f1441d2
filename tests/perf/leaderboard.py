"""A leaderboard of 200 models and 13 benchmarks: time to build, size of its page, time to sort in a browser.

    python tests/perf/leaderboard.py [--models 200] [--benchmarks 13] [--questions 100]

Run folders are made up with the answers of models of known skill, then read, ranked and written by the
command that users type. The browser is Chromium; the times are from a click on a heading until the rows are
sorted and laid out, and until the frame that shows them is painted.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RULES = ("strict", "vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024", "xtuner")
FAMILIES = (
    "LLaVA-v1.5",
    "InternVL2",
    "Qwen2-VL",
    "SmolVLM",
    "MiniCPM-V",
    "Phi-3-vision",
    "Gemma-3",
    "Nameless",
)
SIZES = ("1.8B", "4B", "7B", "13B", "34B")


def main() -> int:
    """Make the runs, time the command, then the browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--benchmarks", type=int, default=13)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--figures", type=int, default=1, help="in each results.json, under each rule set")
    parser.add_argument("--keep", type=Path, help="leave runs and page in this folder")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp())
    make_runs(folder / "runs", args)
    size = sum(file.stat().st_size for file in (folder / "runs").rglob("*") if file.is_file())
    print(f"{args.models * args.benchmarks} run folders of {args.questions} questions, {size / 1e6:.0f} MB")
    started = time.perf_counter()
    command = [sys.executable, "-m", "vlmbench", "leaderboard", "build"]
    subprocess.run(
        [*command, "--runs", str(folder / "runs"), "--out", str(folder / "site")],
        check=True,
        capture_output=True,
    )
    print(f"build: {time.perf_counter() - started:.2f} s (the whole command, start included)")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"processor time: {used.ru_utime + used.ru_stime:.2f} s; peak memory: {used.ru_maxrss / 1024:.0f} MB"
    )
    page = folder / "site" / "index.html"
    print(f"index.html: {page.stat().st_size / 1e6:.3f} MB")
    try:
        time_in_browser(page)
    finally:
        if args.keep is None:
            shutil.rmtree(folder)
    return 0


def make_runs(folder: Path, args: argparse.Namespace) -> None:
    """Run folders as `vlmbench run` leaves them, circular, two rotations a question."""
    dice = random.Random(0)
    hard = {b: [dice.gauss(0, 1) for _ in range(args.questions)] for b in range(args.benchmarks)}
    for m in range(args.models):
        skill = dice.gauss(0.8, 0.8)
        name = f"{FAMILIES[m % len(FAMILIES)]}-{SIZES[m % len(SIZES)]}-r{m:03d}"
        for b in range(args.benchmarks):
            right = [skill + dice.gauss(0, 0.7) > h for h in hard[b]]
            write_run(
                folder / name / f"Bench{b // 3}_DEV_{'CN' if b % 3 == 2 else f'EN{b}'}",
                name,
                right,
                args.figures,
            )


def write_run(folder: Path, model: str, right: list[bool], figures: int) -> None:
    """One run of that many questions."""
    folder.mkdir(parents=True)
    benchmark, n = folder.name, len(right)
    value = sum(right) / n
    error = (value * (1 - value) / n) ** 0.5
    figure = {
        "name": "circular accuracy",
        "split": "dev",
        "level": "overall",
        "value": value,
        "unit": "fraction",
    }
    figure |= {"stderr": error, "n": n, "rows": 2 * n}
    figure["ci95"] = [max(0, value - 1.96 * error), min(1, value + 1.96 * error)]
    none = {"count": 0, "rate": 0.0}
    under = {"headline": figure, "metrics": [figure] * figures, "unparsed": none}
    spec = {
        "benchmark": benchmark,
        "model": model,
        "rules": "strict",
        "style": "llava",
        "limit": None,
        "seed": 0,
    }
    results: dict[str, Any] = {
        "schema_version": 1,
        **spec,
        "blind": False,
        "partial": False,
        "complete": True,
    }
    results |= {"withheld": False, **under, "by_rules": dict.fromkeys(RULES, under)}
    results |= {
        "rows": {"asked": 2 * n, "answered": 2 * n},
        "errors": 0,
        "bounds": None,
        "needs_judge": False,
    }
    results |= {"judged": {"count": 0, "model": None}, "timing": {}}
    facts = {
        "dataset": {"md5": benchmark, "with pictures": benchmark},
        "prompts": benchmark,
        "model": {"files": model},
    }
    about = {
        "schema_version": 1,
        "spec": {**spec, "blind": False, "decoding": None},
        "facts": facts,
        "sittings": [],
    }
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "results.json").write_text(json.dumps(results))
    letters = random.Random(repr(folder.parts[-2:]))
    rows = [
        (str(i + r * 1_000_000), str(i), hit or r == 0, letters.choice("ABCD"))
        for i, hit in enumerate(right)
        for r in (0, 1)
    ]
    lines = [
        json.dumps(
            {
                "id": i,
                "group": g,
                "rules": rules,
                "extracted": letter,
                "value": float(hit),
                "reason": "",
                "judged": False,
            }
        )
        for rules in RULES
        for i, g, hit, letter in rows
    ]
    (folder / "scores.jsonl").write_text("\n".join(lines) + "\n")


def time_in_browser(page: Path) -> None:
    """First paint, then the slowest and the middle one of a click on every heading."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.as_uri())
        drawn = tab.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
        # A message posted in a frame arrives after that frame was laid out and painted.
        times = tab.evaluate(
            """async () => {
                const times = [];
                const frame = () => new Promise((go) => requestAnimationFrame(() => {
                    const channel = new MessageChannel();
                    channel.port1.onmessage = go;
                    channel.port2.postMessage(0);
                }));
                // A hand is slower than what is drawn after the frame that shows the new order.
                const idle = () => new Promise((go) => setTimeout(() => requestIdleCallback(go), 100));
                for (const button of document.querySelectorAll('.board thead button')) {
                    await idle();
                    await frame();
                    const started = performance.now();
                    button.click();
                    document.querySelector('.board').getBoundingClientRect();
                    const sorted = performance.now() - started;
                    await frame();
                    times.push([sorted, performance.now() - started]);
                }
                return times;
            }"""
        )
        print(f"drawn after {drawn:.0f} ms")
        for what, values in zip(("sorted", "painted"), map(sorted, zip(*times, strict=True)), strict=True):
            print(f"click to {what}: median {values[len(values) // 2]:.1f} ms, slowest {values[-1]:.1f} ms")
        browser.close()


if __name__ == "__main__":
    raise SystemExit(main())
