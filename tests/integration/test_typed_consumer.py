"""A script of somebody else that uses every function passes `mypy --strict` against the installed package."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from repository import ROOT

SCRIPT = '''
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import vlmbench
from vlmbench import Decoding, ImageSource, Request, Response, Sample, UserError


class Always:
    """A model of the protocol."""

    name, style = "always", "vlmevalkit"
    facts: Mapping[str, Any] = {"kind": "always"}

    def render(self, request: Request) -> str:
        return "".join(part if isinstance(part, str) else "<image>" for part in request.parts)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        for request in requests:
            yield Response(id=request.id, text="A", finish="stop")


class Weather(vlmbench.YesNo):
    """A benchmark of a notebook cell."""

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        return super().request(sample, style, decoding)


def answer(messages: list[dict[str, Any]], images: list[Any]) -> str:
    return f"{len(messages)} {len(images)}"


card = vlmbench.Card(
    name="W", measures="", family="yes-no", file=vlmbench.DataFile(name="w.tsv")
)
one: vlmbench.RunResult = vlmbench.evaluate("demo", "Shapes_DEV_EN", limit=5, rules="strict")
two: list[vlmbench.RunResult] = vlmbench.evaluate(Always(), ["Shapes_DEV_EN", Weather(card=card)])
three: vlmbench.RunResult = vlmbench.evaluate(answer, Path("mine.tsv"), name="mine")
value: float | None = one.headline.value
folder: Path | None = one.folder
figures: pd.DataFrame = one.metrics()
rows: pd.DataFrame = one.samples()
languages: tuple[str, ...] = one.card.languages
page: Path = one.report()
width: int = one.pictures("1")[0].width
scored: vlmbench.RunResult = vlmbench.score(pd.DataFrame(), bench="POPE")
loaded: vlmbench.RunResult = vlmbench.load_run("runs/a/POPE")
found: vlmbench.ComparisonResult = vlmbench.compare(scored, loaded, common=True)
better: bool = found.verdict == "better"
flips: pd.DataFrame = found.flips()
ends: tuple[float, float] | None = found.ci95
table: pd.DataFrame = vlmbench.benchmarks()
trained: vlmbench.TrainingResult = vlmbench.train("demo_lora", settings={"schedule.lr": 1e-4})
made: Path = vlmbench.convert(trained.model, "out", to="official")
board: pd.DataFrame = vlmbench.leaderboard([one, "runs"]).figures()
try:
    vlmbench.evaluate("demo", "nothing")
except UserError as error:
    what: str = error.what
'''
WRONG = """
import vlmbench

vlmbench.evaluate("demo", "Shapes_DEV_EN", limt=5)
vlmbench.evaluate("demo", "Shapes_DEV_EN", rules="strickt")
vlmbench.convert("demo", "out", to="onnx")
number: int = vlmbench.evaluate("demo", "Shapes_DEV_EN")
"""


UNSHOWN = ("accelerate", "datasets", "pyarrow", "scipy", "torch", "transformers")
"""What no signature of ours shows. Following their imports takes a minute, and changes nothing."""


def errors_of(folder: Path, scripts: dict[str, str]) -> list[tuple[str, int]]:
    """mypy as a user runs it: vlmbench is found as an installed package, which counts only with py.typed."""
    subprocess.run(["make", "-s", "-o", ".venv/.ready", "view"], cwd=ROOT, check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "view.pth").write_text(f"{ROOT / 'build' / 'view'}\n{sysconfig.get_path('purelib')}\n", "utf-8")
    for name, script in scripts.items():
        (folder / name).write_text(script, "utf-8")
    skipped = "".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in UNSHOWN)
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{skipped}", "utf-8")
    command = ["--config-file", "mypy.ini", "--python-executable", str(python), *scripts]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(\S+\.py):(\d+): error", done.stdout, re.MULTILINE)
    assert found or done.returncode == 0, done.stdout + done.stderr
    return [(name, int(line)) for name, line in found]


@pytest.mark.slow
def test_a_script_that_uses_every_function_is_typed_and_slips_are_found(tmp_path: Path) -> None:
    found = errors_of(tmp_path, {"right.py": SCRIPT, "wrong.py": WRONG})
    assert sorted(set(found)) == [("wrong.py", line) for line in (4, 5, 6, 7)]
