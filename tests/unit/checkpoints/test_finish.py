"""Tokens get ids without moving one, tables grow only when they must, and folders are complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from llava_parts import BASE, golden_llava, language_folder, qwen_folder, read_json, siglip_folder, unfinished
from PIL import Image
from safetensors.torch import load_file

from vlmbench.checkpoints.assemble import assemble
from vlmbench.checkpoints.build import EMBEDDING, HEAD, new_rows, untrained, with_image_token
from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import open_llava
from vlmbench.checkpoints.vision import open_vision
from vlmbench.checkpoints.wording import with_bos
from vlmbench.errors import ModelError
from vlmbench.files.atomic import new_folder
from vlmbench.model_files.weights import in_memory, loaded, open_safetensors, save_safetensors, save_weights


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def written(llava: Llava, folder: Path, **options: Any) -> Path:
    with new_folder(folder) as aside:
        write_huggingface(llava, aside, **options)
    return folder


def test_a_tight_table_grows_by_count_to_a_multiple_of_64(tmp_path: Path) -> None:
    before = unfinished(tmp_path)
    after = with_image_token(before)
    assert len(before.language.tokenizer) == 360
    assert (after.image_token_id, after.language.tokenizer.pad_token_id) == (360, 361)
    for name in (EMBEDDING, HEAD):
        old, new = before.language.weights[name].load(), after.language.weights[name].load()
        assert new.shape == after.language.weights[name].shape == (384, 16)
        assert torch.equal(old, new[:360])
        # Around the mean of its own rows, and close to it.
        assert torch.allclose(new[360:], old.mean(0).expand(24, 16), atol=0.02)
        assert not torch.equal(new[360], new[361])
    assert after.language.config["vocab_size"] == 384
    assert torch.equal(
        with_image_token(before).language.weights[HEAD].load(), after.language.weights[HEAD].load()
    )
    assert not torch.equal(
        with_image_token(before, seed=1).language.weights[HEAD].load(), after.language.weights[HEAD].load()
    )


def test_a_roomy_table_keeps_every_row(tmp_path: Path) -> None:
    after = with_image_token(unfinished(tmp_path, "llm_roomy"))
    assert (after.image_token_id, after.language.tokenizer.pad_token_id) == (360, 361)
    assert after.language.weights[EMBEDDING].shape == (384, 16)
    assert torch.equal(
        after.language.weights[HEAD].load(), load_file(BASE / "llm_roomy/model.safetensors")[HEAD]
    )


def test_a_table_is_measured_by_its_count_and_not_by_the_last_id(tmp_path: Path) -> None:
    """With one row missing the old tool grew nothing: it compared the padding's id with the count."""
    before = unfinished(tmp_path)
    tokenizer = with_image_token(before).language.tokenizer
    one_short = in_memory(
        {
            name: torch.cat([kept.load(), kept.load()[:1]]) if name in (EMBEDDING, HEAD) else kept.load()
            for name, kept in before.language.weights.items()
        }
    )
    language = replace(before.language, weights=one_short, tokenizer=tokenizer)
    assert with_image_token(replace(before, language=language)).language.weights[EMBEDDING].shape[0] == 384


def test_finishing_twice_changes_nothing(tmp_path: Path) -> None:
    once = with_image_token(unfinished(tmp_path))
    assert with_image_token(once) is once


def test_new_rows_have_the_tables_own_spread() -> None:
    table = torch.randn(500, 8, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 9) + 5
    drawn = new_rows(table, 20_000, seed=3)
    assert torch.allclose(drawn.mean(0), table.mean(0), atol=0.01)
    assert torch.allclose(drawn.std(0) / table.std(0), torch.full((8,), 1e-5**0.5), rtol=0.05)


def test_biases_of_a_head_grow_too() -> None:
    bias = torch.arange(10.0)
    drawn = new_rows(bias, 6, seed=0)
    assert drawn.shape == (6,)
    assert torch.allclose(drawn, bias.mean().expand(6), atol=0.1)


def test_no_id_moves_in_qwen_and_its_picture_takes_the_next_one(tmp_path: Path) -> None:
    language = open_language(qwen_folder(tmp_path / "qwen"))
    before = language.tokenizer.get_vocab()
    after = untrained(language, open_vision(BASE / "clip"))
    known = after.language.tokenizer.get_vocab()
    assert after.image_token_id == max(before.values()) + 1
    assert {token: known[token] for token in before} == before
    # Its padding token is neither an end nor unknown, so it stays; the table has room, so it stays too.
    assert after.language.tokenizer.pad_token == "<|endoftext|>"
    assert after.language.weights[EMBEDDING].shape == language.weights[EMBEDDING].shape
    assert after.language.config["pad_token_id"] == before["<|endoftext|>"]
    assert after.language.generation["eos_token_id"] == [before["<|im_end|>"], before["<|endoftext|>"]]


def test_tied_tables_stay_tied_and_grow_as_one(tmp_path: Path) -> None:
    language = open_language(qwen_folder(tmp_path / "qwen", rows=None, tied=True))
    rows = language.weights[EMBEDDING].shape[0]
    llava = untrained(language, open_vision(BASE / "clip"))
    assert HEAD not in llava.language.weights
    model, _ = assemble(llava, device="cpu", dtype="float32")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.config.text_config.vocab_size == llava.language.weights[EMBEDDING].shape[0] > rows
    from transformers import AutoModelForImageTextToText

    folder = written(llava, tmp_path / "out")
    assert read_json(folder / "config.json")["tie_word_embeddings"] is True
    again: Any = AutoModelForImageTextToText.from_pretrained(folder)  # type: ignore[no-untyped-call]
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    language = open_language(qwen_folder(tmp_path / "qwen", rows=300))
    with pytest.raises(ModelError, match=r"tokenizer knows \d+ tokens .* of 300 rows"):
        untrained(language, open_vision(BASE / "clip"))


def test_a_picture_takes_as_many_tokens_as_the_tower_gives_features(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    clip = golden_llava(tmp_path)
    siglip = untrained(clip.language, open_vision(siglip_folder(tmp_path / "siglip")), template="vicuna")
    whole = replace(clip, select_strategy="full")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8))
    for name, llava, count in (("clip", clip, 4), ("siglip", siglip, 16), ("whole", whole, 5)):
        folder = written(llava, tmp_path / f"out-{name}")
        processor: Any = AutoProcessor.from_pretrained(folder, backend="pil")  # type: ignore[no-untyped-call]
        model: Any = AutoModelForImageTextToText.from_pretrained(folder)  # type: ignore[no-untyped-call]
        inputs = processor(images=picture, text="USER: <image>\nWhat? ASSISTANT:", return_tensors="pt")
        features = model.get_image_features(inputs["pixel_values"]).pooler_output
        assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == count == len(features[0])
        assert read_json(folder / "config.json")["image_seq_length"] == count
        assert model(**inputs).logits.isfinite().all()


def test_the_folder_says_all_that_readers_old_and_new_look_for(tmp_path: Path) -> None:
    llava = replace(golden_llava(tmp_path), select_layer=-3)
    folder = written(llava, tmp_path / "out")
    config, processor = (read_json(folder / f"{name}.json") for name in ("config", "processor_config"))
    assert config["vision_feature_layer"] == -3
    assert (config["image_token_index"], config["pad_token_id"]) == (360, 361)
    assert config["text_config"]["vocab_size"] == 384
    assert processor["patch_size"] == 14
    assert processor["num_additional_image_tokens"] == 1
    chat = (folder / "chat_template.jinja").read_text()
    assert chat == with_bos(str(llava.chat_template), llava.language.tokenizer)
    assert read_json(folder / "chat_template.json")["chat_template"] == chat
    assert read_json(folder / "generation_config.json") == {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 361,
    }
    assert read_json(folder / "preprocessor_config.json")["processor_class"] == "LlavaProcessor"


def test_a_conversation_begins_once_however_it_is_tokenised(tmp_path: Path) -> None:
    from transformers import AutoProcessor

    folder = written(golden_llava(tmp_path), tmp_path / "out")
    processor: Any = AutoProcessor.from_pretrained(folder, backend="pil")  # type: ignore[no-untyped-call]
    asked = [{"role": "user", "content": [{"type": "text", "text": "What?"}]}]
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    # As a server does it, and as transformers itself.
    served = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    (own,) = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=True)
    assert list(own) == served
    assert served.count(1) == 1
    assert served[0] == 1
    assert open_llava(folder).chat_template == golden_llava(tmp_path / "again").chat_template


def test_rope_is_said_in_the_old_words_too(tmp_path: Path) -> None:
    llava = untrained(open_language(qwen_folder(tmp_path / "qwen")), open_vision(BASE / "clip"))
    text = read_json(written(llava, tmp_path / "out") / "config.json")["text_config"]
    assert text["rope_theta"] == 1e6


def test_dtype_casts_every_weight_and_otherwise_each_is_kept(tmp_path: Path) -> None:
    llava = golden_llava(tmp_path)
    half = open_safetensors(written(llava, tmp_path / "half", dtype="float16") / "model.safetensors")
    kept = open_safetensors(written(llava, tmp_path / "kept") / "model.safetensors")
    assert {tensor.dtype for tensor in half.values()} == {"float16"}
    assert {tensor.dtype for tensor in kept.values()} == {"float32"}
    assert read_json(tmp_path / "half" / "config.json")["torch_dtype"] == "float16"


def test_shards_hold_what_one_file_holds(tmp_path: Path) -> None:
    weights = with_image_token(unfinished(tmp_path)).language.weights
    (tmp_path / "out").mkdir()
    save_weights(weights, tmp_path / "out", shard_size=20_000)
    files = sorted((tmp_path / "out").glob("*.safetensors"))
    index = read_json(tmp_path / "out" / "model.safetensors.index.json")
    assert len(files) > 2
    assert all(file.stat().st_size < 27_000 for file in files)
    found = {name: tensor for file in files for name, tensor in load_file(file).items()}
    assert found.keys() == weights.keys() == index["weight_map"].keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in loaded(weights).items())
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in found.values())


def test_every_kind_of_number_is_written_as_the_formats_own_library_reads_it(tmp_path: Path) -> None:
    tensors = {
        "bytes": torch.arange(3, dtype=torch.uint8), "half": torch.rand(2, 3).half(),
        "brain": torch.rand(5).bfloat16(), "whole": torch.tensor([[7]]), "none": torch.zeros(0, 4),
        "turned": torch.rand(4, 3).T, "double": torch.rand(2).double(), "scalar": torch.tensor(1.5),
    }  # fmt: skip
    save_safetensors(in_memory(tensors), tmp_path / "all.safetensors")
    found = load_file(tmp_path / "all.safetensors")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_language_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    language = open_language(language_folder("llm_tight", tmp_path / "llm"))
    other = {name: kept for name, kept in language.weights.items() if name != EMBEDDING}
    with pytest.raises(ModelError, match=r"no `model.embed_tokens.weight`"):
        untrained(replace(language, weights=other), open_vision(BASE / "clip"), template="vicuna")
