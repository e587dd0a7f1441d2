"""A LLaVA in a layout that vLLM does not read is written once as one that it does, and answers alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import answers, questions
from lane_models import vllm_here

from vlmbench.models.hf.model import load_hf


@pytest.mark.parametrize("layout", ["xtuner", "newest"])
def test_it_is_written_once_and_answers_as_transformers_does(
    layouts: dict[str, Path],
    layout: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    wanted = answers(load_hf(str(layouts[layout]), device="cpu"), questions())
    with vllm_here(layouts[layout]) as model:
        assert answers(model, questions()) == wanted
        assert f"{layouts[layout]} is written to" in capfd.readouterr().err
        assert len([folder for folder in (tmp_path / "converted").iterdir() if folder.is_dir()]) == 1
        assert ("projector/model.safetensors" in model.facts["files"]) == (layout == "xtuner")
