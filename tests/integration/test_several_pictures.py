"""Several pictures in one question: checked, tokenised and learned from as a recipe says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_trainings import small
from tiny_models import picture

from vlmbench.cli.main import main
from vlmbench.errors import DataError
from vlmbench.trainers.data.token_file import TokenFile
from vlmbench.trainers.training import train
from vlmbench.trainers.training.metrics import read_metrics

AS_WRITTEN = "data.placement=as_written"
AS_THE_TEMPLATE = ("wording.bos=each", "wording.separator=none")
"""The demo's recipes have a wording of their own beside their template's."""
STEPS = ("schedule.max_steps=2", "schedule.accumulation=1", "schedule.batch=2")


@pytest.fixture
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "data")


def write_pairs(folder: Path, second: int = 50) -> Path:
    """Four records, each about two pictures in one question; `second` draws the second ones."""
    (folder / "pictures").mkdir(parents=True)
    records = []
    for number in range(4):
        names = [f"{number}-first.png", f"{number}-second.png"]
        for name, seed in zip(names, (number, second + number), strict=True):
            (folder / "pictures" / name).write_bytes(picture(30, 30, seed=seed))
        asked = "<image>\nis before and <image>\nis after. What has changed?"
        said = [{"from": "human", "value": asked}, {"from": "gpt", "value": f"answer {number}"}]
        records.append({"id": f"r{number}", "image": names, "conversations": said})
    file = folder / "records.json"
    file.write_text(json.dumps(records), "utf-8")
    return file


def losses(model: Path, data: Path, work_dir: Path, *more: str) -> list[float]:
    recipe = small(model, data, AS_WRITTEN, *STEPS, *more)
    train(recipe, work_dir=work_dir, home=work_dir.parent / "home")
    return [reading["loss"] for reading in read_metrics(work_dir)]


def test_training_sees_both_and_tokens_are_those_that_data_tokens_prints(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = losses(model, data, tmp_path / "run", *AS_THE_TEMPLATE)
    assert len(seen) == 2
    (made,) = (tmp_path / "home").glob("tokens/*/tokens.arrow")
    template = small(model, data).wording.template
    command = ["data", "tokens", str(data), "--template", template, "--tokenizer", str(model)]
    assert main([*command, "--placement", "as_written", "--format", "json"]) == 0
    printed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    rows = list(TokenFile(made.parent))
    assert [row.ids.tolist() for row in rows] == [record["input_ids"] for record in printed]
    assert [row.labels.tolist() for row in rows] == [record["labels"] for record in printed]
    assert [record["input_ids"].count(-200) for record in printed] == [2, 2, 2, 2]
    elsewhere = write_pairs(tmp_path / "other", second=70)
    other = losses(model, elsewhere, tmp_path / "other-run", *AS_THE_TEMPLATE)
    assert other[0] != seen[0]


def test_packed_rows_hold_them_too(model: Path, data: Path, tmp_path: Path) -> None:
    packed = losses(model, data, tmp_path / "run", "data.packing=true", "schedule.batch=1")
    assert len(packed) == 2


def test_a_complaint_names_the_setting_that_allows_them(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(model, data, *STEPS)
    with pytest.raises(DataError, match=r"`--set data\.placement=as_written`"):
        train(recipe, work_dir=tmp_path / "run", home=tmp_path / "home")
    assert main(["data", "check", str(data), "--images", str(data.parent / "pictures")]) == 4
    assert "`--placement as_written`" in capsys.readouterr().out


def test_a_recipe_is_checked_as_it_places_them(data: Path, tmp_path: Path) -> None:
    source = f"{{annotations: {data}, images: {data.parent / 'pictures'}}}"
    for placement, code in (("as_written", 0), ("first", 4), ("image_only", 4)):
        own = tmp_path / f"{placement}.yaml"
        own.write_text(f"base: demo_lora\ndata: {{placement: {placement}, sources: [{source}]}}\n")
        assert main(["data", "check", str(own)]) == code
    assert main(["data", "check", str(tmp_path / "first.yaml"), "--placement", "as_written"]) == 0
