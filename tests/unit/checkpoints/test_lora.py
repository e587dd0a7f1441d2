"""Adapters are merged as PEFT merges them, lazily; one of another base is refused with what does not fit."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_folders import CLIP, language
from safetensors.torch import load_file, save_file
from tiny_models import edit_json

from vlmbench.checkpoints.lora import Adapter, adapter_of, merged, open_adapter
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import quiet
from vlmbench.model_files.weights import LazyTensor, in_memory, loaded, open_weights

Tensors = dict[str, torch.Tensor]


def tuned(base: Path, folder: Path, *, kind: str = "AutoModelForCausalLM", **settings: Any) -> Tensors:
    """Save an adapter as PEFT saves it, every tensor of it drawn anew, and return what PEFT merges."""
    import transformers
    from peft import LoraConfig, get_peft_model

    auto: Any = getattr(transformers, kind)
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(1)
        model: Any = get_peft_model(auto.from_pretrained(base), LoraConfig(**settings))
        for name, tensor in model.named_parameters():
            if tensor.requires_grad:
                tensor.data = torch.randn_like(tensor) * (0.1 if "lora" in name else 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save_pretrained(folder)
        return {name: kept.detach() for name, kept in model.merge_and_unload().state_dict().items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"},
        {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "o_proj"], "use_rslora": True},
        {
            "r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"],
            "rank_pattern": {"v_proj": 3}, "alpha_pattern": {"layers.1.self_attn.v_proj": 2, "down_proj": 5},
        },
        {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    ],
)  # fmt: skip
def test_merging_equals_peft(tmp_path: Path, settings: dict[str, Any]) -> None:
    base = language(tmp_path / "base")
    wanted = tuned(base, tmp_path / "adapter", **settings)
    found = loaded(merged(open_weights(base), open_adapter(tmp_path / "adapter")))
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)
    assert any(not torch.equal(found[name], kept.load()) for name, kept in open_weights(base).items())


def test_a_tower_adapter_fits_the_published_names(tmp_path: Path) -> None:
    """transformers 5 trains a tower without `vision_model.` in its names."""
    from vlmbench.checkpoints.formats.parts import in_parts
    from vlmbench.checkpoints.vision import open_vision, published

    wanted = tuned(CLIP, tmp_path / "a", kind="CLIPVisionModel", r=2, target_modules=["q_proj", "fc1"])
    adapter = open_adapter(tmp_path / "a")
    named = {f"visual_encoder.{name}": kept for name, kept in adapter.weights.items()}
    parts = in_parts(named, tmp_path)
    fitting = Adapter(weights=parts["vision"], settings=adapter.settings, where=tmp_path)
    found = loaded(merged(open_vision(CLIP).weights, fitting))
    assert all(torch.allclose(found[published(name)], kept, atol=1e-6) for name, kept in wanted.items())


def test_merging_reads_nothing_until_it_is_asked_and_keeps_the_dtype() -> None:
    reads: list[str] = []

    def kept(name: str, *shape: int, dtype: str = "float32") -> LazyTensor:
        def load() -> torch.Tensor:
            reads.append(name)
            return torch.ones(shape, dtype=getattr(torch, dtype))

        return LazyTensor(shape=shape, dtype=dtype, load=load)

    base = {name: kept(name, 3, 2, dtype="bfloat16") for name in ("x.weight", "y.weight")}
    pair = {"x.lora_A.weight": kept("A", 1, 2), "x.lora_B.weight": kept("B", 3, 1)}
    made = merged(base, adapter_of(pair, {"lora_alpha": 0.5}, Path("a")))
    assert reads == []
    assert made["x.weight"].load().dtype == torch.bfloat16
    assert made["x.weight"].load().unique().tolist() == [1.5]
    assert set(reads) == {"x.weight", "A", "B"}


def test_matrices_the_other_way_round_are_turned() -> None:
    """As GPT-2 keeps them: inputs first."""
    a, b = torch.randn(2, 4), torch.randn(6, 2)
    pair = in_memory({"x.lora_A.default.weight": a, "x.lora_B.default.weight": b})
    adapter = adapter_of(pair, {"lora_alpha": 2, "fan_in_fan_out": True}, Path("a"))
    made = merged(in_memory({"x.weight": torch.zeros(4, 6)}), adapter)
    assert torch.allclose(made["x.weight"].load(), (b @ a).T)


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    base = open_weights(language(tmp_path / "base"))
    tuned(tmp_path / "base", tmp_path / "a", r=4, target_modules=["q_proj", "k_proj"])
    file = tmp_path / "a" / "adapter_model.safetensors"
    held = load_file(file)
    save_file({name.replace("layers.1", "layers.7"): kept for name, kept in held.items()}, file)
    with pytest.raises(ModelError, match=r"another base: 2 unknown to the base .*layers\.7.*base"):
        merged(base, open_adapter(tmp_path / "a"))
    save_file({name: kept.repeat(1, 2) if "lora_A" in name else kept for name, kept in held.items()}, file)
    with pytest.raises(ModelError, match=r"4 of another shape .*\(8, 32\) on \(8, 16\)"):
        merged(base, open_adapter(tmp_path / "a"))
    save_file(
        {name: kept for name, kept in held.items() if "layers.0.self_attn.q_proj.lora_B" not in name}, file
    )
    with pytest.raises(ModelError, match="only one of lora_A and lora_B"):
        merged(base, open_adapter(tmp_path / "a"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"peft_type": "IA3"}, "this is IA3"),
        ({"lora_bias": True}, "biases of LoRA's own"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base's own weights"),
    ],
)
def test_what_is_no_plain_product_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    tuned(language(tmp_path / "base"), tmp_path / "a", r=2, target_modules=["q_proj"])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    edit_json(tmp_path / "b" / "adapter_config.json", **changes)
    with pytest.raises(ModelError, match=told):
        open_adapter(tmp_path / "b")


def test_a_dora_without_its_flag_is_found_by_its_tensors() -> None:
    tensors = in_memory({"x.lora_magnitude_vector.weight": torch.ones(3)})
    with pytest.raises(ModelError, match="not plain LoRA"):
        adapter_of(tensors, {}, Path("a"))


def test_an_alpha_that_nothing_tells_is_asked_for() -> None:
    pair = in_memory({"x.lora_A.weight": torch.ones(1, 2), "x.lora_B.weight": torch.ones(2, 1)})
    with pytest.raises(ModelError, match="--recipe"):
        merged(in_memory({"x.weight": torch.ones(2, 2)}), adapter_of(pair, {}, Path("a")))
