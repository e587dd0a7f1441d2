"""`vlmbench show`: card, sample and prompt for every family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from repository import GOLDEN

from vlmbench.cli.main import main

SCORING = GOLDEN / "scoring"
CASES = {
    "ai2d": "AI2D_TEST",
    "ccbench": "CCBench",
    "chartqa": "ChartQA_TEST",
    "docvqa": "DocVQA_VAL",
    "gqa": "GQA_TestDev_Balanced",
    "hallusionbench": "HallusionBench",
    "mmbench_dev_cn": "MMBench_DEV_CN",
    "mme": "MME",
    "mmmu": "MMMU_DEV_VAL",
    "mmstar": "MMStar_circular",
    "ocrbench": "OCRBench",
    "pope": "POPE",
    "scienceqa": "ScienceQA_TEST",
    "seedbench_img": "SEEDBench_IMG",
    "textvqa": "TextVQA_VAL",
}


def show(case: str, folder: Path, *more: str) -> int:
    name = CASES[case]
    shutil.copy(SCORING / case / "data.tsv", folder / f"{name.removesuffix('_circular')}.tsv")
    return main(["show", name, "--data-dir", str(folder), "--accept-local-data", *more])


@pytest.mark.parametrize("case", CASES)
def test_every_family_shows_its_card_a_sample_and_the_prompt(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(case, tmp_path, "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["card"]["name"] == CASES[case]
    assert document["sample"]["question"] in document["prompt"]
    assert document["prompt"].startswith("<image>\n")
    assert show(case, tmp_path, "--prompt", "llava-xtuner") == 0
    assert "prompt, style llava-xtuner" in capsys.readouterr().out


def test_a_picture_in_the_middle_is_shown_in_the_middle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show("mmmu", tmp_path, "--sample", "4", "--format", "json") == 0
    prompt = json.loads(capsys.readouterr().out)["prompt"]
    assert "look at <image> and then <image>\nOptions:" in prompt


def test_without_the_file_a_prompt_style_shows_the_record_on_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["show", "MMMU_DEV_VAL", "--data-dir", str(tmp_path), "--prompt"]
    assert main([*command, "internvl:thinking", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["prompt"].startswith("[system] You are an AI assistant that rigorously")
    assert "Image-1: <image>" in document["prompt"]
    assert document["decoding"]["max_new_tokens"] == 65536
    assert main([*command, "smolvlm"]) == 0
    shown = capsys.readouterr().out
    assert "[answer] Answer:" in shown
    assert "vlmbench data get MMMU_DEV_VAL" in shown
    assert main(["show", "AMBER", "--data-dir", str(tmp_path), "--prompt", "qwen3-vl"]) == 0
    assert "Is there a bird? Please answer yes or no." in capsys.readouterr().out
    assert main([*command, "smolvml"]) == 2
    assert "Did you mean smolvlm" in capsys.readouterr().err


def test_what_is_out_of_the_ordinary_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "Shapes_TEST_EN"]) == 0
    shown = capsys.readouterr().out
    assert "in every rotation" in shown
    assert "withheld: the run ends in a submission file" in shown
    assert "greedy, at most 2048 tokens" in shown


def test_an_unknown_row_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "Shapes_DEV_EN", "--sample", "1000000000"]) == 2
    assert "no row in Shapes_DEV_EN" in capsys.readouterr().err


def test_a_file_without_rows_shows_its_card_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.tsv").write_text("index\tquestion\tanswer\n")
    assert main(["show", str(tmp_path / "mine.tsv"), "--format", "json"]) == 0
    assert "mine.tsv: it has no rows." in json.loads(capsys.readouterr().out)["missing"]
