"""The tokenizers of InternLM and InternLM2: the ids and texts of the original classes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.checkpoints.native.llama import Family
from vlmbench.checkpoints.native.sentencepiece_file import read_sentencepiece
from vlmbench.checkpoints.native.tokenizer import build_tokenizer

GOLDEN = Path(__file__).parent / "internlm"
FAMILIES: tuple[Family, ...] = ("internlm", "internlm2")
# InternLM has a slow tokenizer only; who loads InternLM2 gets the fast one.
SPEEDS = {"internlm": "slow", "internlm2": "fast"}
DECODES = {
    "decode": ("ids", False),
    "decode_skip": ("ids", True),
    "decode_no_special": ("ids_no_special", False),
    "decode_no_special_skip": ("ids_no_special", True),
}


@cache
def tokenizer(family: Family) -> Any:
    return build_tokenizer(GOLDEN / f"tokenizer_{family}", family)


def expected(family: Family, file: str = "expected.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"tokenizer_{family}" / file).read_text("utf-8"))
    return found


def check(tested: Any, golden: dict[str, Any], speed: str) -> None:
    """Every string and id list of a golden file."""
    for case in golden["encode"]:
        text = case["text"]
        assert tested(text)["input_ids"] == case["ids"], text
        assert tested(text, add_special_tokens=False)["input_ids"] == case["ids_no_special"], text
        for name, (ids, skip) in DECODES.items():
            if skip or speed == "fast":
                assert tested.decode(case[ids], skip_special_tokens=skip) == case[name], (name, text)
    for case in golden["decode"]:
        assert tested.decode(case["ids"], skip_special_tokens=True) == case["decode_skip"]
        if speed == "fast":
            assert tested.decode(case["ids"]) == case["decode"]


@pytest.mark.parametrize("family", FAMILIES)
def test_ids_and_texts_are_those_of_the_original(family: Family) -> None:
    golden = expected(family)["tokenizers"]
    check(tokenizer(family), golden[SPEEDS[family]], SPEEDS[family])


def test_the_slow_tokenizer_of_internlm2_gives_the_same_ids() -> None:
    for case in expected("internlm2")["tokenizers"]["slow"]["encode"]:
        assert tokenizer("internlm2")(case["text"])["input_ids"] == case["ids"], case["text"]


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_and_special_tokens(family: Family) -> None:
    info = expected(family)["tokenizers"]["slow"]["info"]
    tested = tokenizer(family)
    assert len(tested) == info["len"]
    assert (tested.bos_token_id, tested.eos_token_id, tested.pad_token_id, tested.unk_token_id) == (
        1,
        2,
        2,
        0,
    )
    assert set(tested.all_special_ids) == set(info["all_special_ids"])
    for number, text in info["added_tokens"].items():
        assert tested.convert_tokens_to_ids(text) == int(number)


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_and_padding(family: Family) -> None:
    golden = expected(family)["tokenizers"][SPEEDS[family]]
    tested = tokenizer(family)
    assert tested("a", "b")["input_ids"] == golden["pair"]
    batch = golden["batch_padding"]
    texts = [tested.decode(ids, skip_special_tokens=True) for ids in batch["input_ids"]]
    padded = tested(texts, padding=True)
    assert padded["input_ids"] == batch["input_ids"]
    assert padded["attention_mask"] == batch["attention_mask"]


def test_the_name_of_a_renamed_piece_is_plain_text() -> None:
    """`[UNUSED_TOKEN_145]` in a user's question must not end his turn."""
    ids = tokenizer("internlm2")("[UNUSED_TOKEN_145]", add_special_tokens=False)["input_ids"]
    assert len(ids) > 3
    assert max(ids) < len(tokenizer("internlm2"))
    assert tokenizer("internlm2").decode(ids) == "[UNUSED_TOKEN_145]"


def test_the_first_folders_of_internlm2_get_the_six_names(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "tokenizer_internlm2" / "tokenizer.model", tmp_path)
    bare = build_tokenizer(tmp_path, "internlm2")
    golden = expected("internlm2")["tokenizers"]["fast"]
    check(bare, golden, "fast")
    assert bare.convert_tokens_to_ids("<|im_end|>") == 849


@pytest.mark.parametrize("model_type", ["llava", "llama"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_tokenizer_is_the_same_when_loaded(family: Family, model_type: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer(family).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}), "utf-8")
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    check(loaded, expected(family)["tokenizers"][SPEEDS[family]], SPEEDS[family])
    assert loaded.get_vocab() == tokenizer(family).get_vocab()
    assert loaded.all_special_ids == tokenizer(family).all_special_ids
    assert loaded.padding_side == tokenizer(family).padding_side
    assert loaded("a", "b")["input_ids"] == tokenizer(family)("a", "b")["input_ids"]


def texts() -> st.SearchStrategy[str]:
    """Anything, and often what the tokenizers treat in a way of their own; NUL is no text here."""
    odd = (
        "<s>",
        "</s>",
        "<eoa>",
        "<|im_end|>",
        "[UNUSED_TOKEN_3]",
        "——",
        "…",
        "▁",
        "  ",
        "\n\n",
        " .",
        " n't",
    )
    words = ("the", "ing", "image", "context", "你好", "ｑ", "é", "😀")
    anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
    return st.lists(st.one_of(st.sampled_from(odd + words), anything), max_size=8).map("".join)


@given(texts())
@settings(max_examples=200)
def test_text_comes_back(text: str) -> None:
    tested = tokenizer("internlm2")
    back = text.replace("▁", " ")
    assert tested.decode(tested(text, add_special_tokens=False)["input_ids"]) == back


@given(texts())
@settings(max_examples=200)
def test_text_comes_back_from_internlm_but_for_spaces_before_punctuation(text: str) -> None:
    tested = tokenizer("internlm")
    back = text.replace("▁", " ")
    for mark in (" .", " ?", " !", " ,"):
        back = back.replace(mark, mark.strip())
    back = back.replace(" ' ", "'")
    for end in ("n't", "'m", "'s", "'ve", "'re"):
        back = back.replace(f" {end}", end)
    assert tested.decode(tested(text, add_special_tokens=False)["input_ids"]) == back


@pytest.mark.parametrize("family", FAMILIES)
def test_ids_are_those_of_sentencepiece(family: Family) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    original = sentencepiece.SentencePieceProcessor(
        model_file=str(GOLDEN / f"tokenizer_{family}" / "tokenizer.model")
    )
    special = ("<s>", "</s>", "<unk>", "[UNUSED_TOKEN_14", "<|")

    @given(texts().filter(lambda text: not any(name in text for name in special)))
    @settings(max_examples=300)
    def same(text: str) -> None:
        assert tokenizer(family)(text, add_special_tokens=False)["input_ids"] == original.encode(text)

    same()


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_are_those_that_sentencepiece_reads(family: Family) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    file = GOLDEN / f"tokenizer_{family}" / "tokenizer.model"
    original = sentencepiece.SentencePieceProcessor(model_file=str(file))
    ours = read_sentencepiece(file)
    assert [(p.text, p.score) for p in ours.pieces] == [
        (original.id_to_piece(number), original.get_score(number)) for number in range(len(original))
    ]
    assert (ours.bpe, ours.byte_fallback, ours.plain) == (True, True, True)


PUBLISHED = os.environ.get("INTERNLM_TOKENIZERS")
"""A folder with internlm.model and internlm2.model as published; too large to stand here."""

if PUBLISHED:

    @pytest.mark.parametrize("family", FAMILIES)
    def test_published_files_give_the_published_ids(family: Family, tmp_path: Path) -> None:
        source = Path(str(PUBLISHED)) / f"{family}.model"
        golden = expected(family, "expected_real.json")
        assert hashlib.sha256(source.read_bytes()).hexdigest() == golden["model_sha256"]
        shutil.copy(source, tmp_path / "tokenizer.model")
        tested = build_tokenizer(tmp_path, family)
        assert len(tested) == golden["pieces"]
        check(tested, golden["tokenizers"][SPEEDS[family]], SPEEDS[family])
        if family == "internlm2":
            assert tested.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>"]) == [92542, 92543]
        else:
            assert tested.convert_tokens_to_ids(["<eoh>", "<eoa>"]) == [103027, 103028]
