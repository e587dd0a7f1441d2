"""Training's own files: DeepSpeed's pieces are put together again, recipes are read and never run."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_folders import CLIP, config_text, language, pth, state_dict
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.formats.recipe import RecipeFacts, open_recipe, xtuner_recipe
from vlmbench.checkpoints.formats.training import open_deepspeed
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.weights import loaded

MODE = "llm_lora_vit_lora"
Tensors = dict[str, torch.Tensor]


def deepspeed(tensors: Tensors, folder: Path, stage: int, ranks: int = 2, **notes: Any) -> Path:
    """The files of `ranks` processes, laid out as DeepSpeed lays them out."""
    folder.mkdir()
    shapes = [OrderedDict((name, kept.shape) for name, kept in tensors.items())]
    state = {"param_shapes": shapes, "buffer_names": [], "shared_params": {}, "ds_version": "0.14", **notes}
    rows = _row(tensors, ranks) if stage < 3 else _each(tensors, ranks)
    key = "single_partition_of_fp32_groups" if stage < 3 else "fp32_flat_groups"
    for rank in range(ranks):
        module = {name: kept.bfloat16() if stage < 3 else torch.empty(0) for name, kept in tensors.items()}
        if stage == 3 or rank == 0:
            prefix = f"zero_pp_rank_{rank}_" if stage == 3 else ""
            torch.save(state | {"module": module}, folder / f"{prefix}mp_rank_00_model_states.pt")
        optimizer = {key: [rows[rank]], "zero_stage": stage, "partition_count": ranks}
        file = f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        torch.save({"optimizer_state_dict": optimizer}, folder / file)
    return folder


def _row(tensors: Tensors, ranks: int) -> list[torch.Tensor]:
    row = torch.cat([kept.flatten() for kept in tensors.values()])
    filled = torch.nn.functional.pad(row, (0, -len(row) % (2 * ranks)))
    return [piece.clone() for piece in filled.chunk(ranks)]


def _each(tensors: Tensors, ranks: int) -> list[torch.Tensor]:
    cut = [
        torch.nn.functional.pad(t.flatten(), (0, -t.numel() % ranks)).chunk(ranks) for t in tensors.values()
    ]
    return [torch.cat([pieces[rank] for pieces in cut]) for rank in range(ranks)]


def tensors_of(llava: Llava) -> list[Tensors]:
    return [loaded(part.weights) for part in (llava.language, llava.vision, llava.projector)]


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("ranks", [1, 2, 12])
def test_pieces_are_put_together_to_the_same_model(tmp_path: Path, stage: int, ranks: int) -> None:
    notes = {"meta": {"cfg": config_text(MODE)}}
    folder = deepspeed(state_dict(MODE), tmp_path / "iter_1.pth", stage, ranks, **notes)
    assert layout_of(folder) == "deepspeed"
    (tmp_path / "latest").write_text("iter_1.pth\n", "utf-8")
    assert layout_of(tmp_path) == "deepspeed"
    llm = language(tmp_path / "llm")
    found = open_llava(folder, llm=llm, vision=CLIP)
    wanted = open_llava(pth(MODE, tmp_path / "file.pth"), llm=llm, vision=CLIP)
    for ours, theirs in zip(tensors_of(found), tensors_of(wanted), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_folder_of_the_trainer_without_gathered_weights_is_read(llava: Path) -> None:
    """transformers' Trainer under ZeRO-3: the model's description, and its weights only in pieces."""
    from safetensors.torch import load_file

    wanted = tensors_of(open_llava(llava))
    held = load_file(llava / "model.safetensors")
    (llava / "model.safetensors").unlink()
    names = {name: f"model.{name}".replace("language_model.model.", "language_model.") for name in held}
    names["language_model.lm_head.weight"] = "lm_head.weight"
    deepspeed({names[name]: kept for name, kept in held.items()}, llava / "global_step1", 3)
    (llava / "latest").write_text("global_step1", "utf-8")
    assert layout_of(llava) == "deepspeed"
    for ours, theirs in zip(tensors_of(open_llava(llava)), wanted, strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_without_the_optimizer_the_rounded_weights_are_taken(tmp_path: Path) -> None:
    held = state_dict("pretrain")
    folder = deepspeed(held, tmp_path / "a", 2)
    for file in folder.glob("*optim*"):
        file.unlink()
    weights, _ = open_deepspeed(folder)
    assert all(torch.equal(weights[name].load(), kept.bfloat16()) for name, kept in held.items())
    folder = deepspeed(held, tmp_path / "b", 3)
    for file in folder.glob("*optim*"):
        file.unlink()
    with pytest.raises(ModelError, match=r"optim_states\.pt, and those files are missing"):
        open_deepspeed(folder)


def test_frozen_and_shared_weights_come_along(tmp_path: Path) -> None:
    held = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    frozen = torch.arange(4.0).bfloat16()
    notes = {
        "frozen_param_shapes": {"b.weight": torch.Size([2, 2])},
        "frozen_param_fragments": {"b.weight": frozen.reshape(2, 2)},
        "shared_params": {"c.weight": "a.weight"},
    }
    weights, _ = open_deepspeed(deepspeed(held, tmp_path / "a", 2, **notes))
    assert weights.keys() == {"a.weight", "b.weight", "c.weight"}
    assert weights["b.weight"].load().tolist() == [[0, 1], [2, 3]]
    notes["frozen_param_fragments"] = {"b.weight": frozen}
    weights, _ = open_deepspeed(deepspeed(held, tmp_path / "b", 3, ranks=1, **notes))
    assert weights["b.weight"].load().tolist() == [[0, 1], [2, 3]]


def test_a_missing_process_and_a_mixed_folder_are_told(tmp_path: Path) -> None:
    folder = deepspeed(state_dict("pretrain"), tmp_path / "a", 2, ranks=3)
    (folder / "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()
    with pytest.raises(ModelError, match=r"3 processes wrote .* and 2 of these files are here"):
        open_deepspeed(folder)
    other = deepspeed(state_dict("llm_full"), tmp_path / "b", 2, ranks=3)
    for file in other.glob("*optim*"):
        file.rename(folder / file.name)
    with pytest.raises(ModelError, match="of two checkpoints"):
        open_deepspeed(folder)


def test_a_bomb_in_deepspeeds_files_does_not_go_off(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    for stage, pattern in ((2, "*model_states.pt"), (3, "*rank_1*optim_states.pt")):
        folder = deepspeed(state_dict("pretrain"), tmp_path / str(stage), stage)
        file = next(folder.glob(pattern))
        torch.save(torch.load(file) | {"lr_scheduler": Bomb()}, file)
        with pytest.raises(ModelError, match=r"`(posix|nt)\.mkdir`"):
            open_llava(folder)
        assert not (tmp_path / "executed").exists()


def test_a_recipe_is_read_and_never_run(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text(
        f"import os\nos.mkdir({str(tmp_path / 'executed')!r})\n"
        "llm_name_or_path = 'lmsys/vicuna-7b-v1.5'\nprompt_template = PROMPT_TEMPLATE.internlm2_chat\n"
        "model = dict(type=LLaVAModel, llm=dict(pretrained_model_name_or_path=llm_name_or_path),\n"
        "  visual_encoder={'pretrained_model_name_or_path': __import__('os').getcwd()},\n"
        "  llm_lora=dict(type=LoraConfig, r=512, lora_alpha=256), visual_select_layer=-3)\n",
        "utf-8",
    )
    recipe = open_recipe(file)
    assert recipe == RecipeFacts(
        llm="lmsys/vicuna-7b-v1.5", template="internlm2_chat", llm_alpha=256.0, select_layer=-3
    )
    assert not (tmp_path / "executed").exists()
    assert xtuner_recipe("a = a\nmodel = dict(visual_select_layer=a)") == RecipeFacts()
    file.write_text("model = (", "utf-8")
    with pytest.raises(UserError, match="line 1"):
        open_recipe(file)
    with pytest.raises(UserError, match="cannot be read"):
        open_recipe(tmp_path / "nowhere.py")


@pytest.mark.parametrize(
    "facts",
    [
        '{"values": {"data": {}}}',
        '{"values": {"data": {}, "model": {"language": 3}}}',
        '{"values": {"data": {}, "model": {}}, "start": {"sources": {"": 5}}}',
    ],
)
def test_a_checkpoint_on_the_way_with_damaged_facts_is_refused_by_name(facts: str, tmp_path: Path) -> None:
    (tmp_path / "trained.safetensors").touch()
    (tmp_path / "facts.json").write_text(facts)
    with pytest.raises(ModelError, match=r"facts\.json"):
        open_llava(tmp_path)


@given(st.text() | st.text("model=dict(l_a)[]{}.:'\n 0", max_size=60))
def test_any_text_is_a_recipe_or_a_syntax_error(text: str) -> None:
    with contextlib.suppress(SyntaxError):
        assert isinstance(xtuner_recipe(text), RecipeFacts)


def test_files_of_another_make_are_told(tmp_path: Path) -> None:
    folder = deepspeed(state_dict("pretrain"), tmp_path / "a", 2, param_shapes=[3])
    with pytest.raises(ModelError, match="does not know the format of these files of DeepSpeed"):
        open_deepspeed(folder)


def test_a_recipe_tells_what_the_file_does_not(tmp_path: Path) -> None:
    llm, file = language(tmp_path / "llm"), pth(MODE, tmp_path / "iter_1.pth", meta=False)
    with pytest.raises(ModelError, match="--recipe FILE"):
        open_llava(file, llm=llm, vision=CLIP)
    recipe = tmp_path / "recipe.py"
    recipe.write_text(config_text(MODE), "utf-8")
    found = open_llava(file, llm=llm, vision=CLIP, recipe=recipe)
    wanted = open_llava(pth(MODE, tmp_path / "told.pth"), llm=llm, vision=CLIP)
    assert found.chat_template == wanted.chat_template is not None
    for ours, theirs in zip(tensors_of(found), tensors_of(wanted), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_recipe_of_our_own_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vlmbench.cli.main import main

    assert main(["recipes", "show", "llava_v15_7b_finetune_lora", "--format", "json"]) == 0
    shown, file = capsys.readouterr().out, tmp_path / "recipe.json"
    file.write_text(shown)
    assert main(["recipes", "copy", "llava_v15_7b_finetune_lora", str(tmp_path)]) == 0
    copied = tmp_path / "llava_v15_7b_finetune_lora.yaml"
    expected = RecipeFacts(
        llm="lmsys/vicuna-7b-v1.5",
        vision="openai/clip-vit-large-patch14-336",
        template="vicuna",
        select_layer=-2,
        llm_alpha=256.0,
    )
    assert open_recipe(file) == open_recipe(copied) == expected


@pytest.mark.parametrize("text", ["stages: [a, b]", "[1, 2]", "{", "model: 3"])
def test_what_is_no_recipe_of_ours_says_how_to_get_one(text: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match="recipes show"):
        open_recipe(file)
