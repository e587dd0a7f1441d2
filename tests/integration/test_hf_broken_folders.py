"""Every way a model folder can be wrong is told by the name of the file and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asking import TinyModel
from tiny_models import edit_json

from vlmbench.errors import ModelError, UnknownName, UserError
from vlmbench.models.hf.any_layout import Parts
from vlmbench.models.hf.model import load_hf


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

    from vlmbench.model_files.silence import quiet

    with quiet():
        model = LlavaForConditionalGeneration.from_pretrained(folder)
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="150KB")
    return sorted(folder.glob("model-*.safetensors"))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("config.json", "neither a Hugging Face model folder"),
        ("model.safetensors", "weights are missing"),
        ("tokenizer.json", "tokenizer is missing"),
        ("processor_config.json", "image processor's description is missing"),
        ("chat_template.jinja", "chat template is missing"),
    ],
)
def test_a_missing_file_is_named(llava: Path, file: str, told: str) -> None:
    (llava / file).unlink()
    error = complaint(llava)
    assert error.file == llava / file
    assert told in error.what


def test_the_models_in_a_folder_that_is_none_are_named(llava: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    llava.rename(work / "checkpoint-500")
    error = complaint(work)
    assert "may be: checkpoint-500" in error.what
    assert error.fix == f"Name one of them: {work / 'checkpoint-500'}."


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_configuration_that_is_no_json_is_named(llava: Path, content: str) -> None:
    (llava / "config.json").write_bytes(content.encode("latin-1"))
    assert complaint(llava).file == llava / "config.json"


def test_shards_load_and_a_missing_one_is_named(llava: Path) -> None:
    shards = shard(llava)
    assert len(shards) > 2
    assert shards[1].name in load_hf(str(llava), device="cpu").facts["files"]
    shards[1].unlink()
    error = complaint(llava)
    assert error.file == shards[1]
    assert f"1 of {len(shards)}" in error.what


def test_shards_without_their_index_are_told_apart_from_no_weights(llava: Path) -> None:
    shard(llava)
    (llava / "model.safetensors.index.json").unlink()
    assert complaint(llava).file == llava / "model.safetensors.index.json"


@pytest.mark.parametrize("kept", [0, 4, 100, 30_000])
def test_cut_off_weights_are_named(llava: Path, kept: int) -> None:
    file = llava / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    error = complaint(llava)
    assert error.file == file
    assert "cut off" in error.what


def test_a_git_lfs_pointer_is_no_weights(llava: Path) -> None:
    (llava / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    )
    assert "git lfs pull" in str(complaint(llava))


def test_a_missing_weight_is_named_and_never_made_up(llava: Path) -> None:
    drop_weights(llava, "language_model.model.layers.1.mlp.up_proj.weight")
    assert (
        "1 missing from the file (model.language_model.layers.1.mlp.up_proj.weight)" in complaint(llava).what
    )


def test_unknown_weights_are_named(llava: Path) -> None:
    import torch

    drop_weights(llava, **{f"extra.{number}": torch.zeros(1) for number in range(12)})
    error = complaint(llava)
    assert "12 unknown to this kind of model (extra.0, extra.1" in error.what
    assert "and 4 more" in error.what


def test_buffers_that_older_folders_save_are_harmless(llava: Path) -> None:
    import torch

    drop_weights(
        llava,
        **{
            "vision_tower.vision_model.embeddings.position_ids": torch.arange(17)[None],
            "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4),
        },
    )
    load_hf(str(llava), device="cpu")


def test_a_tied_head_need_not_be_stored(llava: Path) -> None:
    config = json.loads((llava / "config.json").read_text())
    edit_json(
        llava / "config.json",
        tie_word_embeddings=True, text_config=config["text_config"] | {"tie_word_embeddings": True},
    )  # fmt: skip
    drop_weights(llava, "language_model.lm_head.weight")
    load_hf(str(llava), device="cpu")


def test_weights_of_another_shape_are_named(llava: Path) -> None:
    config = json.loads((llava / "config.json").read_text())
    edit_json(llava / "config.json", text_config=config["text_config"] | {"intermediate_size": 48})
    assert (
        "of another shape than config.json says (model.language_model.layers.0.mlp" in complaint(llava).what
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "llama"}, "language model that takes no pictures"),
        ({"model_type": "clip"}, "`clip` is not a model that answers"),
        ({"model_type": "llava_of_2031"}, "has no model type `llava_of_2031`"),
        ({"model_type": None}, "does not state the type"),
        ({"model_type": "foreign", "auto_map": {"AutoModel": "code.Model"}}, "foreign"),
    ],
)
def test_another_kind_of_model_is_told_what_it_is(llava: Path, changes: dict[str, Any], told: str) -> None:
    edit_json(llava / "config.json", **changes)
    assert told in complaint(llava).what


def test_an_adapter_without_its_base_asks_for_it(llava: Path) -> None:
    (llava / "config.json").rename(llava / "adapter_config.json")
    (llava / "model.safetensors").rename(llava / "adapter_model.safetensors")
    told = complaint(llava)
    assert "The model that this adapter was trained on is not part of this checkpoint" in told.what
    assert "--llm DIR" in str(told.fix)


def test_an_official_folder_without_its_tower_asks_for_it(llava: Path) -> None:
    edit_json(
        llava / "config.json", mm_vision_tower="openai/clip-vit-large-patch14-336", model_type="llava_llama"
    )
    told = complaint(llava)
    assert "`openai/clip-vit-large-patch14-336`, which is not on this machine" in told.what
    assert "--vision DIR" in str(told.fix)


def test_a_whole_folder_takes_no_other_parts(llava: Path) -> None:
    with pytest.raises(UserError, match="--llm"):
        load_hf(str(llava), device="cpu", parts=Parts(llm=str(llava)))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ messages[0].content | selectattr('type', 'equalto', 'text') | list }}", "leaves pictures out"),
        ("{{ messages[0].content + ' ' }}", "fails on a question with a picture"),
        ("{% for m in messages", "fails on a question with a picture"),
    ],
)
def test_a_template_for_text_alone_is_refused(llava: Path, template: str, told: str) -> None:
    (llava / "chat_template.jinja").write_text(template)
    error = complaint(llava)
    assert error.file == llava / "chat_template.jinja"
    assert told in error.what


def test_an_image_processor_in_neither_of_its_places_is_named(llava: Path) -> None:
    edit_json(llava / "processor_config.json", image_processor=None)
    assert complaint(llava).file == llava / "preprocessor_config.json"


def test_a_damaged_tokenizer_is_a_user_error(llava: Path) -> None:
    (llava / "tokenizer.json").write_text('{"version": "1.0"}')
    assert "processor cannot be loaded (no key 'added_tokens')" in complaint(llava).what


def test_a_missing_package_is_a_user_error(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    assert "pip install num2words" in complaint(tiny_model("smolvlm")).what


def test_devices_and_dtypes_that_are_not_there(llava: Path) -> None:
    with pytest.raises(UnknownName, match="cuda"):
        load_hf(str(llava), device="kuda")
    with pytest.raises(UserError, match="a GPU's name is `cuda:1`, not `gpu:1`"):
        load_hf(str(llava), device="gpu:1")
    with pytest.raises(UnknownName, match="bfloat16"):
        load_hf(str(llava), device="cpu", dtype="bfloat61")
    with pytest.raises(ModelError, match="cuda:77"):
        load_hf(str(llava), device="cuda:77")
