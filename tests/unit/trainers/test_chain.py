"""A finished stage is known again; one that was changed since is refused by what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.errors import UserError
from vlmbench.trainers.chain import FINISHED, StageRecord, placed, training
from vlmbench.trainers.plan.plan import Machine, plan_chain
from vlmbench.trainers.recipe.loading import read, read_recipe


def test_a_stage_is_finished_once_it_says_so(tmp_path: Path) -> None:
    stage = training(read_recipe("demo_lora"), tmp_path / "work")
    assert not stage.finished()
    stage.finish()
    assert training(read_recipe("demo_lora"), tmp_path / "work").finished()


def test_other_values_are_refused_with_what_changed(tmp_path: Path) -> None:
    training(read_recipe("demo_lora", ["schedule.lr=1e-3"]), tmp_path).finish()
    changed = training(read_recipe("demo_lora", ["schedule.lr=2e-3", "seed=4"]), tmp_path)
    with pytest.raises(UserError, match=r"schedule.lr was 0.001 and is 0.002; seed was 0 and is 4") as error:
        changed.finished()
    assert "--work-dir" in str(error.value)


def test_what_does_not_change_what_is_learned_may_change(tmp_path: Path) -> None:
    training(read_recipe("demo_lora"), tmp_path).finish()
    same = ["saving.every=7", "data.workers=2", "parallelism.checkpointing=true", "about=other words"]
    assert training(read_recipe("demo_lora", same), tmp_path).finished()


@pytest.fixture
def chain(tmp_path: Path) -> str:
    file = tmp_path / "chain.yaml"
    file.write_text("stages: [demo_pretrain, demo_finetune, {evaluate: [Shapes_DEV_EN]}]\n", "utf-8")
    return str(file)


def test_a_stage_after_a_changed_one_is_another(chain: str, tmp_path: Path) -> None:
    def second(*settings: str) -> bool:
        first, then = read(chain, settings).recipes
        return training(then, tmp_path / "2", training(first, tmp_path / "1")).finished()

    first, then = read(chain).recipes
    training(then, tmp_path / "2", training(first, tmp_path / "1")).finish()
    assert second()
    with pytest.raises(UserError, match="the stage before was"):
        second("pretrain.schedule.lr=5e-4")


def test_other_data_in_the_same_file_is_refused_and_data_that_moved_or_is_gone_is_not(tmp_path: Path) -> None:
    def stage(file: Path) -> StageRecord:
        return training(read_recipe("demo_lora", [f"data.sources=[{{annotations: {file}}}]"]), tmp_path)

    file, moved = tmp_path / "records.json", tmp_path / "moved.json"
    file.write_text("[1]", "utf-8")
    stage(file).finish()
    digest = stage(file).digest
    file.rename(moved)
    assert stage(moved).finished()
    moved.write_text("[2]", "utf-8")
    with pytest.raises(UserError, match=r"moved\.json has other contents than it had"):
        stage(moved).finished()
    moved.unlink()
    assert stage(moved).finished()
    assert stage(moved).digest == digest


def test_a_damaged_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / FINISHED).write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        training(read_recipe("demo_lora"), tmp_path).finished()


def test_a_work_folder_holds_every_stage_of_a_chain_and_the_plan_says_so(chain: str, tmp_path: Path) -> None:
    (first, here), (then, there) = placed(read(chain), tmp_path / "mine")
    assert (here, there) == (tmp_path / "mine" / "demo_pretrain", tmp_path / "mine")
    assert (first.pretrained, then.pretrained) == (None, str(here))
    plans = plan_chain(read(chain), Machine(work_dir=tmp_path / "mine"))
    assert [plan.work_dir for plan in plans] == [here, there]


def test_without_a_work_folder_each_stage_has_one_of_its_name(chain: str) -> None:
    folders = [Path("work_dirs/demo_pretrain"), Path("work_dirs/demo_finetune")]
    assert [folder for _, folder in placed(read(chain), None)] == folders
    assert [plan.work_dir for plan in plan_chain(read(chain), Machine())] == folders


def test_two_stages_of_the_same_name_are_refused_before_anything_is_planned(tmp_path: Path) -> None:
    file = tmp_path / "chain.yaml"
    file.write_text("stages: [demo_lora, demo_lora]\n", "utf-8")
    with pytest.raises(UserError, match=r"are called demo_lora.*name: demo_lora_again, base: demo_lora"):
        placed(read(str(file)), tmp_path)
    with pytest.raises(UserError, match="are called demo_lora"):
        plan_chain(read(str(file)), Machine())
    file.write_text("stages: [demo_lora, {name: demo_lora_again, base: demo_lora}]\n", "utf-8")
    assert [recipe.name for recipe, _ in placed(read(str(file)), None)] == ["demo_lora", "demo_lora_again"]
