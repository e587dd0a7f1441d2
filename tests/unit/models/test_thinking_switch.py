"""Whether a model thinks: chat templates are tried out, servers get the field that is documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vlmbench.errors import ModelError, UsageError
from vlmbench.models.loading import load_model
from vlmbench.models.thinking_switch import (
    ThinkingSwitch,
    read_switch,
    server_fields,
    template_values,
    with_fields,
)

ON, OFF, BUDGET = ThinkingSwitch(True), ThinkingSwitch(False), ThinkingSwitch(True, 1024)


@pytest.mark.parametrize(
    ("text", "switch"), [("on", ON), ("off", OFF), ("budget=1024", BUDGET), (None, None)]
)
def test_a_flag_names_a_switch(text: str | None, switch: ThinkingSwitch | None) -> None:
    assert read_switch(text) == switch
    assert switch is None or str(switch) == text


@pytest.mark.parametrize(
    "text", ["", "yes", "budget=", "budget=0", "budget=-1", "budget=1k", "1024", "budget=²"]
)
def test_another_word_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--thinking.*budget=1024"):
        read_switch(text)


def reads(key: str) -> Any:
    return lambda values: f"prompt {values.get(key)}"


@pytest.mark.parametrize("key", ["enable_thinking", "thinking"])
def test_a_chat_template_that_reads_the_switch_gets_it(key: str) -> None:
    assert template_values(ON, reads(key), "m") == {key: True}
    assert template_values(OFF, reads(key), "m") == {key: False}


def test_a_chat_template_that_reads_a_budget_gets_it() -> None:
    assert template_values(BUDGET, reads("thinking_budget"), "m") == {"thinking_budget": 1024}


@pytest.mark.parametrize(("switch", "key"), [(ON, "thinking_budget"), (BUDGET, "enable_thinking")])
def test_a_chat_template_that_reads_something_else_is_refused_by_name(
    switch: ThinkingSwitch, key: str
) -> None:
    with pytest.raises(ModelError, match=r"`qwen-x`.*chat template"):
        template_values(switch, reads(key), "qwen-x")


VLLM = "http://localhost:8000/v1"
FIELDS: list[tuple[str, str, str, ThinkingSwitch, Mapping[str, Any]]] = [
    ("Qwen/Qwen3.5-9B", VLLM, "vllm", OFF, {"chat_template_kwargs": {"enable_thinking": False}}),
    ("Qwen/Qwen3-8B", VLLM, "sglang", ON, {"chat_template_kwargs": {"enable_thinking": True}}),
    ("zai-org/GLM-4.5V", VLLM, "vllm", OFF, {"chat_template_kwargs": {"enable_thinking": False}}),
    ("google/gemma-4-E4B-it", VLLM, "vllm", ON, {"chat_template_kwargs": {"enable_thinking": True}}),
    ("moonshotai/Kimi-K2.5", VLLM, "vllm", OFF, {"chat_template_kwargs": {"thinking": False}}),
    ("Seed-OSS-36B", VLLM, "vllm", BUDGET, {"chat_template_kwargs": {"thinking_budget": 1024}}),
    ("deepseek-chat", "https://api.deepseek.com/v1", "deepseek", ON, {"thinking": {"type": "enabled"}}),
    ("glm-4.6v", "https://open.bigmodel.cn/api/paas/v4", "", OFF, {"thinking": {"type": "disabled"}}),
    ("kimi-k2.5", "https://api.moonshot.cn/v1", "", OFF, {"thinking": {"type": "disabled"}}),
    ("x/y", "https://openrouter.ai/api/v1", "", OFF, {"reasoning": {"enabled": False}}),
    ("x/y", "https://openrouter.ai/api/v1", "", BUDGET, {"reasoning": {"max_tokens": 1024}}),
    (
        "qwen3.5-plus",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "",
        BUDGET,
        {"enable_thinking": True, "thinking_budget": 1024},
    ),
    ("gpt-5.1", "https://api.openai.com/v1", "system", OFF, {"reasoning_effort": "none"}),
]


@pytest.mark.parametrize(("name", "url", "owner", "switch", "fields"), FIELDS)
def test_a_server_gets_its_own_field(
    name: str, url: str, owner: str, switch: ThinkingSwitch, fields: Mapping[str, Any]
) -> None:
    assert server_fields(switch, name, url, owner) == fields


@pytest.mark.parametrize(
    ("name", "url", "owner", "switch"),
    [
        ("Qwen/Qwen3-VL-8B-Thinking", VLLM, "vllm", OFF),
        ("Qwen/Qwen3-VL-8B-Instruct", VLLM, "vllm", ON),
        ("llava-hf/llava-1.5-7b-hf", VLLM, "vllm", ON),
        ("Qwen/Qwen3.5-9B", VLLM, "vllm", BUDGET),
        ("Qwen/Qwen3.5-9B", VLLM, "somebody", ON),
        ("deepseek-chat", "https://api.deepseek.com/v1", "deepseek", BUDGET),
        ("gpt-5.1", "https://api.openai.com/v1", "system", BUDGET),
        ("m", "https://notopenrouter.ai.example.com/v1", "", ON),
    ],
)
def test_a_server_without_the_switch_is_refused_by_name(
    name: str, url: str, owner: str, switch: ThinkingSwitch
) -> None:
    with pytest.raises(ModelError, match=f"`{name}` cannot be set"):
        server_fields(switch, name, url, owner)


def test_openai_is_asked_for_a_summary_of_the_thought_where_its_interface_has_one() -> None:
    there = "https://api.openai.com/v1"
    summarised = {"reasoning": {"effort": "medium", "summary": "auto"}}
    assert server_fields(ON, "gpt", there, "openai", "responses") == summarised
    assert server_fields(OFF, "gpt", there, "openai", "responses") == {"reasoning": {"effort": "none"}}
    with pytest.raises(ModelError, match="no switch of openrouter"):
        server_fields(ON, "gpt", "https://openrouter.ai/api/v1", "", "responses")


def test_gemini_is_sent_a_budget_and_anthropic_is_only_switched_off() -> None:
    there = "https://api.example.com/v1"
    config = {"thinkingConfig": {"thinkingBudget": 1024}}
    assert server_fields(BUDGET, "m", there, "", "gemini") == {"generationConfig": config}
    assert server_fields(OFF, "m", there, "", "anthropic") == {"thinking": {"type": "disabled"}}
    with pytest.raises(ModelError, match="anthropic interface has no field for on"):
        server_fields(ON, "m", there, "", "anthropic")
    body = {"generationConfig": {"temperature": 0}}
    assert with_fields(body, {"generationConfig": config}) == {
        "generationConfig": {"temperature": 0} | config
    }


def test_a_model_without_a_chat_template_is_refused() -> None:
    with pytest.raises(ModelError, match="`echo:B` cannot be set"):
        load_model("echo:B", thinking="off")
