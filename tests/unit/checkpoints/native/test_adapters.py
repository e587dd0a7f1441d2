"""LoRA trained on fused projections: split and merged is the same as merged and split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from native_models import as_model, original, save_original

from vlmbench.checkpoints.native.fused import is_fused, split_fused_lora, split_fused_settings
from vlmbench.checkpoints.native.llama import as_llama
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights, in_memory, loaded

RANK, SCALE = 4, 2.0
TARGETS = {
    "internlm2": ("attention.wqkv", "attention.wo", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3"),
    "phi3": ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"),
}
HEADS = {"internlm2": "output", "phi3": "lm_head"}
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def adapter(family: str, tensors: Tensors, prefix: str = "base_model.model.", infix: str = "") -> Tensors:
    """A LoRA on every projection, as PEFT names it."""
    draw = torch.Generator().manual_seed(7)
    modules = [f"model.layers.{layer}.{name}" for layer in range(2) for name in TARGETS[family]]
    made = {}
    for module in (*modules, HEADS[family]):
        rows, columns = tensors[f"{module}.weight"].shape
        made[f"{prefix}{module}.lora_A{infix}.weight"] = torch.randn(RANK, columns, generator=draw) * 0.2
        made[f"{prefix}{module}.lora_B{infix}.weight"] = torch.randn(rows, RANK, generator=draw) * 0.2
    return made


def added(weights: Tensors, lora: Tensors, prefix: str = "base_model.model.") -> Tensors:
    merged = dict(weights)
    for name, down in lora.items():
        if name.endswith(".lora_A.weight"):
            module = name.removesuffix(".lora_A.weight")
            key = f"{module.removeprefix(prefix)}.weight"
            merged[key] = merged[key] + SCALE * lora[f"{module}.lora_B.weight"] @ down
    return merged


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("family", ["internlm2", "phi3"])
def test_merging_and_mapping_may_change_places(family: Any, kv_heads: int) -> None:
    config, tensors = original(family, kv_heads=kv_heads)
    lora = adapter(family, tensors)
    mapped, base = as_llama(family, config, in_memory(tensors))
    split = split_fused_lora(in_memory(lora), mapped)
    _, fused_first = as_llama(family, config, in_memory(added(tensors, lora)))
    ours = added(loaded(base), loaded(split))
    expected = loaded(fused_first)
    assert ours.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "llm.base_model.model."])
def test_prefixes_and_the_name_of_the_adapter_stay(prefix: str) -> None:
    config, tensors = original("internlm2")
    mapped, _ = as_llama("internlm2", config, in_memory(tensors))
    lora = in_memory(adapter("internlm2", tensors, prefix, ".default"))
    assert is_fused(lora)
    split = split_fused_lora(lora, mapped)
    assert not is_fused(split)
    names = set(split)
    for part in ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj"):
        assert f"{prefix}model.layers.1.{part}.lora_A.default.weight" in names
    assert f"{prefix}lm_head.lora_B.default.weight" in names
    shared = [split[f"{prefix}model.layers.0.self_attn.{x}_proj.lora_A.default.weight"].load() for x in "qkv"]
    assert shared[0] is shared[1] is shared[2]


def test_other_tensors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped, _ = as_llama("internlm2", *_parts("internlm2"))
    names = (
        "projector.linear_1.weight",
        "visual_encoder.base_model.model.vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight",
    )
    weights = in_memory(dict.fromkeys(names, torch.zeros(2, 2)))
    assert not is_fused(weights)
    assert set(split_fused_lora(weights, mapped)) == set(names)


def _parts(family: str) -> tuple[dict[str, Any], Weights]:
    config, tensors = original(family)
    return config, in_memory(tensors)


def test_whole_modules_saved_beside_the_lora_are_renamed() -> None:
    mapped, _ = as_llama("internlm2", *_parts("internlm2"))
    table = torch.ones(3, 2)
    names = ("base_model.model.output.weight", "base_model.model.model.tok_embeddings.lora_embedding_A")
    split = split_fused_lora(in_memory(dict.fromkeys(names, table)), mapped)
    assert set(split) == {
        "base_model.model.lm_head.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
    }


def test_settings_of_a_llama_adapter_stay() -> None:
    weights = in_memory({"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(1, 1)})
    settings = {"target_modules": ["q_proj"], "alpha_pattern": {"q_proj": 4}}
    assert split_fused_settings(settings, weights) == settings


def test_an_adapter_of_another_size_is_refused() -> None:
    _, tensors = original("internlm2", kv_heads=4)
    mapped, _ = as_llama("internlm2", *_parts("internlm2"))
    with pytest.raises(ModelError, match=r"wqkv\.lora_B"):
        split_fused_lora(in_memory(adapter("internlm2", tensors)), mapped)


@pytest.mark.parametrize("targets", [["wqkv", "output"], r".*(attention\.wqkv|output)"])
def test_settings_speak_of_the_new_modules(targets: Any) -> None:
    lora = dict.fromkeys(
        (
            "base_model.model.model.layers.1.attention.wqkv.lora_A.weight",
            "base_model.model.model.layers.1.attention.wqkv.lora_B.weight",
            "base_model.model.output.lora_A.weight",
        ),
        torch.zeros(1, 1),
    )
    settings = {
        "r": 8,
        "lora_alpha": 16,
        "target_modules": targets,
        "modules_to_save": ["tok_embeddings"],
        "alpha_pattern": {"output": 4, r"layers\.1\.attention\.wqkv": 32},
    }
    mapped = split_fused_settings(settings, in_memory(lora))
    attention = [f"model.layers.1.self_attn.{part}_proj" for part in "qkv"]
    assert mapped["target_modules"] == sorted([*attention, "lm_head"])
    assert mapped["modules_to_save"] == ["embed_tokens"]
    assert mapped["alpha_pattern"] == {**dict.fromkeys(attention, 32), "lm_head": 4}
    assert (mapped["r"], mapped["lora_alpha"]) == (8, 16)


@pytest.mark.parametrize("family", ["internlm2", "phi3"])
def test_peft_computes_with_the_split_adapter(family: Any, tmp_path: Path) -> None:
    """The product loads it without a word, and answers as the merged original."""
    peft = pytest.importorskip("peft")
    from safetensors.torch import save_file

    config, tensors = original(family)
    lora = in_memory(adapter(family, tensors))
    mapped, base = as_llama(family, config, in_memory(tensors))
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK * SCALE,
        "target_modules": [name.rpartition(".")[2] for name in (*TARGETS[family], HEADS[family])],
    }
    settings = split_fused_settings(told, lora)
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    split = {name: tensor.clone() for name, tensor in loaded(split_fused_lora(lora, mapped)).items()}
    save_file(split, tmp_path / "adapter_model.safetensors")
    adapted = peft.PeftModel.from_pretrained(as_model(mapped, loaded(base)), tmp_path).eval()
    made, merged = as_llama(family, config, in_memory(added(tensors, loaded(lora))))
    ids = torch.arange(3, 19)[None]
    with torch.no_grad():
        ours, expected = adapted(ids).logits, as_model(made, loaded(merged))(ids).logits
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-4)
    assert (expected - as_model(mapped, loaded(base))(ids).logits).abs().max() > 0.1


def test_the_reader_of_adapters_splits_and_merges_them(tmp_path: Path) -> None:
    from vlmbench.checkpoints.language import open_language
    from vlmbench.checkpoints.lora import adapter_of, merged, with_split_projections

    language = open_language(save_original(tmp_path / "base", "internlm2"))
    config, tensors = original("internlm2")
    lora = adapter("internlm2", tensors)
    told = {
        "r": RANK,
        "lora_alpha": RANK * SCALE,
        "target_modules": ["wqkv", "wo", "w1", "w2", "w3", "output"],
    }
    read = with_split_projections(adapter_of(in_memory(lora), told, tmp_path), language.config)
    ours = loaded(merged(language.weights, read))
    _, expected = as_llama("internlm2", config, in_memory(added(tensors, lora)))
    for name, tensor in loaded(expected).items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-5, msg=name)
