"""docs/asking.md: its commands run, its table is what the engines do, and the Chinese page shows the same."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import blocks, printed
from repository import ROOT

from vlmbench.decoding import SETTINGS
from vlmbench.model_names import folder_of, names_of
from vlmbench.models.decoding_limits import REFUSED
from vlmbench.models.engine_args import MEMORY_AND_TIME, OF_TRANSFORMERS, check_engine_args, typed_engine_args
from vlmbench.models.servers.openai import MORE

ENGLISH, CHINESE = ROOT / "docs" / "asking.md", ROOT / "docs" / "asking.zh-CN.md"
KINDS = ("hf", "vllm", "openai", "responses", "anthropic", "gemini", "chat", "function", "echo")
EXTENSIONS = set(MORE) - {"presence_penalty"}


def table(page: Path) -> list[list[str]]:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.read_text("utf-8"), re.MULTILINE)
    return [[name, *cells.split(" | ")] for name, cells in rows if name in SETTINGS]


def engines(yes: str, sent: str, refused: str) -> list[list[str]]:
    def cell(kind: str, name: str) -> str:
        if name in REFUSED[kind]:
            return refused
        return sent if kind == "openai" and name in EXTENSIONS else yes

    return [[name, *(cell(kind, name) for kind in KINDS)] for name in SETTINGS]


def test_the_table_of_engines_is_what_they_do() -> None:
    assert table(ENGLISH) == engines("yes", "sent", "refused")
    assert table(CHINESE) == engines("支持", "发送", "拒绝")


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_the_table_of_names_is_what_models_are_called(page: Path) -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| `([^`]+)` \| `runs/([^`]+)` \|$", page.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == 6
    for typed, name, folder in rows:
        here = Path(typed) if typed.startswith("work_dirs") else None
        assert (names_of(typed, here)[0], str(folder_of(name))) == (name, folder)


def test_the_lists_of_engine_settings_are_those_taken_and_not_locked() -> None:
    text = ENGLISH.read_text("utf-8").partition("## Settings of the engine")[2].partition("\n## ")[0]
    taken = text.partition("keywords of `from_pretrained`:")[2].partition(". With")[0]
    assert tuple(re.findall(r"`(\w+)`", taken)) == OF_TRANSFORMERS
    free = text.partition("only move memory and time:")[2].partition(". A question")[0]
    assert re.findall(r"`(\w+)`", free) == sorted(MEMORY_AND_TIME)
    for kind, line in (("vllm", "gpu_memory"), ("demo", "attn_implementation=")):
        (typed,) = re.findall(rf"--engine-arg ({line}.*)", text)
        check_engine_args(typed_engine_args(shlex.split(typed)), kind)


def part(page: Path, folder: Path, start: str, end: str | None = None) -> Path:
    """What stands on the page from one text to the next, as a page."""
    text = page.read_text("utf-8")
    first = text.index(start)
    found = folder / page.name
    found.write_text(text[first : end and text.index(end, first)], "utf-8")
    return found


def test_the_commands_on_prompts_work(tmp_path: Path) -> None:
    text = printed(part(ENGLISH, tmp_path, "## Prompts", "## Decoding"), tmp_path)
    assert "prompt, style qwen2-vl" in text
    assert "Image-1: <image>" in text
    assert "prompt, style mine.yaml" in text
    assert list(tmp_path.glob("runs/*/*/results.json"))


@pytest.mark.slow
def test_every_command_on_decoding_runs_and_says_how_it_decodes(tmp_path: Path) -> None:
    page = part(ENGLISH, tmp_path, "--set-decoding")
    text = printed(page, tmp_path, "vlmbench.models.hf.model", "transformers.models.auto.modeling_auto")
    assert "decoding of the model's generation_config.json: greedy, at most 2048 tokens" in text
    words = "sampling at 0.6 from the top 0.95, top-k 20, min-p 0.05, at most 2048 tokens, seed 0"
    assert f"decoding: {words}" in text
    assert words.removesuffix(", seed 0") in re.sub(r"\s+", " ", ENGLISH.read_text("utf-8"))
    assert "2 beams" in text
    assert "4 draws of each" in text
    assert re.findall(r"^\| `(\w+@)", ENGLISH.read_text("utf-8"), re.MULTILINE) == ["avg@", "pass@", "maj@"]
    assert all(
        name in text for name in ("avg@4", "pass@1", "pass@2", "pass@4", "maj@4", "standard deviations")
    )
    (script,) = (text for language, _, text in blocks(page) if language == "python")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    locked = {
        run.parent.name: json.loads(run.read_text("utf-8"))["facts"]["decoding"][0]
        for run in tmp_path.glob("runs/*/run.json")
    }
    assert locked["some"]["top_k"] == 20
    assert locked["over"]["max_new_tokens"] == 64
    assert (locked["all"]["stop"], locked["all"]["max_new_tokens"]) == (["\n"], 512)
