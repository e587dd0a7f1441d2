"""Every layout in every naming, and for each way it can be wrong the flag or file that helps."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_folders import CLIP, language, official, pth, state_dict, xtuner
from llava_parts import siglip_folder
from safetensors.torch import load_file, save_file
from tiny_models import edit_json

from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.weights import loaded

Tensors = dict[str, torch.Tensor]


def rewritten(folder: Path, change: Callable[[Tensors], Tensors], name: str = "model.safetensors") -> Path:
    held = {key: kept.clone() for key, kept in load_file(folder / name).items()}
    save_file(change(held), folder / name, metadata={"format": "pt"})
    return folder


def every(llava: Llava) -> Tensors:
    parts = {"language": llava.language, "vision": llava.vision, "projector": llava.projector}
    return {
        f"{name}/{key}": kept for name, part in parts.items() for key, kept in loaded(part.weights).items()
    }


def renaming(*pairs: tuple[str, str]) -> Callable[[Tensors], Tensors]:
    """The first prefix that fits is replaced."""

    def renamed(name: str) -> str:
        found = next((pair for pair in pairs if name.startswith(pair[0])), ("", ""))
        return found[1] + name.removeprefix(found[0])

    return lambda held: {renamed(name): kept for name, kept in held.items()}


PUBLISHED = renaming(("vision_tower.", "vision_tower.vision_model."))
NEWEST = renaming(
    ("language_model.lm_head.", "lm_head."),
    ("language_model.model.", "model.language_model."),
    ("vision_tower.", "model.vision_tower."),
    ("multi_modal", "model.multi_modal"),
)


@pytest.mark.parametrize("naming", [PUBLISHED, NEWEST])
def test_hugging_face_folders_read_alike_in_every_naming(
    llava: Path, naming: Callable[[Tensors], Tensors]
) -> None:
    first = open_llava(llava)
    wanted = every(first)
    second = open_llava(rewritten(llava, naming))
    found = every(second)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert first.chat_template == second.chat_template is not None
    assert second.image_token_id == 3
    assert layout_of(llava) == "huggingface"
    json.dumps([second.language.config, second.vision.config])


def test_files_of_torch_and_shards_read_alike(llava: Path) -> None:
    wanted = every(open_llava(llava))
    held = load_file(llava / "model.safetensors")
    (llava / "model.safetensors").unlink()
    names = sorted(held)
    torch.save({name: held[name] for name in names[:40]}, llava / "pytorch_model-00001-of-00002.bin")
    torch.save({name: held[name] for name in names[40:]}, llava / "pytorch_model-00002-of-00002.bin")
    shards = {
        name: f"pytorch_model-0000{1 + (number >= 40)}-of-00002.bin" for number, name in enumerate(names)
    }
    (llava / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": shards}), "utf-8")
    found = every(open_llava(llava))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_missing_unknown_and_misshapen_weights_are_listed(llava: Path) -> None:
    def lose(held: Tensors) -> Tensors:
        held["language_model.model.extra"] = torch.ones(1)
        held["language_model.model.norm.weight"] = torch.ones(5)
        held.pop("language_model.model.embed_tokens.weight")
        return held

    with pytest.raises(ModelError) as caught:
        open_llava(rewritten(llava, lose))
    for word in ("model.extra", "model.norm.weight", "model.embed_tokens.weight"):
        assert word in caught.value.what
    with pytest.raises(ModelError, match=r"1 unknown to a LLaVA \(stranger\)"):
        open_llava(rewritten(llava, lambda held: held | {"stranger": torch.ones(1)}))


def test_buffers_of_old_files_are_harmless(llava: Path) -> None:
    old = {
        "vision_tower.vision_model.embeddings.position_ids": torch.arange(17),
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
    }
    wanted = every(open_llava(llava))
    assert every(open_llava(rewritten(llava, lambda held: held | old))).keys() == wanted.keys()


@pytest.fixture
def whole(tmp_path: Path) -> Llava:
    """A trained model, read."""
    return open_llava(pth("llm_full", tmp_path / "a.pth"), llm=language(tmp_path / "base"), vision=CLIP)


def test_an_official_tower_is_inside_or_named_or_given(whole: Llava, tmp_path: Path) -> None:
    wanted = every(whole)
    named = official(whole, tmp_path / "named", tower=False)
    nowhere = official(whole, tmp_path / "nowhere", tower=False, named=Path("someone/clip-large"))
    inside = official(whole, tmp_path / "inside", tower=True, named=Path("someone/clip-large"))
    own = rewritten(inside, lambda held: {n: k + 1 if "vision_tower" in n else k for n, k in held.items()})
    for folder, vision in ((named, None), (nowhere, CLIP)):
        found = every(open_llava(folder, vision=vision))
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    found = every(open_llava(own, vision=CLIP))
    assert all(torch.equal(found[n], k + 1) for n, k in wanted.items() if n.startswith("vision/"))
    for folder in (nowhere, inside):
        with pytest.raises(
            ModelError, match=r"`someone/clip-large`, which is not on this machine.*--vision DIR"
        ):
            open_llava(folder)
    shutil.copytree(CLIP, tmp_path / "nowhere" / "tower")
    edit_json(nowhere / "config.json", mm_vision_tower="tower")
    assert open_llava(nowhere).vision.config["hidden_size"] == 8


def test_official_settings_are_understood_or_refused(whole: Llava, tmp_path: Path) -> None:
    folder = official(whole, tmp_path / "a", tower=False)
    config = folder / "config.json"
    edit_json(config, model_type="llava", mm_vision_select_layer=-1, mm_vision_select_feature="cls_patch")
    edit_json(config, image_aspect_ratio="square")
    found = open_llava(folder)
    assert (found.select_layer, found.select_strategy, found.square) == (-1, "full", False)
    assert found.language.config["architectures"] == ["LlamaForCausalLM"]
    assert not [key for key in found.language.config if key.startswith(("mm_", "tune_mm", "image_"))]
    for changes, told in (
        ({"mm_use_im_start_end": True}, "before 1.5"),
        ({"mm_patch_merge_type": "spatial_unpad"}, "LLaVA-NeXT"),
        ({"mm_projector_type": "mlp2x_gelu_resampler"}, "linear and mlpNx_gelu projectors"),
    ):
        other = shutil.copytree(folder, tmp_path / told)
        edit_json(other / "config.json", **changes)
        with pytest.raises(ModelError, match=told):
            open_llava(other)


def test_a_single_linear_projector_is_read(whole: Llava, tmp_path: Path) -> None:
    def single(held: Tensors) -> Tensors:
        kept = {name: tensor for name, tensor in held.items() if "mm_projector.2" not in name}
        return {name.replace("mm_projector.0.", "mm_projector."): tensor for name, tensor in kept.items()}

    folder = rewritten(official(whole, tmp_path / "a", tower=False), single)
    edit_json(folder / "config.json", mm_projector_type="linear")
    assert open_llava(folder).projector.weights.keys() == {"0.weight", "0.bias"}


def test_missing_parts_name_the_flag_that_helps(tmp_path: Path) -> None:
    llm, folder = language(tmp_path / "llm"), xtuner("llm_lora", tmp_path / "a")
    with pytest.raises(ModelError, match=r"The language model is not part.*--llm DIR"):
        open_llava(folder, vision=CLIP)
    with pytest.raises(ModelError, match=r"The vision tower is not part.*--vision DIR"):
        open_llava(folder, llm=llm)
    with pytest.raises(ModelError, match=r"The language model is not part.*--llm DIR"):
        open_llava(pth("pretrain", tmp_path / "a.pth"), vision=CLIP)
    shutil.rmtree(folder / "projector")
    with pytest.raises(ModelError, match="projector is missing"):
        open_llava(folder, llm=llm, vision=CLIP)
    held = {name: kept for name, kept in state_dict("llm_full").items() if "projector" not in name}
    torch.save({"state_dict": held}, tmp_path / "b.pth")
    with pytest.raises(ModelError, match="projector is missing"):
        open_llava(tmp_path / "b.pth", llm=llm, vision=CLIP)


def test_a_base_is_found_where_the_adapter_says(tmp_path: Path) -> None:
    folder = xtuner("llm_lora_vit_lora", tmp_path / "a")
    edit_json(
        folder / "llm_adapter" / "adapter_config.json",
        base_model_name_or_path=str(language(tmp_path / "llm")),
    )
    edit_json(folder / "visual_encoder_adapter" / "adapter_config.json", base_model_name_or_path=str(CLIP))
    assert open_llava(folder).select_layer == -2


def test_parts_that_the_checkpoint_has_itself_are_refused(tmp_path: Path, llava: Path) -> None:
    llm = language(tmp_path / "llm")
    full = xtuner("llm_full", tmp_path / "full")
    assert open_llava(full, llm=full, vision=CLIP)
    for path, given in (
        (full, {"llm": llm, "vision": CLIP}),
        (llava, {"llm": llm}),
        (llava, {"vision": CLIP}),
    ):
        with pytest.raises(UserError, match="of its own"):
            open_llava(path, **given)


def test_a_tower_of_its_own_is_read_whole(tmp_path: Path) -> None:
    folder = xtuner("llm_full", tmp_path / "full")
    shutil.copytree(CLIP, folder / "visual_encoder")
    rewritten(folder / "visual_encoder", lambda held: {name: kept * 2 for name, kept in held.items()})
    found = open_llava(folder).vision.weights["vision_model.post_layernorm.weight"].load()
    assert torch.equal(found, load_file(CLIP / "model.safetensors")["vision_model.post_layernorm.weight"] * 2)


def test_parts_of_the_wrong_size_are_refused(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    wide = language(tmp_path / "wide")
    config = LlamaConfig.from_pretrained(wide)
    config.hidden_size, config.head_dim = 32, 8
    LlamaForCausalLM(config).save_pretrained(wide)
    file = pth("pretrain", tmp_path / "a.pth")
    with pytest.raises(
        ModelError, match=r"vectors of 16 numbers, and the language model takes 32.*--llm DIR"
    ):
        open_llava(file, llm=wide, vision=CLIP)
    with pytest.raises(
        ModelError, match=r"takes vectors of 8 numbers, and the vision tower makes 16.*--vision DIR"
    ):
        open_llava(file, llm=language(tmp_path / "llm"), vision=siglip_folder(tmp_path / "siglip"))
    with pytest.raises(ModelError, match=r"the adapter is of another base: .* of another shape"):
        open_llava(xtuner("llm_lora", tmp_path / "x"), llm=wide, vision=CLIP)


def test_a_tokenizer_of_another_size_than_the_table_is_refused(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    for rows, told in (
        (300, "tokens .* for which the embedding table, of 300 rows"),
        (2000, "360 tokens .* 2000 rows"),
    ):
        llm = language(tmp_path / str(rows))
        config = LlamaConfig.from_pretrained(llm)
        config.vocab_size = rows
        LlamaForCausalLM(config).save_pretrained(llm)
        with pytest.raises(ModelError, match=told):
            open_llava(pth("pretrain", tmp_path / "a.pth"), llm=llm, vision=CLIP)
    assert open_llava(tmp_path / "a.pth", llm=language(tmp_path / "b", "llm_roomy"), vision=CLIP)


def test_another_architecture_is_told(tmp_path: Path, tiny_model: Callable[[str], Path], llava: Path) -> None:
    with pytest.raises(ModelError, match=r"`idefics3` is not a LLaVA"):
        open_llava(tiny_model("idefics3"))
    with pytest.raises(ModelError, match="a language model, which takes no pictures"):
        open_llava(language(tmp_path / "llm"))
    with pytest.raises(ModelError, match="vision tower, which writes no text"):
        open_llava(CLIP)
    with pytest.raises(ModelError, match="no such file"):
        open_llava(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="not a checkpoint in a layout that vlmbench knows"):
        open_llava(tmp_path / "empty")
    torch.save({"layer.weight": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(
        ModelError, match=r"not a checkpoint of a LLaVA: 1 unknown to a LLaVA \(layer.weight\)"
    ):
        open_llava(tmp_path / "other.pth")
    file = pth("pretrain", tmp_path / "a.pth")
    with pytest.raises(ModelError, match="takes pictures; a language model without them is needed"):
        open_llava(file, llm=llava, vision=CLIP)
    with pytest.raises(ModelError, match="`llama` is not a vision tower"):
        open_llava(file, llm=tmp_path / "llm", vision=tmp_path / "llm")


def test_a_damaged_part_of_any_layout_is_told(whole: Llava, tmp_path: Path, llava: Path) -> None:
    for folder, name in (
        (llava, "model.safetensors"),
        (official(whole, tmp_path / "official", tower=True), "model.safetensors"),
        (xtuner("llm_full", tmp_path / "x"), "projector/model.safetensors"),
    ):
        os.truncate(folder / name, (folder / name).stat().st_size - 10)
        with pytest.raises(ModelError, match="cut off"):
            open_llava(folder, vision=CLIP if "x" in folder.name else None)


def test_a_bomb_in_any_layout_does_not_go_off(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"state_dict": {}, "meta": Bomb()}, tmp_path / "a.pth")
    folder = xtuner("llm_full", tmp_path / "x")
    (folder / "projector" / "model.safetensors").unlink()
    torch.save({"model.0.weight": Bomb()}, folder / "projector" / "pytorch_model.bin")
    for path in (tmp_path / "a.pth", folder):
        with pytest.raises(ModelError, match="Nothing of it was run"):
            open_llava(path, vision=CLIP)
    assert not (tmp_path / "executed").exists()


def test_a_quantised_base_asks_for_the_one_it_was_made_from(tmp_path: Path) -> None:
    llm = language(tmp_path / "llm")
    edit_json(llm / "config.json", quantization_config={"load_in_4bit": True})
    with pytest.raises(ModelError, match=r"quantised.*made from"):
        open_llava(xtuner("llm_lora", tmp_path / "a"), llm=llm, vision=CLIP)
