"""What `build` and `convert` write answers in vLLM as in transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import answers, questions
from lane_models import vllm_here
from llava_parts import qwen_folder, save_seeded

from vlmbench.checkpoints.build import untrained
from vlmbench.checkpoints.convert import WriteOptions, convert, write
from vlmbench.checkpoints.formats.parts import Supplied
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.vision import open_vision
from vlmbench.domain import Decoding
from vlmbench.models.hf.model import load_hf

LONG = Decoding(max_new_tokens=16)


def clip_folder(folder: Path) -> Path:
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=32,
        patch_size=8,
    )  # fmt: skip
    save_seeded(CLIPVisionModel(config), folder)
    pictures: Any = CLIPImageProcessorPil
    size = {"height": 32, "width": 32}
    pictures(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of Qwen2 and CLIP, then through the original code's layout and back."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("converted")
    # vLLM's attention on a CPU has no heads of fewer than 32 numbers.
    llm = qwen_folder(root / "qwen", width=128)
    llava = untrained(open_language(llm), open_vision(clip_folder(root / "clip")))
    write(llava, root / "built", "huggingface", WriteOptions())
    convert(root / "built", root / "official", "official", Supplied(), WriteOptions())
    convert(root / "official", root / "out", "huggingface", Supplied(), WriteOptions())
    return root / "out"


@pytest.fixture(scope="module")
def vllm(converted: Path) -> Iterator[Any]:
    with vllm_here(converted) as model:
        yield model


def test_a_converted_folder_answers_alike(vllm: Any, converted: Path) -> None:
    asked = questions(LONG)
    ours, theirs = answers(vllm, asked), answers(load_hf(str(converted), device="cpu"), asked)
    assert ours == theirs
    # Had all answers been alike, the comparison would have shown nothing.
    assert len({response.text for response in ours.values()}) > len(asked) * 0.5
