"""A settings file that is broken is refused by its name before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import edit_json, save_model

from vlmbench.checkpoints.read import open_llava
from vlmbench.errors import ModelError
from vlmbench.model_files.picture_values import check_picture_values
from vlmbench.model_files.processor import load_processor


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("llava", tmp_path_factory.mktemp("models") / "llava")


def linked(folder: Path, source: Path, changed: str) -> Path:
    """The folder again, with a copy of its own of the file that changes."""
    folder.mkdir()
    for file in source.iterdir():
        if file.name != changed:
            (folder / file.name).symlink_to(file)
    own = source / changed
    (folder / changed).write_text(own.read_text("utf-8") if own.is_file() else "{}", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("generation_config.json", {"eos_token_id": "</s>"}),
        ("generation_config.json", {"pad_token_id": []}),
        ("tokenizer_config.json", {"bos_token": {}}),
        ("tokenizer_config.json", {"model_max_length": "x"}),
        ("tokenizer.json", {"pre_tokenizer": {}}),
        ("tokenizer.json", {"added_tokens": [1]}),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, llava: Path, name: str, changes: dict[str, Any]) -> None:
    folder = linked(tmp_path / "model", llava, name)
    edit_json(folder / name, **changes)
    with pytest.raises(ModelError, match=name):
        open_llava(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_size": []},
        {"crop_size": {"height": []}},
        {"size": {}},
        {"crop_size": {"height": 10**9, "width": 32}},
        {"crop_size": {"height": -1, "width": 32}},
        {"image_mean": "x"},
        {"image_mean": [10**8, 0, 0]},
        {"image_std": [1, 1, {}]},
        {"rescale_factor": "x"},
    ],
)
def test_broken_picture_settings_are_refused_by_file(
    tmp_path: Path, llava: Path, changes: dict[str, Any]
) -> None:
    folder = linked(tmp_path / "model", llava, "preprocessor_config.json")
    settings = json.loads((llava / "processor_config.json").read_text("utf-8"))["image_processor"]
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | changes), "utf-8")
    with pytest.raises(ModelError, match=r"preprocessor_config.json"):
        open_llava(folder)


def test_a_processor_is_not_loaded_with_absurd_sizes(tmp_path: Path, llava: Path) -> None:
    folder = linked(tmp_path / "model", llava, "processor_config.json")
    whole = json.loads((folder / "processor_config.json").read_text("utf-8"))
    whole["image_processor"]["size"] = {"height": 10**6, "width": 10**6}
    (folder / "processor_config.json").write_text(json.dumps(whole), "utf-8")
    with pytest.raises(ModelError, match=r"processor_config.json, `height`: .* 1 to 20,000"):
        load_processor(folder, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"shortest_edge": 3136, "longest_edge": 12_845_056}, "patch_size": 14, "merge_size": 2},
        {"size": {"height": None, "width": 384}, "image_grid_pinpoints": [[336, 672]], "do_resize": True},
        {"patch_size": {"height": 16, "width": 16}, "image_mean": None, "rescale_factor": 1 / 255},
    ],
)
def test_published_values_pass(settings: dict[str, Any]) -> None:
    check_picture_values(settings, Path("preprocessor_config.json"))
