"""`--engine-arg`: how values are typed, which names an engine takes, and what a run is locked to."""

from __future__ import annotations

import pytest

from vlmbench.errors import UnknownName, UsageError
from vlmbench.models.engine_args import check_engine_args, engine_facts, of_transformers, typed_engine_args


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.8", 0.8),
        ("1e-3", 0.001),
        ("4096", 4096),
        ("true", True),
        ("eager", "eager"),
        ("fp8_e5m2", "fp8_e5m2"),
        ('{"image": 4}', {"image": 4}),
        ("{image: 4}", {"image": 4}),
        ("2026-01-01", "2026-01-01"),
        ("[a", "[a"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_what_it_is_in_json_or_yaml(typed: str, value: object) -> None:
    assert typed_engine_args([f"x={typed}"]) == {"x": value}


@pytest.mark.parametrize("items", [["x"], ["=1"], ["x=1", "x=2"]])
def test_an_item_that_sets_nothing_or_twice_is_refused(items: list[str]) -> None:
    with pytest.raises(UsageError, match="--engine-arg"):
        typed_engine_args(items)


@pytest.mark.parametrize(
    ("name", "kind", "flag"),
    [
        ("dtype", "demo", "--dtype"),
        ("trust_remote_code", "vllm", "--trust-remote-code"),
        ("seed", "vllm", "--seed"),
        ("model", "vllm", "--model"),
        ("revision", "demo", "--model"),
        ("tensor_parallel_size", "vllm", "--tensor-parallel"),
        ("max_num_seqs", "vllm", "--batch-size"),
        ("override_generation_config", "vllm", "--set-decoding"),
        ("hf_overrides", "vllm", "--max-pixels"),
        ("worker_cls", "vllm", "code"),
    ],
)
def test_what_has_a_flag_of_its_own_is_refused_with_it(name: str, kind: str, flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        check_engine_args({name: 1}, kind)


@pytest.mark.parametrize("kind", ["openai", "responses", "anthropic", "gemini"])
def test_a_server_has_its_settings_where_it_was_started(kind: str) -> None:
    with pytest.raises(UsageError, match="where the server is started"):
        check_engine_args({"max_model_len": 1}, kind)


def test_a_name_that_transformers_has_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean attn_implementation"):
        check_engine_args({"attn_implementaton": "eager"}, "demo")


def test_attention_of_the_hub_is_code_and_needs_the_flag() -> None:
    hub = {"attn_implementation": "kernels-community/flash-attn"}
    with pytest.raises(UsageError, match="--trust-remote-code"):
        check_engine_args(hub, "demo")
    check_engine_args(hub, "demo", trust_remote_code=True)


def test_only_what_may_change_an_answer_is_locked() -> None:
    given = {"gpu_memory_utilization": 0.5, "kv_cache_dtype": "fp8", "max_model_len": 512}
    assert engine_facts(given) == {"engine": {"kv_cache_dtype": "fp8"}}
    assert engine_facts({"device_map": "auto"}) == {}


def test_devices_are_numbers_again() -> None:
    assert of_transformers({"max_memory": {"0": "1GiB", "cpu": "2GiB"}}) == {
        "max_memory": {0: "1GiB", "cpu": "2GiB"}
    }
