"""What is read equals, tensor by tensor, what the original converters made of the same training runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_folders import CLIP, GOLDEN, language, official, pth, xtuner
from llava_parts import CONVERT, MODES

from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.formats.parts import placed
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.model_files.weights import cast, loaded, prefixed

Tensors = dict[str, torch.Tensor]


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()[:24]


def all_tensors(llava: Llava, *, halved: bool) -> Tensors:
    """Every tensor below the name of its part; the original tools halve the language model alone."""
    language = cast(llava.language.weights, "float16") if halved else llava.language.weights
    return loaded(
        {
            **prefixed(language, "language/"),
            **prefixed(llava.vision.weights, "vision/"),
            **prefixed(llava.projector.weights, "projector/"),
        }
    )


def assert_golden(found: Tensors, listed: dict[str, Any]) -> None:
    """Names, shapes and dtypes exactly; values by digest, or where LoRA was merged to the last bit's sum."""
    for name, wanted in listed.items():
        part, own = placed(name) or pytest.fail(name)
        tensor = found[f"{part}/{own}"]
        assert list(tensor.shape) == wanted["shape"]
        assert str(tensor.dtype) == f"torch.{wanted['dtype']}"
        if digest(tensor) != wanted["sha256"]:
            assert float(tensor.double().sum()) == pytest.approx(wanted["sum"], abs=2e-3), name


@pytest.mark.parametrize("mode", MODES)
def test_every_training_mode_reads_as_the_original_converter_wrote_it(mode: str, tmp_path: Path) -> None:
    llm = language(tmp_path / "llm")
    read = open_llava(pth(mode, tmp_path / "iter_1.pth"), llm=llm, vision=CLIP)
    found = all_tensors(read, halved=True)
    listed = GOLDEN[mode]["formats"]["official"]["safetensors"]["model.safetensors"]
    assert_golden(found, listed)
    tower_is_listed = any("vision_tower" in name for name in listed)
    assert len(found) == len(listed) + (0 if tower_is_listed else len(read.vision.weights))
    exact = sum(digest(found["/".join(placed(name) or ())]) == listed[name]["sha256"] for name in listed)
    assert exact == len(listed) or "lora" in mode


@pytest.mark.parametrize("mode", MODES)
def test_the_same_model_in_every_layout_has_equal_tensors(mode: str, tmp_path: Path) -> None:
    """Only the halving of what xtuner saves tells its folder from the .pth file."""
    llm = language(tmp_path / "llm")
    first = open_llava(pth(mode, tmp_path / "iter_1.pth"), llm=llm, vision=CLIP)
    folder = xtuner(mode, tmp_path / "xtuner")
    own = (folder / "config.json").exists()
    given = {} if own else {"llm": llm}
    second = open_llava(folder, vision=CLIP, **given)
    third = open_llava(official(first, tmp_path / "official", tower="vit" in mode))
    assert [layout_of(tmp_path / name) for name in ("iter_1.pth", "xtuner", "official")] == [
        "pth",
        "xtuner",
        "official",
    ]
    ours = all_tensors(first, halved=False)
    for other, close in ((second, 2e-2), (third, 0.0)):
        theirs = all_tensors(other, halved=False)
        assert theirs.keys() == ours.keys()
        for name, tensor in ours.items():
            assert torch.allclose(tensor.float(), theirs[name].float(), rtol=close / 10, atol=close), name
    assert second.select_layer == third.select_layer == -2


def test_the_adapters_laid_down_are_the_ones_that_xtuner_saves(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for mode in MODES:
        folder = xtuner(mode, tmp_path / mode)
        for name, tensors in GOLDEN[mode]["formats"]["xtuner"]["safetensors"].items():
            found = load_file(folder / name)
            assert found.keys() == tensors.keys()
            assert all(digest(found[key]) == tensors[key]["sha256"] for key in tensors)


def test_merging_equals_the_original_merge(tmp_path: Path) -> None:
    """There the language model was halved first and merged in half, so the last bit may differ."""
    listed = json.loads((CONVERT / "merge.json").read_text("utf-8"))["outputs"]
    folder = xtuner("llm_lora_vit_lora", tmp_path / "xtuner")
    read = open_llava(folder, llm=language(tmp_path / "llm"), vision=CLIP)
    tower = loaded(read.vision.weights)
    language_model = loaded(cast(read.language.weights, "float16"))
    found = {"llm": language_model, **{name: tower for name in listed if name != "llm"}}
    for name, output in listed.items():
        for tensors in output["safetensors"].values():
            assert tensors.keys() == found[name].keys()
            for key, wanted in tensors.items():
                tensor = found[name][key]
                assert list(tensor.shape) == wanted["shape"]
                assert str(tensor.dtype) == f"torch.{wanted['dtype']}"
                assert float(tensor.double().sum()) == pytest.approx(wanted["sum"], abs=2e-2), key
