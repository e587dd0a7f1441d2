"""PEFT adapters over a whole LLaVA, LLaVA's own LoRA folders, and adapters of fused projections."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_folders import CLIP, GOLDEN, below, language, state_dict, xtuner
from native_models import save_original
from safetensors.torch import load_file, save_file
from tiny_models import edit_json

from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.formats.parts import Supplied, placed
from vlmbench.checkpoints.read import open_llava, read_checkpoint
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import quiet
from vlmbench.model_files.weights import loaded


def tuned(base: Path, folder: Path, **settings: Any) -> dict[str, torch.Tensor]:
    """An adapter of a whole LLaVA as PEFT saves it, drawn at random, and what PEFT merges."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlavaForConditionalGeneration

    with quiet(), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        model: Any = get_peft_model(
            LlavaForConditionalGeneration.from_pretrained(base), LoraConfig(r=3, lora_alpha=6, **settings)
        )
        for name, tensor in model.named_parameters():
            if tensor.requires_grad:
                tensor.data = torch.randn_like(tensor) * (0.1 if "lora" in name else 1)
        model.save_pretrained(folder)
        return {name: kept.detach() for name, kept in model.merge_and_unload().state_dict().items()}


def test_an_adapter_of_a_whole_llava_is_merged_as_peft_merges_it(llava: Path, tmp_path: Path) -> None:
    wanted = tuned(
        llava,
        tmp_path / "a",
        target_modules=["q_proj", "fc1", "lm_head"],
        modules_to_save=["multi_modal_projector"],
    )
    assert layout_of(tmp_path / "a") == "adapter"
    for given in ({}, {"llm": llava}):
        read = read_checkpoint(tmp_path / "a", Supplied(**given), wording=True)
        parts = {
            "language": read.llava.language,
            "vision": read.llava.vision,
            "projector": read.llava.projector,
        }
        found = {name: loaded(part.weights) for name, part in parts.items()}
        assert sum(map(len, found.values())) == len(wanted)
        for name, kept in wanted.items():
            part, own = placed(name) or pytest.fail(name)
            assert torch.allclose(found[part][own], kept, atol=1e-5), name
        assert read.llava.chat_template == open_llava(llava).chat_template
        assert read.sources == {"": tmp_path / "a", "base": llava}


def test_an_adapter_of_another_llava_is_refused(llava: Path, tmp_path: Path) -> None:
    tuned(llava, tmp_path / "a", target_modules=["q_proj"])
    file = tmp_path / "a" / "adapter_model.safetensors"
    held = load_file(file)
    save_file(
        {name.replace("model.language_model", "transformer"): kept for name, kept in held.items()}, file
    )
    with pytest.raises(ModelError, match=r"another base: .* unknown to a LLaVA"):
        open_llava(tmp_path / "a")
    save_file({name: kept.repeat(2, 1) if "lora_B" in name else kept for name, kept in held.items()}, file)
    with pytest.raises(ModelError, match=r"another base: .* of another shape"):
        open_llava(tmp_path / "a")
    edit_json(tmp_path / "a" / "adapter_config.json", base_model_name_or_path="someone/llava")
    with pytest.raises(ModelError, match=r"`someone/llava`, which is not on this machine.*--llm DIR"):
        open_llava(tmp_path / "a")


def test_an_adapter_of_a_language_model_alone_says_what_is_missing(tmp_path: Path) -> None:
    folder = xtuner("llm_lora", tmp_path / "a") / "llm_adapter"
    with pytest.raises(
        ModelError, match=r"the projector is missing.*`llm_adapter` beside the folder `projector`"
    ):
        open_llava(folder, llm=language(tmp_path / "llm"), vision=CLIP)


def test_an_adapter_and_a_projector_in_one_folder_are_read(tmp_path: Path) -> None:
    """As training here saves a LoRA: the adapter in the folder itself, the projector below it."""
    llm, folder = language(tmp_path / "llm"), xtuner("llm_lora", tmp_path / "a")
    wanted = loaded(open_llava(folder, llm=llm, vision=CLIP).language.weights)
    for file in (folder / "llm_adapter").iterdir():
        shutil.move(file, folder)
    (folder / "llm_adapter").rmdir()
    found = loaded(open_llava(folder, llm=llm, vision=CLIP).language.weights)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def official_lora(folder: Path) -> Path:
    """As the LLaVA code saves a LoRA: the projector goes into a file of its own."""
    folder.mkdir()
    held = state_dict("llm_lora")
    pairs = {name.replace(".default", ""): kept for name, kept in below(held, "llm.").items()}
    save_file(pairs, folder / "adapter_model.safetensors")
    settings = GOLDEN["llm_lora"]["formats"]["xtuner"]["json"]["llm_adapter/adapter_config.json"]
    (folder / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    config = GOLDEN["pretrain"]["formats"]["official"]["json"]["config.json"] | {"mm_vision_tower": str(CLIP)}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    between = below(held, "projector.model.").items()
    torch.save(
        {f"base_model.model.model.mm_projector.{name}": kept for name, kept in between},
        folder / "non_lora_trainables.bin",
    )
    return folder


def test_a_lora_folder_of_the_original_code_is_read(tmp_path: Path) -> None:
    llm = language(tmp_path / "llm")
    found = open_llava(official_lora(tmp_path / "a"), llm=llm)
    wanted = open_llava(xtuner("llm_lora", tmp_path / "b"), llm=llm, vision=CLIP)
    ours, theirs = loaded(found.language.weights), loaded(wanted.language.weights)
    # xtuner halves its adapters.
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-2) for name in theirs)
    assert torch.equal(
        found.projector.weights["0.weight"].load(), wanted.projector.weights["0.weight"].load()
    )


INTERNLM2: dict[str, Any] = {"hidden": 16, "vocabulary": 896}


@pytest.mark.parametrize("full", [True, False])
def test_training_on_internlms_own_names_is_read(tmp_path: Path, full: bool) -> None:
    """A checkpoint of fused projections equals the same change made to the base before it is mapped."""
    from vlmbench.checkpoints.language import open_language

    base = save_original(tmp_path / "base", "internlm2", **INTERNLM2)
    tensors = load_file(base / "model.safetensors")
    draw = torch.Generator().manual_seed(3)
    chosen = ("attention.wqkv.weight", "feed_forward.w1.weight", "output.weight")
    changed, state = dict(tensors), {}
    for name, kept in tensors.items():
        if name.endswith(chosen):
            a, b = (torch.randn(*size, generator=draw) for size in ((2, kept.shape[1]), (kept.shape[0], 2)))
            changed[name] = kept + (b @ a) * 4
            module = f"llm.base_model.model.{name.removesuffix('.weight')}"
            state |= {f"{module}.lora_A.default.weight": a, f"{module}.lora_B.default.weight": b}
    if full:
        state = {f"llm.{name}": kept for name, kept in changed.items()}
    projector = below(state_dict("pretrain"), "projector.")
    state |= {f"projector.{name}": kept for name, kept in projector.items()}
    config = {"cfg": "model = dict(llm_lora=dict(lora_alpha=8))"}
    torch.save({"state_dict": state, "meta": config}, tmp_path / "iter_1.pth")
    save_file(changed, shutil.copytree(base, tmp_path / "changed") / "model.safetensors")
    found = loaded(open_llava(tmp_path / "iter_1.pth", llm=base, vision=CLIP).language.weights)
    wanted = loaded(open_language(tmp_path / "changed").weights)
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-4) for name in wanted)
