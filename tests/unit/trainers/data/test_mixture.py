"""What a recipe says of its data becomes sets to tokenise and a data set to train on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_sets import write_parquet
from repository import GOLDEN
from tiny_models import make_tokenizer, picture
from transformers import AutoImageProcessor

from vlmbench.errors import UserError
from vlmbench.trainers.data.dataset import TrainingPictures, mixture, token_specs
from vlmbench.trainers.data.generated import as_llava
from vlmbench.trainers.data.prepare import prepare
from vlmbench.trainers.data.tokenizer import from_transformers
from vlmbench.trainers.data.windows import NOWHERE
from vlmbench.trainers.recipe.library import recipe_names
from vlmbench.trainers.recipe.loading import read, read_recipe
from vlmbench.trainers.recipe.model import Recipe, Source

PROCESSOR = GOLDEN / "training" / "dataset" / "processor"
TOKENIZER = from_transformers(make_tokenizer("<image>"))


def stages() -> list[Any]:
    found = {recipe.name: recipe for name in recipe_names() for recipe in read(name).recipes}
    return [recipe for recipe in found.values() if all(s.kind == "llava" for s in recipe.data.sources)]


@pytest.mark.parametrize("recipe", stages(), ids=lambda recipe: recipe.name)
def test_every_shipped_recipe_can_be_tokenised(recipe: Recipe) -> None:
    specs = token_specs(recipe, TOKENIZER, features=576)
    assert [spec.file for spec in specs] == [Path(str(s.annotations)) for s in recipe.data.sources]
    assert all(spec.limit.ids == recipe.data.max_length for spec in specs)


def test_sources_follow_each_other(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "a bus"}]
    (tmp_path / "a.png").write_bytes(picture(8, 9))
    sources = []
    for name, count in (("one.json", 3), ("two.jsonl", 4)):
        records = [json.dumps({"image": "a.png", "conversations": said}) for _ in range(count)]
        lines = "\n".join(records) if name == "two.jsonl" else f"[{','.join(records)}]"
        (tmp_path / name).write_text(lines)
        sources.append(
            Source(annotations=str(tmp_path / name), images=str(tmp_path), most=2 if count == 4 else None)
        )
    recipe = read_recipe("llava_v15_7b_finetune")
    recipe = replace(recipe, data=replace(recipe.data, sources=tuple(sources)))
    sets = [prepare(spec, tmp_path / "home") for spec in token_specs(recipe, TOKENIZER, features=4)]
    processor = AutoImageProcessor.from_pretrained(str(PROCESSOR), backend="pil")
    data = mixture(recipe, sets, TrainingPictures(processor=processor, square=True))
    assert len(data) == 5
    assert data[4].pixels is not None
    assert data.expanded_lengths(4).tolist() == [length + 3 for length in data.modality_lengths().tolist()]


def test_a_source_without_a_file_is_refused() -> None:
    recipe = read_recipe("llava_v15_7b_finetune")
    empty = replace(recipe, data=replace(recipe.data, sources=(Source(),)))
    with pytest.raises(UserError, match="needs an annotation file"):
        token_specs(empty, TOKENIZER, features=4)


def test_streamed_sources_mix_with_stored_ones_and_a_broken_picture_is_replaced_from_its_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    said = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "a bus"}]
    (tmp_path / "a.png").write_bytes(picture(8, 9))
    (tmp_path / "own.json").write_text(json.dumps([{"image": "a.png", "conversations": said}] * 3))
    for name, counts in (("one", (2, 3)), ("two", (4,))):
        for number, count in enumerate(counts):
            last = b"broken" if name == "one" else picture(8, 9)
            shown = [{"bytes": data, "path": "x"} for data in [picture(8, 9)] * (count - 1) + [last]]
            rows = [
                {"id": f"{name}-{number}-{n}", "conversations": said, "image": image}
                for n, image in enumerate(shown)
            ]
            write_parquet(tmp_path / f"{name}-{number}.parquet", rows)
    sources = (
        Source(files=f"{tmp_path}/one-*.parquet", stream=True),
        Source(annotations=str(tmp_path / "own.json")),
        Source(files=f"{tmp_path}/two-*.parquet", stream=True),
    )
    recipe = read_recipe("llava_v15_7b_finetune")
    made = tuple(as_llava(source, 0) for source in sources)
    recipe = replace(recipe, data=replace(recipe.data, sources=made, broken="skip"))
    sets = [prepare(spec) for spec in token_specs(recipe, TOKENIZER, features=4)]
    processor = AutoImageProcessor.from_pretrained(str(PROCESSOR), backend="pil")
    data = mixture(recipe, sets, TrainingPictures(processor=processor, square=True))
    assert data.shard_numbers.tolist() == [0, 0, 1, 1, 1, *[NOWHERE] * 3, 2, 2, 2, 2]
    ids = [data[index].id for index in range(len(data))]
    assert ids[:5] == ["one-0-0", "one-0-0", "one-1-0", "one-1-1", "one-1-0"]
    assert ids[5:8] == ["row 1", "row 2", "row 3"]
    assert ids[8:] == [f"two-0-{n}" for n in range(4)]
    assert data.broken.count == 2
