"""RefCOCO's items become LLaVA records in seven wordings, boxes asked for or named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_tokenizer, picture

from vlmbench.errors import DataError
from vlmbench.trainers.data.dataset import token_specs
from vlmbench.trainers.data.generated import IDENTIFY, REFER, refcoco_records
from vlmbench.trainers.data.prepare import prepare
from vlmbench.trainers.data.records import as_record, turns_of
from vlmbench.trainers.data.tokenizer import from_transformers
from vlmbench.trainers.recipe.loading import read_recipe

ITEM = {"id": "refcoco-1", "image": "1.png", "sents": "the {odd} lady ", "bbox": [41, 21, 58, 100]}
RECIPE = "llava_vicuna_7b_v15_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune_refcoco"


def train_json(folder: Path, *items: Any) -> Path:
    file = folder / "train.json"
    file.write_text(json.dumps(list(items)), "utf-8")
    return file


def test_a_phrase_is_asked_for_its_box_in_seven_wordings(tmp_path: Path) -> None:
    made = list(refcoco_records(train_json(tmp_path, ITEM), inverse=False))
    assert len(made) == len(set(REFER)) == 7
    assert made[0]["id"] == "refcoco-1#0"
    assert made[0]["image"] == "1.png"
    said = [turn["value"] for turn in made[0]["conversations"]]
    assert said == ["<image>\n[refer] the {odd} lady", "{<41><21><58><100>}"]


def test_a_box_is_asked_for_its_phrase(tmp_path: Path) -> None:
    made = list(refcoco_records(train_json(tmp_path, ITEM), inverse=True))
    assert len(made) == len(set(IDENTIFY)) == 7
    said = [turn["value"] for turn in made[0]["conversations"]]
    assert said == ["<image>\n[identify] {<41><21><58><100>}", "the {odd} lady"]
    assert len(turns_of(as_record(made[0], 1))) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox": [1, 2, 3]}, "four whole numbers"),
        ({"bbox": [1, 2, 3, 101]}, "four whole numbers"),
        ({"bbox": [1, 2, 3, True]}, "four whole numbers"),
        ({"sents": " "}, "needs a phrase"),
        ({"image": None}, "needs a phrase"),
    ],
)
def test_what_is_no_item_is_refused_with_its_row(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = train_json(tmp_path, ITEM, ITEM | change)
    with pytest.raises(DataError, match=said) as error:
        list(refcoco_records(file, inverse=False))
    assert error.value.row == 2


def test_the_published_mixture_draws_from_both_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    file = train_json(tmp_path, ITEM, ITEM)
    (tmp_path / "1.png").write_bytes(picture(8, 9))
    recipe = read_recipe(RECIPE)
    boxes = tuple(
        replace(source, annotations=str(file), images=str(tmp_path), most=5)
        for source in recipe.data.sources[:2]
    )
    recipe = replace(recipe, data=replace(recipe.data, sources=boxes))
    tokenizer = from_transformers(make_tokenizer("<image>"))
    specs = token_specs(recipe, tokenizer, features=4)
    assert len({spec.file for spec in specs}) == 2
    assert [prepare(spec, tmp_path / "home").facts["rows"] for spec in specs] == [5, 5]
