"""Every way of training, every layout into every other and back, tensor by tensor; and what is refused."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from llava_parts import ALL_MODES, BASE, golden_llava, siglip_folder, training_run
from safetensors.torch import load_file, save_file

from vlmbench.checkpoints.assemble import generation_settings
from vlmbench.checkpoints.build import EMBEDDING, HEAD, untrained
from vlmbench.checkpoints.convert import Target, WriteOptions, convert, write
from vlmbench.checkpoints.formats.parts import Supplied
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.checkpoints.vision import open_vision
from vlmbench.cli.main import main
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.weights import loaded

LAYOUTS: tuple[Target, ...] = ("huggingface", "official", "xtuner")
UNPROVEN = WriteOptions(proof=False)
Tensors = Mapping[str, torch.Tensor]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(root: Path) -> dict[str, Path]:
    return training_run(root)


def given(root: Path, folder: Path, layout: str) -> Supplied:
    """What is needed besides the folder: xtuner's names a base that was frozen nowhere else."""
    bare = layout == "xtuner" and not (folder / "config.json").is_file()
    towerless = layout == "xtuner" and not (folder / "visual_encoder").is_dir()
    return Supplied(
        llm=root / "llm" if bare else None, vision=BASE / "clip" if towerless else None, template="vicuna"
    )


def tensors(llava: Llava, rows: int = 360) -> dict[str, torch.Tensor]:
    """Every tensor by part; of the tables the rows that every layout has."""
    language = loaded(llava.language.weights)
    for name in (EMBEDDING, HEAD):
        language[name] = language[name][:rows]
    parts = {
        "llm": language,
        "vision": loaded(llava.vision.weights),
        "projector": loaded(llava.projector.weights),
    }
    return {f"{part}.{name}": tensor for part, found in parts.items() for name, tensor in found.items()}


def equal(ours: Tensors, theirs: Tensors) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def opened(root: Path, folder: Path, layout: str) -> Llava:
    needed = given(root, folder, layout)
    return open_llava(folder, llm=needed.llm, vision=needed.vision, template="vicuna")


@pytest.mark.parametrize("mode", ALL_MODES)
def test_every_layout_becomes_every_other_and_comes_back(
    mode: str, root: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    begun = Supplied(llm=root / "llm", vision=BASE / "clip", recipe=root / "recipe.py", template="vicuna")
    source = open_llava(runs[mode], llm=begun.llm, vision=begun.vision, recipe=begun.recipe)
    expected = tensors(source)
    for first in LAYOUTS:
        # Out of training, with the proof that `convert` gives.
        said = convert(runs[mode], tmp_path / first, first, begun, WriteOptions())
        assert said is not None
        assert "every logit equal (float32)" in said
        assert equal(tensors(opened(root, tmp_path / first, first)), expected)
    for first, second in itertools.permutations(LAYOUTS, 2):
        there, back = tmp_path / f"{first}-{second}", tmp_path / f"{first}-{second}-{first}"
        convert(tmp_path / first, there, second, given(root, tmp_path / first, first), UNPROVEN)
        convert(there, back, first, given(root, there, second), UNPROVEN)
        for folder, layout in ((there, second), (back, first)):
            assert equal(tensors(opened(root, folder, layout)), expected), (first, second)
    # A folder that has all rows keeps them, through every layout.
    whole = tensors(open_llava(tmp_path / "huggingface"), rows=384)
    for layout in ("official", "xtuner"):
        back = open_llava(tmp_path / f"huggingface-{layout}-huggingface")
        assert equal(tensors(back, rows=384), whole)
        assert back.image_token_id == 360
        assert back.language.tokenizer.get_vocab() == {
            **source.language.tokenizer.get_vocab(),
            "<image>": 360,
            "<pad>": 361,
        }


def test_settings_come_through_every_layout(root: Path, tmp_path: Path) -> None:
    llava = replace(golden_llava(tmp_path), select_layer=-3)
    siglip = untrained(
        llava.language,
        open_vision(siglip_folder(tmp_path / "tower")),
        template="llama2_chat",
        select_layer=-1,
    )
    for name, source in (("clip", llava), ("siglip", siglip)):
        folder = tmp_path / name
        write(source, folder, "huggingface", UNPROVEN)
        for layout in ("official", "xtuner", "huggingface"):
            next_folder = tmp_path / f"{name}-{layout}"
            said = convert(folder, next_folder, layout, Supplied(), WriteOptions())
            assert said is not None
            assert "every logit equal" in said
            found = open_llava(next_folder)
            assert (found.select_layer, found.select_strategy) == (
                source.select_layer,
                source.select_strategy,
            )
            assert found.chat_template == source.chat_template
            assert generation_settings(found.language) == generation_settings(source.language)
            folder = next_folder


def test_a_deep_projector_goes_where_it_can(tmp_path: Path) -> None:
    from vlmbench.checkpoints.build import new_projector

    llava = replace(golden_llava(tmp_path), projector=new_projector(8, 16, depth=3))
    for layout in ("official", "xtuner"):
        assert "every logit equal" in str(write(llava, tmp_path / layout, layout, WriteOptions()))
        assert open_llava(tmp_path / layout, template="vicuna").projector.depth == 3
    with pytest.raises(ModelError, match="3 layers, and a LLaVA of transformers has exactly two"):
        write(llava, tmp_path / "hf", "huggingface", WriteOptions())
    assert not (tmp_path / "hf").exists()
    with pytest.raises(ModelError):
        write(llava, tmp_path / "gguf", "gguf", WriteOptions())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_another_kind_of_number_the_answers_are_within_the_stated_bound(
    dtype: str, tmp_path: Path
) -> None:
    llava = golden_llava(tmp_path)
    said = str(write(llava, tmp_path / "out", "huggingface", WriteOptions(dtype=dtype)))
    assert f"float32 to {dtype}" in said
    assert {str(t.dtype) for t in load_file(tmp_path / "out" / "model.safetensors").values()} == {
        f"torch.{dtype}"
    }


def test_the_result_is_a_model_for_run_with_the_same_answers(
    runs: dict[str, Path], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["convert", str(runs["llm_lora_vit_lora"]), str(tmp_path / "out"), "--to", "huggingface"]
    given = ["--llm", str(root / "llm"), "--vision", str(BASE / "clip"), "--recipe", str(root / "recipe.py")]
    assert main([*command, *given, "--max-shard-size", "50KB"]) == 0
    printed = capsys.readouterr()
    assert printed.out.endswith(f"{tmp_path / 'out'}\n")
    assert "source and result answer alike: 37 positions x 384 tokens, every logit equal" in printed.err
    assert len(list((tmp_path / "out").glob("model-*.safetensors"))) > 1
    # The same folder through vlmbench's own door.
    from asking import questions

    from vlmbench.models.hf.model import load_hf

    model = load_hf(str(tmp_path / "out"), device="cpu")
    assert model.style == "llava"
    assert "USER: <image>\n" in model.render(questions()[0])


def test_what_fails_the_proof_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmbench.checkpoints import convert as module
    from vlmbench.checkpoints.formats.huggingface import write_huggingface

    llava = golden_llava(tmp_path)

    def spoiled(name: str) -> Any:
        def write_spoiled(llava: Llava, folder: Path, **options: Any) -> None:
            write_huggingface(llava, folder, **options)
            file = folder / "model.safetensors"
            weights = load_file(file)
            weights[name] = weights[name] * 1.001
            save_file(weights, file, metadata={"format": "pt"})

        return write_spoiled

    for name, what in (
        ("multi_modal_projector.linear_2.weight", "the features of the picture"),
        ("language_model.model.norm.weight", "the logits, by .* of the largest where 0 is allowed"),
    ):
        monkeypatch.setattr(module, "write_huggingface", spoiled(name))
        with pytest.raises(ModelError, match=what):
            write(llava, tmp_path / "out", "huggingface", WriteOptions())
        assert not (tmp_path / "out").exists()
    write(llava, tmp_path / "out", "huggingface", UNPROVEN)
    assert (tmp_path / "out").is_dir()


def test_a_model_without_a_template_gets_its_familys_name(
    root: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    begun = Supplied(llm=root / "llm", vision=BASE / "clip")
    with pytest.raises(ModelError, match="`--template vicuna` is its family's"):
        convert(runs["pretrain"], tmp_path / "out", "huggingface", begun, WriteOptions())
    assert not (tmp_path / "out").exists()


def test_an_existing_destination_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already exists"):
        convert(tmp_path / "nowhere", tmp_path, "xtuner", Supplied(), WriteOptions())


def test_a_kind_of_language_model_the_original_code_lacks_is_refused(tmp_path: Path) -> None:
    llava = golden_llava(tmp_path)
    odd = replace(
        llava, language=replace(llava.language, config={**llava.language.config, "model_type": "olmo"})
    )
    with pytest.raises(ModelError, match="no class for a language model of the kind `olmo`"):
        write(odd, tmp_path / "out", "official", UNPROVEN)
    assert not (tmp_path / "out").exists()


def test_no_space_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import resource

    write(golden_llava(tmp_path), tmp_path / "src", "huggingface", UNPROVEN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for target in (*LAYOUTS, "gguf"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            code = main(["convert", str(tmp_path / "src"), str(tmp_path / "out"), "--to", target])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert code == 1
        assert target == "gguf" or "cannot be written" in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == {"llm_tight", "src"}


@pytest.mark.slow
def test_a_killed_conversion_leaves_no_destination(tmp_path: Path) -> None:
    write(golden_llava(tmp_path), tmp_path / "src", "huggingface", UNPROVEN)
    command = [
        sys.executable,
        "-m",
        "vlmbench",
        "convert",
        tmp_path / "src",
        tmp_path / "out",
        "--to",
        "xtuner",
    ]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".out.unfinished-*")) and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert main(["convert", str(tmp_path / "src"), str(tmp_path / "out"), "--to", "xtuner"]) == 0
    assert not list(tmp_path.glob(".out.unfinished-*"))


def test_merging_into_a_whole_llava_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vlmbench.model_files.weights import save_json

    write(golden_llava(tmp_path), tmp_path / "base", "huggingface", UNPROVEN)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    name = "base_model.model.model.language_model.layers.0.self_attn.q_proj"
    halves = {f"{name}.lora_A.weight": torch.ones(2, 16), f"{name}.lora_B.weight": torch.ones(16, 2)}
    save_file(halves, adapter / "adapter_model.safetensors")
    save_json(
        adapter / "adapter_config.json",
        {"peft_type": "LORA", "r": 2, "lora_alpha": 1, "base_model_name_or_path": str(tmp_path / "base")},
    )
    assert main(["merge", str(tmp_path / "base"), str(adapter), str(tmp_path / "out")]) == 0
    assert "every logit equal" in capsys.readouterr().err
    key = "language_model.model.layers.0.self_attn.q_proj.weight"
    before, after = (load_file(tmp_path / part / "model.safetensors")[key] for part in ("base", "out"))
    assert torch.allclose(after, before + 1.0)
