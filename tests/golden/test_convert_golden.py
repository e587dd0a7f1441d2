"""Conversions against the older tools': names, shapes and values, wherever those are no defects.

`DIFFERENCES` are the deliberate ones; the table in docs/checkpoints.md says the same, and why.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from llava_parts import BASE, CONVERT, MODES, language_folder, read_json, training_run
from repository import ROOT
from safetensors.torch import load_file

from vlmbench.checkpoints.convert import Target, WriteOptions, convert, merge
from vlmbench.checkpoints.formats.parts import Supplied
from vlmbench.checkpoints.language import open_language
from vlmbench.model_files.weights import loaded

DIFFERENCES = {
    # what is different: files (by pattern) or keys that one side has and the other does not
    "No copied code": ["projector/configuration_projector.py", "projector/modeling_projector.py"],
    "No copied configuration": ["xtuner_config.py"],
    "No model card": ["llm_adapter/README.md", "visual_encoder_adapter/README.md"],
    "One file of special tokens": ["special_tokens_map.json"],
    "Chat templates": ["chat_template.jinja", "chat_template.json"],
    "An official folder contains the tower": ["model.vision_tower.vision_tower.", "unfreeze_mm_vision_tower"],
    "Frozen towers convert": ["pretrain", "llm_full", "llm_lora"],
    "New rows": ["language_model.model.embed_tokens.weight", "language_model.lm_head.weight"],
    "Weights keep their dtype": ["float16", "float32"],
    "Complete generation settings": ["pad_token_id", "_from_model_config"],
    "The tokenizer's class": ["LlamaTokenizer", "PreTrainedTokenizerFast"],
    "The processor counts image tokens": [
        "patch_size",
        "num_additional_image_tokens",
        "vision_feature_select_strategy",
    ],
    "Grouped heads of Phi-3": ["phi2_kv2"],
}
NOT_OURS = {
    name
    for key in ("No copied code", "No copied configuration", "No model card", "One file of special tokens")
    for name in DIFFERENCES[key]
}
PTH = json.loads((CONVERT / "pth_to_hf.json").read_text())
SCRIPTS = json.loads((CONVERT / "scripts_xtuner_to_hf_and_llava.json").read_text())
GROWN = DIFFERENCES["New rows"]
Tensors = Mapping[str, torch.Tensor]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each way of training converted to each layout, once."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("golden")
    files = training_run(root)
    given = Supplied(llm=root / "llm", vision=BASE / "clip", recipe=root / "recipe.py")

    @functools.cache
    def folder(mode: str, target: Target) -> Path:
        convert(files[mode], root / f"{mode}-{target}", target, given, WriteOptions(proof=False))
        return root / f"{mode}-{target}"

    return folder


def tensors(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {str(file.relative_to(folder)): load_file(file) for file in sorted(folder.rglob("*.safetensors"))}


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def same(found: torch.Tensor, golden: Mapping[str, Any], *, exactly: bool) -> bool:
    """The same bytes in the golden data's kind of number; out of a merge, the same sum but for rounding."""
    turned = found.to(getattr(torch, golden["dtype"])).contiguous()
    if list(turned.shape) != golden["shape"]:
        return False
    if exactly:
        digest = hashlib.sha256(turned.view(torch.uint8).numpy().tobytes()).hexdigest()
        return digest.startswith(golden["sha256"])
    return abs(float(turned.double().sum()) - golden["sum"]) < 2e-3 * max(1, turned.numel() ** 0.5)


def is_merged(mode: str, name: str) -> bool:
    """Whether a tensor comes out of a sum, which rounds in its own way."""
    if "mm_projector" in name or "multi_modal_projector" in name or not name.endswith("weight"):
        return False
    if "vision_tower" in name:
        return "vit_lora" in mode and bool(re.search(r"self_attn|mlp", name))
    return "llm_lora" in mode and "_proj." in name


@pytest.mark.parametrize("mode", MODES)
def test_xtuner_folders_are_those_of_the_older_tool(runs: Any, mode: str) -> None:
    golden, folder = PTH[mode]["formats"]["xtuner"], runs(mode, "xtuner")
    ours = files(folder) - {name for name in files(folder) if Path(name).name.startswith("chat_template")}
    assert ours == set(golden["files"]) - NOT_OURS
    found = tensors(folder)
    assert found.keys() == golden["safetensors"].keys()
    for file, expected in golden["safetensors"].items():
        assert found[file].keys() == expected.keys()
        assert all(same(found[file][name], expected[name], exactly=True) for name in expected)
    for name, document in golden["json"].items():
        if name == "special_tokens_map.json":
            continue
        ignored = IGNORED | {"base_model_name_or_path", "lora_dropout", "torch_dtype"}
        kept = read_json(folder / name)
        # PEFT's settings of later versions than xtuner's, all of them off.
        expected = {k: v for k, v in document.items() if k not in ignored and (k in kept or v)}
        assert {key: kept.get(key) for key in expected} == expected | (
            {"eos_token_id": 2} if "eos_token_id" in expected else {}
        )


IGNORED = {
    "_name_or_path", "transformers_version", "auto_map", "_from_model_config", "loftq_config",
    "megatron_core", "layers_to_transform",
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_official_folders_are_those_of_the_older_tool(runs: Any, mode: str) -> None:
    golden, folder = PTH[mode]["formats"]["official"], runs(mode, "official")
    templates = set(DIFFERENCES["Chat templates"])
    assert files(folder) - templates == set(golden["files"]) - NOT_OURS
    found, expected = tensors(folder)["model.safetensors"], golden["safetensors"]["model.safetensors"]
    inside = DIFFERENCES["An official folder contains the tower"][0]
    assert {name for name in found.keys() ^ expected.keys() if not name.startswith(inside)} == set()
    for name in expected:
        assert same(found[name], expected[name], exactly=not is_merged(mode, name)), name
    config, theirs = read_json(folder / "config.json"), golden["json"]["config.json"]
    ignored = IGNORED | {"mm_vision_tower", "torch_dtype", "unfreeze_mm_vision_tower"}
    assert {key: config[key] for key in theirs if key not in ignored} == {
        key: value for key, value in theirs.items() if key not in ignored
    }
    assert config["mm_vision_tower"] == str((BASE / "clip").resolve())
    assert read_json(folder / "preprocessor_config.json") == golden["json"]["preprocessor_config.json"]


@pytest.mark.parametrize("mode", MODES)
def test_huggingface_folders_are_those_of_the_older_tool_where_it_made_any(runs: Any, mode: str) -> None:
    golden, folder = PTH[mode]["formats"]["huggingface"], runs(mode, "huggingface")
    assert ("fails" in golden) == (mode in DIFFERENCES["Frozen towers convert"])
    if "fails" not in golden:
        huggingface_alike(folder, golden, mode)


def huggingface_alike(folder: Path, golden: Mapping[str, Any], mode: str) -> None:
    assert files(folder) - set(DIFFERENCES["Chat templates"]) == set(golden["files"]) - NOT_OURS
    found, expected = tensors(folder)["model.safetensors"], golden["safetensors"]["model.safetensors"]
    assert found.keys() == expected.keys()
    assert all(list(found[name].shape) == expected[name]["shape"] for name in expected)
    if mode in PTH:
        # The rows that were there are in the golden data once more, as the official folder's.
        official = PTH[mode]["formats"]["official"]["safetensors"]["model.safetensors"]
        for name in expected.keys() - set(GROWN):
            assert same(found[name], expected[name], exactly=not is_merged(mode, name)), name
        for name in GROWN:
            assert same(found[name][:360], official[name.removeprefix("language_model.")], exactly=True)
    config, theirs = read_json(folder / "config.json"), golden["json"]["config.json"]
    for part in (None, "text_config", "vision_config"):
        ours, wanted = (document if part is None else document[part] for document in (config, theirs))
        left_out = IGNORED | {"torch_dtype", "text_config", "vision_config"}
        assert {k: ours[k] for k in wanted if k not in left_out} == {
            k: v for k, v in wanted.items() if k not in left_out
        }
    assert read_json(folder / "preprocessor_config.json") == golden["json"]["preprocessor_config.json"]
    from transformers import AutoTokenizer

    auto: Any = AutoTokenizer
    tokenizer, tail = auto.from_pretrained(folder), golden["added_tokens_decoder_tail"]
    assert {str(number): str(tokenizer.convert_ids_to_tokens(int(number))) for number in tail} == tail
    subset = golden["tokenizer_config_subset"]
    assert {key: subset[key] for key in ("pad_token", "bos_token", "eos_token")} == {
        "pad_token": tokenizer.pad_token,
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
    }


def test_the_scripts_results_come_out_of_convert(runs: Any, tmp_path: Path) -> None:
    """Of the sixth way of training, the golden data has what two scripts made of its xtuner folder."""
    source, half = runs("llm_full_vit_full", "xtuner"), WriteOptions(proof=False, dtype="float16")
    assert (source / "visual_encoder" / "model.safetensors").is_file()
    assert (source / "model.safetensors").is_file()
    convert(source, tmp_path / "hf", "huggingface", Supplied(template="vicuna"), half)
    huggingface_alike(tmp_path / "hf", SCRIPTS["script_hf"], "llm_full_vit_full")
    assert {tensor.dtype for tensor in tensors(tmp_path / "hf")["model.safetensors"].values()} == {torch.half}
    convert(source, tmp_path / "llava", "official", Supplied(), WriteOptions(proof=False))
    found = load_file(tmp_path / "llava" / "model.safetensors")
    expected = SCRIPTS["script_llava"]["safetensors"]["model.safetensors"]
    assert found.keys() == expected.keys()
    for name in expected:
        # The tower that they were given is not in the golden data.
        assert list(found[name].shape) == expected[name]["shape"]
        assert same(found[name], expected[name], exactly=True) or "vision_tower" in name, name


def test_merged_parts_are_those_of_the_older_tool(runs: Any, tmp_path: Path) -> None:
    golden = json.loads((CONVERT / "merge.json").read_text())["outputs"]
    adapters = runs("llm_lora_vit_lora", "xtuner")
    bases = {"llm": adapters.parent / "llm", "clip": BASE / "clip"}
    names = {"llm": "llm_adapter", "clip": "visual_encoder_adapter"}
    for part, expected in golden.items():
        merge(bases[part], adapters / names[part], tmp_path / part, WriteOptions())
        assert files(tmp_path / part) == set(expected["files"]) - NOT_OURS
        found = load_file(tmp_path / part / "model.safetensors")
        wanted = expected["safetensors"]["model.safetensors"]
        assert found.keys() == wanted.keys()
        for name in wanted:
            changed = bool(re.search(r"_proj\.weight|mlp\.fc\d\.weight", name))
            assert same(found[name], wanted[name], exactly=not changed), name


def test_phi_3_becomes_llama_as_the_script_makes_it_where_that_is_right(tmp_path: Path) -> None:
    def phi(name: str) -> Tensors:
        return loaded(open_language(language_folder(name, tmp_path / name)).weights)

    golden = json.loads((CONVERT / "phi_to_llama.json").read_text())
    wanted: dict[str, Any] = {}
    for shard in golden["phi2_kv4"]["safetensors"].values():
        wanted |= shard
    found = phi("phi2_kv4")
    assert found.keys() == wanted.keys()
    assert all(same(found[name], wanted[name], exactly=True) for name in wanted)
    # With fewer heads for keys and values the script cut at the wrong rows.
    wrong = golden[DIFFERENCES["Grouped heads of Phi-3"][0]]["safetensors"][
        "model-00001-of-00002.safetensors"
    ]
    name = "model.layers.0.self_attn.k_proj.weight"
    assert (wrong[name]["shape"], list(phi("phi2_kv2")[name].shape)) == ([11, 16], [8, 16])


def test_each_deliberate_difference_is_in_the_documents_table() -> None:
    page = (ROOT / "docs" / "checkpoints.md").read_text("utf-8")
    table = page.split("## Deliberate differences", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows == list(DIFFERENCES)
