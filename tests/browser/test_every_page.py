"""Every page in both languages, three widths and two themes: nothing is cut, the first score is in sight."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from board_runs import write_run
from report_pages import no_violations, nothing_else_happened, width
from watched_page import Watched

from vlmbench.cli.main import main

pytestmark = pytest.mark.slow

HEIGHTS = {360: 740, 768: 1024, 1440: 900}
"""By width, of a phone, a tablet and a laptop."""
PAGES = ("report", "gallery", "compared", "training", "leaderboard")
FIRST_SCORE = {"training": ".scores p", "leaderboard": ".board td.cell"}
"""Where it is not the report's headline."""


def write_answers(folder: Path, name: str, skill: float) -> Path:
    """A run of Shapes_DEV_EN that is right in about that share of its answers."""
    from vlmbench.shapes.tables import rows

    dice = random.Random(name)
    said = [
        {"index": row["index"], "prediction": row["answer"] if dice.random() < skill else dice.choice("ABCD")}
        for row in rows("Shapes_DEV_EN")
    ]
    file = folder / f"{name}.jsonl"
    file.write_text("\n".join(map(json.dumps, said)))
    out = folder / name / "Shapes_DEV_EN"
    main(["run", "--model", f"echo:@{file}", "--bench", "Shapes_DEV_EN", "--name", name, "--out", str(out)])
    return out


def write_training(folder: Path) -> Path:
    """Losses of many steps, and scores from before the first."""
    folder.mkdir()
    dice = random.Random(2)
    rates = {"projector": 1e-3, "language model": 2e-5}
    lines: list[dict[str, Any]] = [
        {"step": step, "loss": 3 / step**0.5 + dice.random() / 5,
         "learning_rate": {part: rate * (1 - step / 400) for part, rate in rates.items()}}
        for step in range(1, 400)
    ]  # fmt: skip
    for step, share in ((0, 0.41), (100, 0.52), (200, 0.6), (400, 0.66)):
        lines.append(
            {"step": step, "benchmark": "Shapes_DUSK_EN", "value": share, "n": 90, "unit": "fraction",
             "ci95": [share - 0.08, share + 0.08], "name": "circular accuracy"}
        )  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each page."""
    folder = tmp_path_factory.mktemp("every")
    one, two = write_answers(folder, "base", 0.6), write_answers(folder, "tuned", 0.8)
    training = write_training(folder / "demo_dusk")
    for run in ([one], [one, two], [training]):
        assert main(["report", *map(str, run)]) == 0
    for number, model in enumerate(("LLaVA-v1.5-7B", "InternVL2-2B", "Qwen2-VL-7B", "LLaVA-v1.5-13B")):
        for benchmark in ("MMBench_DEV_EN", "MMBench_DEV_CN", "MMStar", "CCBench"):
            dice = random.Random(f"{model}{benchmark}")
            right = [dice.random() < 0.5 + number / 10 for _ in range(80)]
            facts = {"dataset": {"md5": benchmark}, "prompts": benchmark}
            write_run(
                folder / "runs" / f"{number}" / benchmark, model, right, benchmark=benchmark, facts=facts
            )
    build = ["leaderboard", "build", "--runs", str(folder / "runs"), "--out", str(folder / "site")]
    assert main(build) == 0
    report = (one / "report.html").as_uri()
    return {
        "report": report,
        "gallery": f"{report}#view=gallery&filter=wrong&sort=worst",
        "compared": (two / "report-compared.html").as_uri(),
        "training": (training / "report.html").as_uri(),
        "leaderboard": (folder / "site" / "index.html").as_uri(),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_its_window_and_the_first_score_is_in_sight(
    watched: Callable[..., Watched], pages: dict[str, str], name: str, language: str, theme: str
) -> None:
    seen = watched(pages[name], locale=language, color_scheme=theme)
    for wide, high in HEIGHTS.items():
        seen.page.set_viewport_size({"width": wide, "height": high})
        assert width(seen) <= wide
        if name != "gallery":
            score = seen.page.locator(FIRST_SCORE.get(name, ".headline .value")).first.bounding_box()
            assert 0 <= score["y"] < high - score["height"]
        seen.see(f"{name}-{language[:2]}-{theme}-{wide}")
    no_violations(seen)
    assert "_" not in seen.page.title().replace("Shapes_DEV_EN", "").replace("demo_dusk", "")
    nothing_else_happened(seen)
