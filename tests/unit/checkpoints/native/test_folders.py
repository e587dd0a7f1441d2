"""Folders of language models: which family, what passes, what is refused and in which words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from native_models import TOKENIZERS, as_model, original, save_original
from safetensors.torch import load_file, save_file
from tiny_models import edit_json, make_tokenizer

from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.native.llama import family_of
from vlmbench.checkpoints.native.sentencepiece_file import read_sentencepiece
from vlmbench.checkpoints.native.tokenizer import build_tokenizer
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import quiet
from vlmbench.model_files.weights import loaded


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Put tensors into a folder's weights; None takes one out."""
    file = folder / "model.safetensors"
    kept = load_file(file) | tensors
    save_file({name: tensor for name, tensor in kept.items() if tensor is not None}, file)


def others() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Models that transformers has and nobody maps."""
    from transformers import Gemma2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

    return {
        "llama": lambda sizes: LlamaConfig(**sizes),
        "qwen2": lambda sizes: Qwen2Config(**sizes, tie_word_embeddings=True),
        "qwen3": lambda sizes: Qwen3Config(**sizes, head_dim=16),
        "mistral": lambda sizes: MistralConfig(**sizes),
        "gemma2": lambda sizes: Gemma2Config(**sizes, head_dim=16),
    }


def save_other(folder: Path, kind: str) -> Any:
    from transformers import AutoModelForCausalLM

    tokenizer = make_tokenizer()
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
    }
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(others()[kind](sizes), attn_implementation="eager").eval()
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma2"])
def test_what_transformers_has_passes_unchanged(kind: str, tmp_path: Path) -> None:
    model = save_other(tmp_path, kind)
    language = open_language(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert language.config == written
    assert set(language.weights) == set(load_file(tmp_path / "model.safetensors"))
    ids = torch.arange(5, 25)[None]
    again = as_model(language.config, loaded(language.weights))
    with torch.no_grad():
        assert torch.equal(model(ids).logits, again(ids).logits)
    assert language.tokenizer("What is it?")["input_ids"] == make_tokenizer()("What is it?")["input_ids"]


def test_a_tied_head_that_is_stored_all_the_same_is_left_out(tmp_path: Path) -> None:
    save_other(tmp_path, "qwen2")
    table = load_file(tmp_path / "model.safetensors")["model.embed_tokens.weight"]
    change(tmp_path, **{"lm_head.weight": table.clone()})
    assert "lm_head.weight" not in open_language(tmp_path).weights
    change(tmp_path, **{"lm_head.weight": table + 1})
    with pytest.raises(ModelError, match=r"tie_word_embeddings.*differ"):
        open_language(tmp_path)


@pytest.mark.parametrize("model_type", ["internlm", "internlm2", "nonsense"])
def test_model_type_is_never_asked(model_type: str, tmp_path: Path) -> None:
    language = open_language(save_original(tmp_path, "internlm2", model_type=model_type))
    assert "model.layers.0.self_attn.k_proj.weight" in language.weights
    assert language.tokenizer.convert_tokens_to_ids("<|im_end|>") == 849


def test_families_by_class_and_names() -> None:
    second, first = ["model.layers.0.attention.wqkv.weight"], ["model.layers.0.self_attn.q_proj.weight"]
    named = {"architectures": ["InternLMForCausalLM"]}
    assert family_of(named, first) == "internlm"
    assert family_of(named, second) == "internlm2"
    assert family_of({}, second) == "internlm2"
    assert family_of({}, first) is None
    assert family_of({"architectures": ["LlamaForCausalLM"]}, first) is None
    with pytest.raises(ModelError, match="not named"):
        family_of({"architectures": ["InternLM2ForCausalLM"]}, first)


def test_a_phi3_that_llama_cannot_be_stays_phi3(tmp_path: Path) -> None:
    folder = save_original(tmp_path, "phi3", partial_rotary_factor=0.5, model_type="phi3", tied=True)
    language = open_language(folder)
    assert language.config["model_type"] == "phi3"
    assert "auto_map" not in language.config
    assert "model.layers.0.self_attn.qkv_proj.weight" in language.weights


def test_dtype_and_old_buffers(tmp_path: Path) -> None:
    folder = save_original(tmp_path, "internlm", torch_dtype=None)
    kept = load_file(folder / "model.safetensors")
    half = {name: tensor.half() for name, tensor in kept.items()}
    save_file(
        half | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}, folder / "model.safetensors"
    )
    language = open_language(folder)
    assert language.config["dtype"] == "float16"
    assert {kept.dtype for kept in language.weights.values()} == {"float16"}
    assert not [name for name in language.weights if "inv_freq" in name]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    folder = save_original(tmp_path, "internlm2")
    language = open_language(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(Exception, match="No such file"):
        language.weights["model.layers.0.self_attn.q_proj.weight"].load()


def test_a_part_keeps_no_more_than_its_own_rows(tmp_path: Path) -> None:
    for family in ("internlm2", "phi3"):
        weights = open_language(save_original(tmp_path / family, family, kv_heads=1)).weights
        for part in ("q", "k", "v"):
            tensor = weights[f"model.layers.0.self_attn.{part}_proj.weight"].load()
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_stop_ids_are_completed(tmp_path: Path) -> None:
    for family, stop in (("internlm2", 849), ("internlm", 701)):
        folder = save_original(tmp_path / family, family)
        assert open_language(folder).generation["eos_token_id"] == [2, stop]
        (folder / "generation_config.json").write_text('{"eos_token_id": 2, "top_p": 0.8}', "utf-8")
        generation = open_language(folder).generation
        assert (generation["eos_token_id"], generation["top_p"]) == ([2, stop], 0.8)
        edit_json(folder / "generation_config.json", eos_token_id=[2, stop])
        assert open_language(folder).generation["eos_token_id"] == [2, stop]
    language = open_language(save_original(tmp_path / "phi3", "phi3"))
    assert language.generation["eos_token_id"] == [2, language.tokenizer.convert_tokens_to_ids("<|end|>")]


def test_tokens_that_a_user_added_keep_their_ids(tmp_path: Path) -> None:
    folder = save_original(tmp_path, "internlm2", vocabulary=896)
    names = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["added_tokens_decoder"]
    new = {"851": {"content": "<img>", "special": True}, "852": {"content": "<quad>", "special": False}}
    edit_json(folder / "tokenizer_config.json", added_tokens_decoder=names | new)
    tokenizer = open_language(folder).tokenizer
    assert tokenizer("<img>hi<quad>", add_special_tokens=False)["input_ids"] == [851, 305, 852]
    assert tokenizer.decode([851, 305, 852], skip_special_tokens=True) == "hi<quad>"
    tokenizer.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text('{"model_type": "llava"}', "utf-8")
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again("<img>hi<quad>", add_special_tokens=False)["input_ids"] == [851, 305, 852]


def test_what_the_original_fast_class_left_behind_is_dropped(tmp_path: Path) -> None:
    """It gave the six renamed pieces' old names new ids, for which the table has no rows."""
    folder = save_original(tmp_path, "internlm2")
    names = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["added_tokens_decoder"]
    old = {str(851 + n): {"content": f"[UNUSED_TOKEN_{141 + n}]", "special": False} for n in range(6)}
    edit_json(folder / "tokenizer_config.json", added_tokens_decoder=names | old)
    assert len(build_tokenizer(folder, "internlm2")) == 851


def test_a_phi3_of_the_first_longrope_spelling_opens(tmp_path: Path) -> None:
    """transformers cannot even read its config.json."""
    factors = [1.0 + place / 10 for place in range(8)]
    scaling = {"type": "su", "short_factor": factors, "long_factor": factors}
    folder = save_original(
        tmp_path, "phi3", model_type="phi3", rope_scaling=scaling, original_max_position_embeddings=32
    )
    edit_json(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")
    language = open_language(folder)
    assert language.config["rope_parameters"]["rope_type"] == "longrope"
    assert language.config["rope_parameters"]["original_max_position_embeddings"] == 32
    question = "What is in the picture?"
    assert language.tokenizer(question)["input_ids"] == make_tokenizer("<|end|>")(question)["input_ids"]


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another architecture": (
        lambda f: edit_json(f / "config.json", architectures=["BaichuanForCausalLM"]),
        "no causal language model `BaichuanForCausalLM`.*its own code",
    ),
    "a classifier": (
        lambda f: edit_json(f / "config.json", architectures=["InternLM2ForRewardModel"]),
        "InternLM2ForRewardModel",
    ),
    "a LLaVA": (lambda f: edit_json(f / "config.json", vision_config={}), "takes pictures"),
    "quantised": (lambda f: edit_json(f / "config.json", quantization_config={"bits": 4}), "quantised"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "a missing size": (lambda f: edit_json(f / "config.json", hidden_size=None), "hidden_size"),
    "heads that do not fit": (lambda f: edit_json(f / "config.json", num_attention_heads=5), "5 heads"),
    "unknown rope": (
        lambda f: edit_json(f / "config.json", rope_scaling={"type": "yarn", "factor": 2.0}),
        "rope_scaling.*`yarn`",
    ),
    "two bases": (
        lambda f: edit_json(f / "config.json", rope_theta=1e6, rotary={"base": 10000}),
        "rotary.*1e\\+06 but `rotary` says 10000",
    ),
    "a missing tensor": (
        lambda f: change(f, **{"model.layers.1.attention.wqkv.weight": None}),
        "3 missing .model.layers.1.self_attn.k_proj.weight, .*q_proj.*v_proj",
    ),
    "an unexpected tensor": (
        lambda f: change(f, **{"model.layers.1.attention.extra": torch.ones(1)}),
        "1 unknown to this kind of model .model.layers.1.attention.extra",
    ),
    "a layer too many": (
        lambda f: edit_json(f / "config.json", num_hidden_layers=1),
        "9 unknown to this kind of model .model.layers.1.*and 1 more",
    ),
    "biases that config.json denies": (
        lambda f: change(f, **{"model.layers.0.attention.wo.bias": torch.ones(64)}),
        "1 unknown to this kind of model .model.layers.0.self_attn.o_proj.bias",
    ),
    "other KV heads": (
        lambda f: edit_json(f / "config.json", num_key_value_heads=4),
        "wqkv.weight` has the shape \\[128, 64\\]",
    ),
    "another table": (
        lambda f: change(f, **{"output.weight": torch.ones(100, 64)}),
        "lm_head.weight: 100x64 instead of 128x64",
    ),
    "a truncated file": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
        "cut off",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.model").unlink(), "tokenizer"),
    "half a tokenizer": (
        lambda f: (f / "tokenizer.model").write_bytes((f / "tokenizer.model").read_bytes()[:500]),
        "not a whole SentencePiece",
    ),
    "a tokenizer of another kind": (
        lambda f: (f / "tokenizer.model").write_bytes(b"\x0a\x03\x0a\x01a" * 3),
        "cuts text in another way",
    ),
    "one name twice": (
        lambda f: edit_json(f / "tokenizer_config.json", added_tokens_decoder={"9": {"content": "<s>"}}),
        "two ids are called `<s>`",
    ),
    "odd added tokens": (
        lambda f: edit_json(f / "tokenizer_config.json", added_tokens_decoder={"x": "y"}),
        "unknown form",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    spoil, words = REFUSED[name]
    folder = save_original(tmp_path / "model", "internlm2")
    spoil(folder)
    with pytest.raises(ModelError, match=words) as refused:
        open_language(folder)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("shape", [(1,), (3, 64), ()])
def test_a_fused_tensor_of_any_other_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    folder = save_original(tmp_path, "phi3")
    change(folder, **{"model.layers.0.self_attn.qkv_proj.weight": torch.ones(shape)})
    with pytest.raises(ModelError, match=r"qkv_proj\.weight` has the shape"):
        open_language(folder)


def test_an_adapter_is_no_language_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="adapter"):
        open_language(tmp_path)


def test_any_cut_of_a_sentencepiece_file_is_refused_or_read(tmp_path: Path) -> None:
    """Never an error of ours."""
    whole = (TOKENIZERS / "tokenizer_internlm2" / "tokenizer.model").read_bytes()
    file = tmp_path / "tokenizer.model"
    for end in range(0, len(whole), 97):
        file.write_bytes(whole[:end])
        with contextlib.suppress(ModelError):
            assert len(read_sentencepiece(file).pieces) <= 851


def test_bos_can_be_switched_off(tmp_path: Path) -> None:
    folder = save_original(tmp_path, "internlm")
    edit_json(folder / "tokenizer_config.json", add_bos_token=False)
    assert build_tokenizer(folder, "internlm")("hi")["input_ids"] == [305]


def test_random_models_differ_from_golden_ones_only_in_numbers() -> None:
    _, tensors = original("internlm2")
    golden = load_file(TOKENIZERS / "internlm2_gqa" / "model.safetensors")
    assert set(tensors) <= set(golden)
