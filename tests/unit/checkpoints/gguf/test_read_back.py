"""GGUF files prove themselves: read back, they answer as the source does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf_models import language_model, sentencepiece_like, tiny_llava

from vlmbench.checkpoints.convert import WriteOptions, write
from vlmbench.checkpoints.gguf.folder import read_back
from vlmbench.checkpoints.llava import Llava
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import loaded


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def speaking(**changes: Any) -> Llava:
    tokenizer = sentencepiece_like()
    return replace(tiny_llava(tokenizer), language=language_model(tokenizer, **changes)[1])


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_the_files_answer_within_the_stated_bound(kind: Any, tmp_path: Path) -> None:
    said = str(write(speaking(), tmp_path / "out", "gguf", WriteOptions(gguf_kind=kind)))
    assert f"float32 to {'float16' if kind == 'f16' else 'q8_0'}" in said


def test_what_is_float16_already_comes_back_to_the_bit(tmp_path: Path) -> None:
    half = speaking().in_dtype("float16")
    said = str(write(half, tmp_path / "out", "gguf", WriteOptions()))
    assert "every logit equal (float16)" in said
    back = read_back(half, tmp_path / "out")
    for part in ("language", "vision", "projector"):
        found, expected = loaded(getattr(back, part).weights), loaded(getattr(half, part).weights)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_files_that_hold_something_else_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmbench.checkpoints.gguf import folder as gguf

    right = gguf.write_gguf

    def wrong(llava: Llava, folder: Path, **options: Any) -> None:
        weights = dict(llava.language.weights)
        queries, keys = (f"model.layers.{layer}.self_attn.q_proj.weight" for layer in (0, 1))
        weights[queries], weights[keys] = weights[keys], weights[queries]
        right(replace(llava, language=replace(llava.language, weights=weights)), folder, **options)

    monkeypatch.setattr(gguf, "write_gguf", wrong)
    with pytest.raises(ModelError, match="the logits"):
        write(speaking(), tmp_path / "out", "gguf", WriteOptions())
    assert not (tmp_path / "out").exists()
