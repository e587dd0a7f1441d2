"""Every way a model folder can be wrong is told by the name of the file and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_models import edit_json

from vlmbench.errors import ModelError, UnknownName
from vlmbench.models.hf import load_hf
from vlmbench.models.loading import load_model

TinyModel = Callable[[str], Path]


@pytest.fixture
def folder(tiny_model: TinyModel, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model("llava"), tmp_path / "model")


def complaint(path: Path | str, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_hf(str(path), device="cpu", **options)
    assert caught.value.fix
    return caught.value


def drop_weights(folder: Path, *names: str, **extra: Any) -> None:
    """Rewrite the weights without some of them and with others."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    for name in names:
        del weights[name]
    save_file(weights | extra, folder / "model.safetensors", metadata={"format": "pt"})


def shard(folder: Path) -> list[Path]:
    """Save the weights again in several files with an index."""
    from transformers import LlavaForConditionalGeneration

    from vlmbench.models.hf_quiet import quiet

    with quiet():
        model = LlavaForConditionalGeneration.from_pretrained(folder)
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="150KB")
    return sorted(folder.glob("model-*.safetensors"))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("config.json", "not a Hugging Face model folder"),
        ("model.safetensors", "weights are missing"),
        ("tokenizer.json", "tokenizer is missing"),
        ("processor_config.json", "image processor's description is missing"),
        ("chat_template.jinja", "chat template is missing"),
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str, told: str) -> None:
    (folder / file).unlink()
    error = complaint(folder)
    assert error.file == folder / file
    assert told in error.what


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_configuration_that_is_no_json_is_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("latin-1"))
    assert complaint(folder).file == folder / "config.json"


def test_shards_load_and_a_missing_one_is_named(folder: Path) -> None:
    shards = shard(folder)
    assert len(shards) > 2
    assert shards[1].name in load_hf(str(folder), device="cpu").facts["files"]
    shards[1].unlink()
    error = complaint(folder)
    assert error.file == shards[1]
    assert f"1 of {len(shards)}" in error.what


def test_shards_without_their_index_are_told_apart_from_no_weights(folder: Path) -> None:
    shard(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert complaint(folder).file == folder / "model.safetensors.index.json"


@pytest.mark.parametrize("kept", [0, 4, 100, 30_000])
def test_cut_off_weights_are_named(folder: Path, kept: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    error = complaint(folder)
    assert error.file == file
    assert "cut off" in error.what


def test_a_git_lfs_pointer_is_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    )
    assert "git lfs pull" in str(complaint(folder))


def test_a_missing_weight_is_named_and_never_made_up(folder: Path) -> None:
    drop_weights(folder, "language_model.model.layers.1.mlp.up_proj.weight")
    assert (
        "1 missing from the file (model.language_model.layers.1.mlp.up_proj.weight)" in complaint(folder).what
    )


def test_unknown_weights_are_named(folder: Path) -> None:
    import torch

    drop_weights(folder, **{f"extra.{number}": torch.zeros(1) for number in range(12)})
    error = complaint(folder)
    assert "12 unknown to this kind of model (extra.0, extra.1" in error.what
    assert "and 4 more" in error.what


def test_buffers_that_older_folders_save_are_harmless(folder: Path) -> None:
    import torch

    drop_weights(
        folder,
        **{
            "vision_tower.vision_model.embeddings.position_ids": torch.arange(17)[None],
            "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4),
        },
    )
    load_hf(str(folder), device="cpu")


def test_a_tied_head_need_not_be_stored(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_json(
        folder / "config.json",
        tie_word_embeddings=True, text_config=config["text_config"] | {"tie_word_embeddings": True},
    )  # fmt: skip
    drop_weights(folder, "language_model.lm_head.weight")
    load_hf(str(folder), device="cpu")


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", text_config=config["text_config"] | {"intermediate_size": 48})
    assert (
        "of another shape than config.json says (model.language_model.layers.0.mlp" in complaint(folder).what
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "llama"}, "language model that takes no pictures"),
        ({"model_type": "clip"}, "`clip` is not a model that answers"),
        ({"model_type": "llava_of_2031"}, "knows no model of the kind `llava_of_2031`"),
        ({"model_type": None}, "does not say what kind"),
        ({"mm_vision_tower": "openai/clip-vit-large-patch14-336"}, "layout of the original LLaVA code"),
        ({"model_type": "foreign", "auto_map": {"AutoModel": "code.Model"}}, "foreign"),
    ],
)
def test_another_kind_of_model_is_told_what_it_is(folder: Path, changes: dict[str, Any], told: str) -> None:
    edit_json(folder / "config.json", **changes)
    assert told in complaint(folder).what


def test_foreign_code_runs_only_when_asked_for(folder: Path) -> None:
    (folder / "code.py").write_text("raise SystemExit('this must not run')")
    edit_json(
        folder / "config.json",
        model_type="foreign",
        auto_map={"AutoConfig": "code.Config", "AutoModelForImageTextToText": "code.Model"},
    )
    assert "--trust-remote-code" in str(complaint(folder))
    with pytest.raises(SystemExit, match="must not run"):
        load_hf(str(folder), device="cpu", trust_remote_code=True)


def test_an_adapter_is_told_from_a_model(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    assert "adapter" in complaint(folder).what


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ messages[0].content | selectattr('type', 'equalto', 'text') | list }}", "leaves pictures out"),
        ("{{ messages[0].content + ' ' }}", "fails on a question with a picture"),
        ("{% for m in messages", "fails on a question with a picture"),
    ],
)
def test_a_template_for_text_alone_is_refused(folder: Path, template: str, told: str) -> None:
    (folder / "chat_template.jinja").write_text(template)
    error = complaint(folder)
    assert error.file == folder / "chat_template.jinja"
    assert told in error.what


def test_an_image_processor_in_neither_of_its_places_is_named(folder: Path) -> None:
    edit_json(folder / "processor_config.json", image_processor=None)
    assert complaint(folder).file == folder / "preprocessor_config.json"


def test_a_damaged_tokenizer_is_a_user_error(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    assert "processor cannot be loaded (no key 'added_tokens')" in complaint(folder).what


def test_a_missing_package_is_a_user_error(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    assert "pip install num2words" in complaint(tiny_model("smolvlm")).what


def test_devices_and_dtypes_that_are_not_there(folder: Path) -> None:
    with pytest.raises(UnknownName, match="cuda"):
        load_hf(str(folder), device="kuda")
    with pytest.raises(UnknownName, match="bfloat16"):
        load_hf(str(folder), device="cpu", dtype="bfloat61")
    with pytest.raises(ModelError, match="cuda:77"):
        load_hf(str(folder), device="cuda:77")


def test_a_hub_id_out_of_reach_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    message = str(complaint("llava-hf/no-such-model"))
    assert all(word in message for word in ("`llava-hf/no-such-model`", "HF_HUB_OFFLINE", "folder's path"))


def test_what_is_no_model_at_all(tmp_path: Path) -> None:
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="this is a file"):
        load_model(str(file))
    with pytest.raises(ModelError, match="no such folder"):
        load_model(str(tmp_path / "nowhere"))
    with pytest.raises(UnknownName, match="Did you mean demo"):
        load_model("dmeo")


def test_a_model_string_is_a_folder_wherever_it_lies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_model(str(folder), device="cpu").name == "model"
    assert load_model("model", device="cpu").name == "model"
    assert load_model("./model/", device="cpu").name == "model"
    assert load_model("echo:B").name == "echo"
