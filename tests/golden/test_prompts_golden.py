"""Prompts equal those of the original tools, word for word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmbench.answers.toolkits import samples_as_read
from vlmbench.data.table import open_table
from vlmbench.domain import ImageRef, Sample
from vlmbench.prompts import prompt_style
from vlmbench.registry import load_benchmark

GOLDEN = Path(__file__).parent
CASES = {
    "mmbench_dev_en": "MMBench_DEV_EN",
    "mmbench_dev_cn": "MMBench_DEV_CN",
    "mmbench_mixed_split": "MMBench_DEV_EN",
    "ccbench": "CCBench",
}
XTUNER_RUNS = {"dev_en_no_template": "MMBench_DEV_EN", "ccbench_internlm2": "CCBench"}


def samples_of(tsv: Path, name: str, home: Path) -> tuple[Sample, ...]:
    table = open_table(tsv, home=home)
    return tuple(load_benchmark(name).samples(table.rows()))


def text_of(sample: Sample, name: str, style: str) -> str:
    parts = load_benchmark(name).request(sample, style).parts
    assert [type(p) for p in parts[:-1]] == [ImageRef] * (len(parts) - 1)
    assert isinstance(parts[-1], str)
    return parts[-1]


@pytest.mark.parametrize("case", CASES)
def test_prompts_equal_vlmevalkit_default_and_both_wrappers(case: str, tmp_path: Path) -> None:
    folder = GOLDEN / "scoring" / case
    samples = {s.id: s for s in samples_of(folder / "data.tsv", CASES[case], tmp_path)}
    prompts = json.loads((folder / "expected.json").read_text("utf-8"))["prompts"]
    assert prompts
    for expected in prompts:
        sample = samples[str(expected["index"])]
        for key, style in (("default", "vlmevalkit"), ("llava", "llava"), ("llava_xtuner", "llava-xtuner")):
            text = "".join(part["value"] for part in expected[key] if part["type"] == "text")
            assert text_of(sample, CASES[case], style) == text


def test_compatible_rules_drop_missing_words_from_the_prompt(tmp_path: Path) -> None:
    folder = GOLDEN / "scoring" / "mcq_na_options"
    samples = samples_of(folder / "data.tsv", "MMBench_DEV_EN", tmp_path)
    seen = {s.id: s for s in samples_as_read(samples, "vlmevalkit")}
    for expected in json.loads((folder / "expected.json").read_text("utf-8"))["prompts"]:
        assert (
            text_of(seen[str(expected["index"])], "MMBench_DEV_EN", "vlmevalkit")
            == expected["default"][1]["value"]
        )


@pytest.mark.parametrize("run", XTUNER_RUNS)
def test_prompts_equal_xtuner_mmbench(run: str, tmp_path: Path) -> None:
    """The golden text is the whole turn; the newline after `<image>` is the chat template's here."""
    expected = json.loads((GOLDEN / "training/mmbench/runs.json").read_text("utf-8"))[run]
    samples = samples_of(GOLDEN / "training/mmbench" / expected["tsv"], XTUNER_RUNS[run], tmp_path)
    asked = [text_of(s, XTUNER_RUNS[run], "xtuner") for s in samples_as_read(samples, "xtuner")]
    assert len(asked) == len(expected["prompts"])
    for text, whole in zip(asked, expected["prompts"], strict=True):
        assert f"<image>\n{text}" in whole


def test_each_style_decodes_as_its_tool_does() -> None:
    choice, short, yes_no = (load_benchmark(name).card for name in ("MMStar", "GQA_TestDev_Balanced", "POPE"))
    assert prompt_style("llava").decoding(choice).max_new_tokens == 2048
    assert prompt_style("llava-xtuner").decoding(choice).max_new_tokens == 5
    assert prompt_style("llava-xtuner").decoding(short).max_new_tokens == 512
    assert prompt_style("xtuner").decoding(choice).max_new_tokens == 100
    assert not any(prompt_style(s).decoding(yes_no).do_sample for s in ("vlmevalkit", "llava", "xtuner"))
