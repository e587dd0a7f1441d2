"""GGUF files are read back with the package's own reader and compared tensor by tensor, key by key."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, dequantize
from gguf_models import language_model, projector, sentencepiece_like, tiny_llava, tower
from tiny_models import make_tokenizer

from vlmbench.checkpoints.gguf.folder import write_gguf
from vlmbench.checkpoints.llava import Llava
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor, Weights, loaded, renamed

torch.set_num_threads(1)
ROPE = {"rope_theta": 50000.0, "factor": 8.0}
LLAMA3 = ROPE | {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


class File:
    """A GGUF file's keys as Python values, and its tensors as float32."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self.keys = {name: field.contents() for name, field in reader.fields.items()}
        self.types = {tensor.name: tensor.tensor_type for tensor in reader.tensors}
        self.tensors = {
            tensor.name: dequantize(np.asarray(tensor.data), tensor.tensor_type) for tensor in reader.tensors
        }


def both(llava: Llava, folder: Path, kind: Any = "f16") -> tuple[File, File]:
    """The language model's file and the mmproj file."""
    write_gguf(llava, folder, kind=kind, name="tiny")
    return File(folder / f"tiny-{kind}.gguf"), File(folder / "tiny-mmproj-f16.gguf")


def turned_back(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows as transformers has them, out of the order in which llama.cpp turns them."""
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return np.concatenate([pairs[:, :, 0], pairs[:, :, 1]], axis=1).reshape(rows.shape)


def as_transformers(file: File, heads: int = 4, kv_heads: int = 2) -> dict[str, np.ndarray]:
    """The language model's tensors under transformers' names; written apart from the writer's own table."""
    parts = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    found = {}
    for name, array in file.tensors.items():
        *path, end = name.split(".")
        if path[0] == "blk":
            turned = {"attn_q": heads, "attn_k": kv_heads}.get(path[2])
            if turned and file.keys["general.architecture"] == "llama":
                array = turned_back(array, turned)
            found[f"model.layers.{path[1]}.{parts[path[2]]}.{end}"] = array
        elif path[0] in outer:
            found[f"{outer[path[0]]}.{end}"] = array
    return found


def halved(weights: Weights) -> dict[str, np.ndarray]:
    """What float16 leaves of the weights of more than one dimension."""
    return {
        name: (tensor.half().float() if tensor.dim() > 1 else tensor.float()).numpy()
        for name, tensor in loaded(weights).items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attention_bias": True, "mlp_bias": True},
        {"tie_word_embeddings": True},
        {"head_dim": 32},
        {"model_type": "qwen2"},
        {"rope_parameters": LLAMA3},
    ],
    ids=lambda changes: next(iter(changes), "plain"),
)
def test_the_language_model_comes_back_exactly_as_float16(changes: dict[str, Any], tmp_path: Path) -> None:
    llava = tiny_llava(**changes)
    file, _ = both(llava, tmp_path)
    expected = halved(llava.language.weights)
    found = as_transformers(file)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert ("output.weight" in file.tensors) is not changes.get("tie_word_embeddings", False)
    one_dimension = {name for name, array in file.tensors.items() if array.ndim == 1}
    assert {name for name, kept in file.types.items() if kept == GGMLQuantizationType.F32} == one_dimension


def test_q8_0_stays_within_half_a_step_of_each_block(tmp_path: Path) -> None:
    llava = tiny_llava()
    file, _ = both(llava, tmp_path, "q8_0")
    assert file.types["token_embd.weight"] == GGMLQuantizationType.Q8_0
    assert file.keys["general.file_type"] == 7
    found = as_transformers(file)
    for name, tensor in loaded(llava.language.weights).items():
        if tensor.dim() == 1:
            assert np.array_equal(found[name], tensor.numpy())
            continue
        # A block of 32 shares a scale, its largest number / 127, which is itself kept in float16.
        blocks = tensor.float().numpy().reshape(-1, 32)
        largest = np.abs(blocks).max(axis=1, keepdims=True)
        bound = largest / 127 / 2 + largest * 2.0**-11 + 1e-6
        assert (np.abs(found[name].reshape(-1, 32) - blocks) <= bound).all(), name


def test_rows_that_are_no_multiple_of_32_stay_float16(tmp_path: Path) -> None:
    file, _ = both(tiny_llava(intermediate_size=40), tmp_path, "q8_0")
    assert file.types["blk.0.ffn_down.weight"] == GGMLQuantizationType.F16
    assert file.types["blk.0.ffn_up.weight"] == GGMLQuantizationType.Q8_0


def test_the_language_models_keys(tmp_path: Path) -> None:
    keys = both(tiny_llava(), tmp_path)[0].keys
    expected = {
        "general.architecture": "llama", "general.type": "model", "general.name": "tiny",
        "general.file_type": 1, "general.quantization_version": 2,
        "llama.context_length": 512, "llama.embedding_length": 64, "llama.block_count": 2,
        "llama.feed_forward_length": 96, "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 16, "llama.attention.value_length": 16,
        "llama.rope.dimension_count": 16, "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0,
    }  # fmt: skip
    assert {name: keys[name] for name in expected} == expected
    assert keys["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert keys["llama.vocab_size"] == len(keys["tokenizer.ggml.tokens"])
    assert keys["tokenizer.chat_template"] == tiny_llava().chat_template
    assert "llama.rope.scaling.type" not in keys


def test_rope_scaling_is_said_in_keys_or_in_a_tensor(tmp_path: Path) -> None:
    linear, _ = both(tiny_llava(rope_parameters=ROPE | {"rope_type": "linear"}), tmp_path / "linear")
    assert linear.keys["llama.rope.scaling.type"] == "linear"
    assert linear.keys["llama.rope.scaling.factor"] == 8.0
    llava = tiny_llava(rope_parameters=LLAMA3)
    llama3, _ = both(llava, tmp_path / "llama3")
    model, _ = language_model(llava.language.tokenizer, rope_parameters=LLAMA3)
    plain = 50000.0 ** -(np.arange(0, 16, 2) / 16)
    turned = plain / llama3.tensors["rope_freqs.weight"]
    assert np.allclose(turned, model.model.rotary_emb.inv_freq.numpy(), rtol=1e-5)
    assert "llama.rope.scaling.type" not in llama3.keys


def test_rope_settings_of_an_older_file(tmp_path: Path) -> None:
    llava = tiny_llava()
    config = {k: v for k, v in llava.language.config.items() if k != "rope_parameters"}
    config |= {"rope_theta": 1e6, "rope_scaling": {"type": "linear", "factor": 2.0}}
    file, _ = both(replace(llava, language=replace(llava.language, config=config)), tmp_path)
    assert (file.keys["llama.rope.freq_base"], file.keys["llama.rope.scaling.factor"]) == (1e6, 2.0)


@pytest.mark.parametrize(("family", "strategy"), [("clip", "default"), ("siglip", "full")])
@pytest.mark.parametrize(("layer", "blocks"), [(-2, 2), (-1, 3), (1, 1)])
def test_the_tower_comes_back_as_far_as_it_is_looked_at(
    family: str, strategy: str, layer: int, blocks: int, tmp_path: Path
) -> None:
    llava = replace(tiny_llava(), vision=tower(family)[1], select_layer=layer, select_strategy=strategy)
    _, file = both(llava, tmp_path)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.out_proj": "attn_out", "layer_norm1": "ln1", "layer_norm2": "ln2",
        "mlp.fc1": "ffn_down", "mlp.fc2": "ffn_up", "vision_model.encoder.layers": "v.blk",
        "vision_model.embeddings.position_embedding": "v.position_embd",
        "vision_model.embeddings.patch_embedding": "v.patch_embd",
        "vision_model.embeddings.class_embedding": "v.class_embd", "vision_model.pre_layrnorm": "v.pre_ln",
    }  # fmt: skip

    def named(name: str) -> str | None:
        if (
            "post_layernorm" in name
            or ".head." in name
            or any(f"layers.{n}." in name for n in range(blocks, 3))
        ):
            return None
        for old, new in names.items():
            name = name.replace(old, new)
        return name

    expected = halved(renamed(llava.vision.weights, named))
    expected |= {f"mm.{name}": array for name, array in halved(llava.projector.weights).items()}
    assert file.tensors.keys() == expected.keys()
    assert all(np.array_equal(file.tensors[name], expected[name]) for name in expected)
    assert file.types["v.patch_embd.weight"] == GGMLQuantizationType.F16
    assert file.keys["clip.vision.block_count"] == blocks
    assert file.keys["clip.vision.feature_layer"] == [blocks]


def test_the_mmproj_files_keys(tmp_path: Path) -> None:
    _, file = both(tiny_llava(), tmp_path)
    expected = {
        "general.architecture": "clip", "general.name": "tiny", "general.file_type": 1,
        "clip.has_text_encoder": False, "clip.has_vision_encoder": True, "clip.has_llava_projector": True,
        "clip.projector_type": "mlp", "clip.use_gelu": False, "clip.vision.image_size": 32,
        "clip.vision.patch_size": 8, "clip.vision.embedding_length": 32,
        "clip.vision.feed_forward_length": 64,
        "clip.vision.projection_dim": 16, "clip.vision.attention.head_count": 4,
        "clip.vision.image_aspect_ratio": "pad",
    }  # fmt: skip
    assert {name: file.keys[name] for name in expected} == expected
    assert file.keys["clip.vision.attention.layer_norm_epsilon"] == pytest.approx(1e-5)
    assert file.keys["clip.vision.image_mean"] == pytest.approx([0.48, 0.46, 0.41])
    assert file.keys["clip.vision.image_std"] == pytest.approx([0.27, 0.26, 0.28])
    siglip = replace(tiny_llava(), vision=tower("siglip")[1], select_strategy="full", square=False)
    keys = both(siglip, tmp_path / "siglip")[1].keys
    assert keys["clip.use_gelu"] is True
    assert "clip.vision.image_aspect_ratio" not in keys


def test_transformers_reads_the_file_back_to_the_same_answer(tmp_path: Path) -> None:
    # Of a Llama's biases and rope_freqs that reader knows nothing.
    from transformers import AutoModelForCausalLM

    tokenizer = sentencepiece_like()
    model, language = language_model(tokenizer)
    both(replace(tiny_llava(tokenizer), language=language), tmp_path)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data = weight.data.half().float()
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny-f16.gguf", dtype=torch.float32)
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        assert torch.equal(read(ids).logits, model(ids).logits)


def test_one_tensor_is_in_memory_at_a_time(tmp_path: Path) -> None:
    llava = tiny_llava()
    alive: set[int] = set()
    most = 0

    def watched(kept: LazyTensor) -> LazyTensor:
        def load() -> torch.Tensor:
            nonlocal most
            tensor = kept.load().clone()
            alive.add(id(tensor))
            weakref.finalize(tensor, alive.discard, id(tensor))
            most = max(most, len(alive))
            return tensor

        return replace(kept, load=load)

    weights = {name: watched(kept) for name, kept in llava.language.weights.items()}
    write_gguf(replace(llava, language=replace(llava.language, weights=weights)), tmp_path)
    assert most == 1


def changed(llava: Llava, part: str, **config: Any) -> Llava:
    """The model with other values in the configuration of a part."""
    noun = getattr(llava, part)
    return replace(llava, **{part: replace(noun, config={**noun.config, **config})})


def without(weights: Weights, name: str) -> Weights:
    return {key: kept for key, kept in weights.items() if key != name}


def refused(llava: Llava, folder: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        write_gguf(llava, folder / "out")
    assert not (folder / "out").exists()


def test_what_llama_cpp_cannot_compute_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    llava = tiny_llava()
    refused(changed(llava, "language", model_type="gemma2"), tmp_path, r"gemma2.*InternLM2")
    refused(changed(llava, "language", hidden_act="gelu"), tmp_path, "gelu")
    refused(changed(llava, "language", sliding_window=64), tmp_path, "sliding window")
    refused(changed(llava, "language", partial_rotary_factor=0.5), tmp_path, "part of it")
    refused(changed(llava, "language", rope_parameters={"rope_type": "yarn"}), tmp_path, "yarn")
    refused(changed(llava, "vision", model_type="dinov2"), tmp_path, "dinov2")
    refused(changed(llava, "vision", hidden_act="relu"), tmp_path, "relu")
    refused(replace(llava, select_layer=-9), tmp_path, "select layer")
    refused(replace(llava, select_strategy="full"), tmp_path, "class token")
    deep = dict(projector()[1].weights)
    deep["4.weight"] = deep["2.weight"]
    refused(replace(llava, projector=replace(llava.projector, weights=deep)), tmp_path, "this one has 3")


def test_names_too_many_or_too_few_are_listed(tmp_path: Path) -> None:
    llava = tiny_llava()
    language, vision = llava.language, llava.vision
    few = without(language.weights, "model.layers.1.mlp.up_proj.weight")
    refused(replace(llava, language=replace(language, weights=few)), tmp_path, r"blk\.1\.ffn_up\.weight")
    many = {**language.weights, "model.layers.0.extra.weight": LazyTensor.of(torch.zeros(1))}
    refused(replace(llava, language=replace(language, weights=many)), tmp_path, r"layers\.0\.extra\.weight")
    few = without(vision.weights, "vision_model.pre_layrnorm.bias")
    refused(replace(llava, vision=replace(vision, weights=few)), tmp_path, r"v\.pre_ln\.bias")


def test_buffers_of_old_files_are_left_out(tmp_path: Path) -> None:
    llava = tiny_llava()
    weights = {
        **llava.language.weights,
        "model.layers.0.self_attn.rotary_emb.inv_freq": LazyTensor.of(torch.ones(8)),
    }
    file, _ = both(replace(llava, language=replace(llava.language, weights=weights)), tmp_path)
    assert not any("rotary" in name for name in file.tensors)


def test_numbers_beyond_float16_are_an_error(tmp_path: Path) -> None:
    llava = tiny_llava()
    name = "model.layers.0.mlp.up_proj.weight"
    weights = {**llava.language.weights, name: LazyTensor.of(torch.full((96, 64), 1e5))}
    with pytest.raises(ModelError, match=r"ffn_up.*float16"):
        write_gguf(replace(llava, language=replace(llava.language, weights=weights)), tmp_path)


def test_a_name_with_a_path_in_it_is_only_a_name(tmp_path: Path) -> None:
    write_gguf(tiny_llava(make_tokenizer("<image>")), tmp_path / "out", name="../org/My model v1.5")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "Modelfile", "org-My-model-v1.5-f16.gguf", "org-My-model-v1.5-mmproj-f16.gguf",
    }  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llava = tiny_llava()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"vlmbench-suite\[gguf\]"):
        write_gguf(llava, tmp_path / "out")
    assert not (tmp_path / "out").exists()
