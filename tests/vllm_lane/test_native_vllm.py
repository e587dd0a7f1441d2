"""A LLaVA built on InternLM or InternLM2 answers in vLLM as it does in transformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import answers, questions
from lane_models import vllm_here
from native_models import save_llava

from vlmbench.domain import Decoding
from vlmbench.models.hf.model import load_hf

LONG = Decoding(max_new_tokens=24)
# vLLM's attention on a CPU has no heads of fewer than 32 numbers, and short limits leave pictures no room.
WIDE: dict[str, Any] = {"hidden": 128, "heads": 4, "max_position_embeddings": 2048}
BUILT: dict[str, dict[str, Any]] = {
    "internlm2": {"kv_heads": 2, "rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
    "internlm": {"bias": True, "rotary": {"base": 10000, "type": "dynamic"}},
}


@pytest.fixture(scope="module", params=BUILT)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "llava"
    return save_llava(folder, request.param, **WIDE, **BUILT[request.param])


@pytest.fixture(scope="module")
def native_engine(built: Path) -> Iterator[Any]:
    with vllm_here(built) as model:
        yield model


def test_answers_are_those_of_transformers(native_engine: Any, built: Path) -> None:
    asked = questions(LONG)
    asked += [replace(r, id=f"square {r.id}", image_fit="square") for r in asked]
    ours, theirs = answers(native_engine, asked), answers(load_hf(str(built), device="cpu"), asked)
    assert not [r.error for r in theirs.values() if r.error]
    assert ours == theirs
    # Had all answers been alike, the comparison would have shown nothing.
    assert len({r.text for r in ours.values()}) > len(asked) * 0.5


def test_both_read_the_same_text(native_engine: Any, built: Path) -> None:
    hf = load_hf(str(built), device="cpu")
    assert [native_engine.render(r) for r in questions()] == [hf.render(r) for r in questions()]
