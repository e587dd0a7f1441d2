"""The tokenizer in a GGUF file cuts text as the one it was made of."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from gguf_models import SPACE, TEXTS, sentencepiece_like, tiny_llava
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import make_tokenizer

from vlmbench.checkpoints.gguf.folder import write_gguf
from vlmbench.checkpoints.gguf.vocabulary import (
    _LLAMA3,
    _QWEN2,
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    vocabulary,
)
from vlmbench.errors import ModelError


def keys(tokenizer: Any, folder: Path, **changes: Any) -> dict[str, Any]:
    """The keys of a model's file with that tokenizer."""
    write_gguf(tiny_llava(tokenizer, **changes), folder, name="tiny")
    return {name: field.contents() for name, field in GGUFReader(folder / "tiny-f16.gguf").fields.items()}


def cut_by_scores(text: str, tokens: list[str], scores: list[float]) -> list[int]:
    """As llama.cpp does it: the two neighbours that make the token of the best score are joined first."""
    ids = {token: number for number, token in enumerate(tokens)}
    parts = list(text.replace(" ", SPACE))
    while True:
        joined = [
            (-scores[ids[left + right]], place)
            for place, (left, right) in enumerate(itertools.pairwise(parts))
            if left + right in ids
        ]
        if not joined:
            break
        _, place = min(joined)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    found: list[int] = []
    for part in parts:
        found += [ids[part]] if part in ids else [ids[f"<0x{byte:02X}>"] for byte in part.encode()]
    return found


@pytest.fixture(scope="module")
def pieces() -> tuple[Any, Any]:
    tokenizer = sentencepiece_like(user_defined=("<eoa>",))
    return tokenizer, vocabulary(tokenizer)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.sampled_from("abcdehinorstw WIA.?'é猫🙂\n"), max_size=40))
def test_scores_cut_text_as_the_merges_do(pieces: tuple[Any, Any], text: str) -> None:
    tokenizer, words = pieces
    expected = tokenizer.encode(text, add_special_tokens=False)
    assert cut_by_scores(text, list(words.tokens), list(words.scores)) == expected


def test_a_sentencepiece_like_tokenizer_comes_back(tmp_path: Path) -> None:
    tokenizer = sentencepiece_like(user_defined=("<eoa>",))
    found = keys(tokenizer, tmp_path, wording="internlm_chat")
    tokens, kinds = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    assert found["tokenizer.ggml.model"] == "llama"
    assert tokens == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert found["tokenizer.ggml.scores"] == list(vocabulary(tokenizer).scores)
    by_kind = {kind: [t for t, k in zip(tokens, kinds, strict=True) if k == kind] for kind in set(kinds)}
    assert by_kind[UNKNOWN] == ["<unk>"]
    assert by_kind[CONTROL] == ["<s>", "</s>", "<image>"]
    assert by_kind[USER_DEFINED] == ["<eoa>"]
    assert len(by_kind[BYTE]) == 256
    assert set(by_kind) == {UNKNOWN, CONTROL, USER_DEFINED, BYTE, NORMAL}
    assert found["tokenizer.ggml.add_space_prefix"] is False
    assert found["tokenizer.ggml.eot_token_id"] == tokenizer.convert_tokens_to_ids("<eoa>")
    assert found["tokenizer.ggml.unknown_token_id"] == 0
    prefixed = keys(sentencepiece_like(prefix=True), tmp_path / "prefixed")
    assert prefixed["tokenizer.ggml.add_space_prefix"] is True


def test_a_byte_level_tokenizer_comes_back(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = make_tokenizer("<image>")
    found = keys(tokenizer, tmp_path)
    assert "tokenizer.ggml.scores" not in found
    ids = {token: number for number, token in enumerate(found["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ")) for merge in found["tokenizer.ggml.merges"]]
    again = Tokenizer(models.BPE(ids, merges))
    again.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    again.decoder = decoders.ByteLevel()
    for text in TEXTS:
        assert again.encode(text).ids == tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize(
    ("regex", "ignore_merges", "name"),
    [(_LLAMA3, True, "llama-bpe"), (_LLAMA3, False, "smaug-bpe"), (_QWEN2, False, "qwen2")],
)
def test_how_text_is_split_has_a_name(regex: str, ignore_merges: bool, name: str) -> None:
    from tokenizers import Regex, pre_tokenizers

    tokenizer = make_tokenizer()
    split = pre_tokenizers.Split(Regex(regex), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.backend_tokenizer.model.ignore_merges = ignore_merges
    assert vocabulary(tokenizer).pre == name


def test_rows_without_a_token_are_named(tmp_path: Path) -> None:
    tokenizer = make_tokenizer("<image>")
    found = keys(tokenizer, tmp_path, vocab_size=len(tokenizer) + 3)
    assert found["tokenizer.ggml.tokens"][-3:] == [f"[PAD{len(tokenizer) + row}]" for row in range(3)]
    assert found["tokenizer.ggml.token_type"][-3:] == [UNUSED] * 3
    assert found["llama.vocab_size"] == len(tokenizer) + 3


def test_a_tokenizer_larger_than_the_table_is_refused(tmp_path: Path) -> None:
    llava = tiny_llava(make_tokenizer("<image>"))
    language = replace(llava.language, tokenizer=make_tokenizer("<image>", "<another>"))
    with pytest.raises(ModelError, match="rows"):
        write_gguf(replace(llava, language=language), tmp_path)


def test_merges_that_no_scores_can_express_are_refused() -> None:
    import json

    from tokenizers import Tokenizer

    tokenizer = sentencepiece_like()
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    longest = max(whole["model"]["merges"], key=lambda pair: len(pair[0] + pair[1]))
    whole["model"]["merges"].remove(longest)
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(whole))
    with pytest.raises(ModelError, match="scores"):
        vocabulary(tokenizer)


def test_a_tokenizer_that_changes_text_first_is_refused() -> None:
    from tokenizers import normalizers, pre_tokenizers

    lower = make_tokenizer()
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(ModelError, match="normaliser"):
        vocabulary(lower)
    words = make_tokenizer()
    words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ModelError, match="GPT-2"):
        vocabulary(words)
