"""docs/from-*.md: each line of their tables is run, and the Chinese pages show the same commands."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from checkpoint_folders import CLIP, language, pth
from repository import GOLDEN, ROOT
from small_trainings import write_records
from xtuner_configurations import configuration

from vlmbench.cli.main import main
from vlmbench.data.tsv import read_rows
from vlmbench.models.loading import demo_folder
from vlmbench.trainers.recipe.loading import read_recipe

PAGES = ("from-xtuner", "from-vlmevalkit", "from-lmms-eval", "from-lm-eval")
SETS = {"MMBench_DEV_EN": "mmbench_dev_en", "POPE": "pope", "MME": "mme", "MMMU_DEV_VAL": "mmmu"}
QLORA = "llava_internlm2_chat_7b_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune"
MORE = {
    "train": ["--plan"],
    "run": ["--accept-local-data", "--limit", "1", "--max-new-tokens", "3"],
    "chat": ["--max-new-tokens", "3"],
    "score": ["--accept-local-data", "--allow-missing"],
    "show": ["--accept-local-data"],
    "check-submission": ["--accept-local-data"],
    "convert": ["--no-verify"],
    "merge": ["--no-verify"],
}
"""What stands for a full run of the published data and models."""
MAY_COMPLAIN = {"check-submission": (0, 1), "score": (0, 4)}
"""A limited run has not every row."""


def commands(page: str) -> list[str]:
    rows = re.findall(
        r"^\| .* \| `(vlmbench [^`]*)` \|$", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE
    )
    assert rows
    return rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the names on the pages are there, as small as they can be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMUData", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO("What is it?\n"))
    Path("llava-1.5-7b-hf").symlink_to(demo_folder())
    for name, golden in SETS.items():
        shutil.copy(GOLDEN / "scoring" / golden / "data.tsv", f"{name}.tsv")
    shutil.copy("POPE.tsv", "mine.tsv")
    rows = [row.by_column() for row in read_rows(Path("POPE.tsv"))]
    Path("cat.png").write_bytes(base64.b64decode(rows[0]["image"]))
    question = {"image": "cat.png", "question": "Which?", "choices": ["a cat", "a dog"], "answer": 0}
    Path("mine.jsonl").write_text(json.dumps(question), "utf-8")
    logged = {
        "doc_id": 0,
        "doc": {"question": rows[0]["question"]},
        "target": "No",
        "resps": [["No"]],
        "filtered_resps": ["No"],
    }
    Path("samples_pope.jsonl").write_text(json.dumps(logged), "utf-8")
    return tmp_path


@pytest.fixture
def xtuner_folder(folder: Path) -> Path:
    language(Path("internlm2-chat-7b"))
    Path("clip-vit-large-patch14-336").symlink_to(CLIP)
    pth("llm_lora_vit_lora", Path("iter_5198.pth"))
    shutil.copy("cat.png", "cat.jpg")
    records = write_records(Path("data"), 3)
    own = json.loads(records.read_text("utf-8"))
    Path("own.json").write_text(json.dumps(own), "utf-8")
    for picture in Path("data/pictures").iterdir():
        shutil.copy(picture, picture.name)
    settings = [f"data.sources=[{{annotations: {folder}/own.json, images: {folder}}}]"]
    recipe = read_recipe(
        "llava_internlm2_chat_7b_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune", settings
    )
    Path("my_config.py").write_text(configuration(recipe), "utf-8")
    return folder


def runs(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    words = shlex.split(command)[1:]
    code = main([*words, *MORE.get(words[0], [])])
    shown = capsys.readouterr()
    assert code in MAY_COMPLAIN.get(words[0], (0,)), f"{command}\n{shown.out}\n{shown.err}"
    return shown.out + shown.err


@pytest.mark.slow
def test_every_line_of_the_page_for_those_from_xtuner_works(
    xtuner_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {command: runs(command, capsys) for command in commands("from-xtuner.md")}
    assert "compared with the recipe" not in found["vlmbench recipes import my_config.py"]
    assert (xtuner_folder / "results" / "mmbench_result.xlsx").is_file()
    assert (xtuner_folder / "iter_5198_hf" / "llm_adapter").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES[1:])
def test_every_line_of_the_pages_for_those_from_a_harness_works(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands(f"{page}.md"):
        runs(command, capsys)


@pytest.mark.parametrize("page", PAGES)
def test_the_chinese_page_shows_the_same_commands(page: str) -> None:
    assert commands(f"{page}.zh-CN.md") == commands(f"{page}.md")
