"""A stage begins with what another program's training left, in each layout that the converter reads."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from checkpoint_folders import CLIP, language, pth, state_dict, xtuner

from vlmbench.errors import UserError
from vlmbench.model_files.weights import loaded
from vlmbench.trainers.plan.missing import missing
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.start import read_start


def deepspeed(folder: Path) -> Path:
    """`iter_1.pth/`, as xtuner's first stage leaves it with --deepspeed."""
    held = state_dict("pretrain")
    shapes = [OrderedDict((name, kept.shape) for name, kept in held.items())]
    place = folder / "global_step1"
    place.mkdir(parents=True)
    (folder / "latest").write_text("global_step1", "utf-8")
    state = {"module": held, "param_shapes": shapes, "buffer_names": [], "shared_params": {}}
    torch.save(state, place / "mp_rank_00_model_states.pt")
    row = torch.cat([kept.flatten() for kept in held.values()])
    optimizer = {"single_partition_of_fp32_groups": [row], "zero_stage": 2, "partition_count": 1}
    torch.save({"optimizer_state_dict": optimizer}, place / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt")
    return folder


def left(layout: str, folder: Path) -> Path:
    if layout == "deepspeed":
        return deepspeed(folder / "iter_1.pth")
    return pth("pretrain", folder / "a.pth") if layout == "pth" else xtuner("pretrain", folder / "x")


@pytest.fixture
def llm(tmp_path: Path) -> Path:
    return language(tmp_path / "llm")


def recipe(pretrained: Path, llm: Path) -> Recipe:
    parts = [f"model.language.path={llm}", f"model.vision.path={CLIP}", "model.start=null"]
    return read_recipe("demo_finetune", [*parts, f"pretrained={pretrained}"])


@pytest.mark.parametrize("layout", ["pth", "deepspeed", "xtuner"])
def test_a_projector_that_was_trained_elsewhere_is_begun_with(layout: str, tmp_path: Path, llm: Path) -> None:
    asked = recipe(left(layout, tmp_path), llm)
    assert not [one for one in missing(asked, 1, tmp_path / "w") if one.kind == "stage before"]
    start = read_start(asked, tmp_path / "w")
    held = state_dict("pretrain")["projector.model.0.weight"]
    torch.testing.assert_close(loaded(start.llava.projector.weights)["0.weight"].float(), held.float())
    assert start.sources["llm"] == llm


def test_a_folder_that_nothing_can_be_read_from_is_missing(tmp_path: Path, llm: Path) -> None:
    (tmp_path / "empty").mkdir()
    asked = recipe(tmp_path / "empty", llm)
    assert [one.what for one in missing(asked, 1, tmp_path / "w")] == [str(tmp_path / "empty")]
    with pytest.raises(UserError, match="has left no finished model here"):
        read_start(asked, tmp_path / "w")
