"""A model's name is the shortest end of its path that identifies it, and a folder below runs/."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.model_names import folder_before, folder_of, names_of


@pytest.mark.parametrize(
    ("typed", "name", "folder"),
    [
        ("demo", "demo", "demo"),
        ("/w/demo_dusk/model", "demo_dusk", "demo_dusk"),
        ("/w/demo_dusk/candidates/step-40", "demo_dusk/step-40", "demo_dusk/step-40"),
        ("/w/runA/checkpoint-500", "runA/checkpoint-500", "runA/checkpoint-500"),
        ("/w/runA/checkpoint-500/hf", "runA/checkpoint-500/hf", "runA/checkpoint-500/hf"),
        ("/w/llava_7b/iter_5198.pth", "llava_7b/iter_5198.pth", "llava_7b/iter_5198.pth"),
        ("/w/runA/merged/", "runA/merged", "runA/merged"),
        ("/w/llava-v1.5 (mine)", "llava-v1.5 (mine)", "llava-v1.5_mine"),
        ("/model", "model", "model"),
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        (
            "/home/me/.cache/huggingface/hub/models--llava-hf--llava-1.5-7b-hf/snapshots/0123456789abcdef",
            "llava-hf/llava-1.5-7b-hf",
            "llava-hf/llava-1.5-7b-hf",
        ),
        ("vllm:a/b", "vllm:a/b", "a/b-vllm"),
        ("vllm:/w/demo_dusk/model", "vllm:demo_dusk", "demo_dusk-vllm"),
        ("openai:Qwen/Qwen2-VL@http://10.0.0.7:8000/v1", "openai:Qwen/Qwen2-VL", "Qwen/Qwen2-VL"),
        ("echo:B", "echo:B", "echo_B"),
        ("echo:@/tmp/said.jsonl", "echo:@said.jsonl", "echo_said.jsonl"),
    ],
)
def test_a_name_says_which_model_it_is(typed: str, name: str, folder: str) -> None:
    assert names_of(typed)[0] == name
    assert folder_of(name) == Path(folder)


def test_each_longer_name_has_one_more_folder_or_the_server() -> None:
    assert names_of("/w/exp/seed1/model") == ["seed1", "exp/seed1", "w/exp/seed1"]
    assert names_of("openai:m@http://me:secret@host:8000/v1") == ["openai:m", "openai:m@host:8000"]


def test_where_it_lies_decides_what_looks_like_a_hub_id() -> None:
    assert names_of("mine/tuned") == ["mine/tuned"]
    assert names_of("mine/tuned", Path("/w/mine/tuned"))[:2] == ["tuned", "mine/tuned"]
    assert names_of("model", Path("/w/demo_dusk/model"))[0] == "demo_dusk"


@pytest.mark.parametrize(
    ("typed", "folder"),
    [
        ("a/model", "model"),
        ("llava-hf/llava", "llava"),
        ("vllm:a/b/", "b-vllm"),
        ("openai:x/y@http://h/v1", "y"),
    ],
)
def test_earlier_versions_used_the_last_component(typed: str, folder: str) -> None:
    assert folder_before(typed) == folder
