"""Settings of the engine that loads a model, by the engine's own names, and which of them vlmbench takes.

vllm:PATH     every field of vLLM's EngineArgs that is not refused below
PATH          keywords of transformers' from_pretrained, listed in `OF_TRANSFORMERS`

What may change an answer is locked with the run; what only moves memory or time is recorded beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import UnknownName, UsageError
from vlmbench.files.json_files import parse_json, parse_yaml

EngineArgs = Mapping[str, Any]
"""Settings by the engine's names, values as JSON has them."""
FLAG = "--engine-arg"
OF_TRANSFORMERS = (
    "attn_implementation",
    "device_map",
    "disable_mmap",
    "experts_implementation",
    "fusion_config",
    "max_memory",
    "offload_buffers",
    "offload_folder",
    "quantization_config",
)
_MODEL = "`--model` names the files that a run is locked to"
_PICTURES = "use --min-pixels, --max-pixels, --tiles or --resample"
_DECODING = "use --decoding or --set-decoding"
_CODE = "it would run code that the model's files do not come with"
_BY_VLMBENCH = "vlmbench sets it itself"
REFUSED = {
    **dict.fromkeys(("dtype", "torch_dtype"), "use --dtype"),
    **dict.fromkeys(("trust_remote_code", "allow_all_kernels"), "use --trust-remote-code"),
    **dict.fromkeys(("seed",), "use --seed"),
    **dict.fromkeys(("tensor_parallel_size", "tp_size", "tp_plan", "device_mesh"), "use --tensor-parallel"),
    **dict.fromkeys(("data_parallel_size", "device_ids", "distributed_config"), "use --devices"),
    **dict.fromkeys(("max_num_seqs",), "use --batch-size"),
    **dict.fromkeys(("mm_processor_kwargs", "hf_overrides"), _PICTURES),
    **dict.fromkeys(("generation_config", "override_generation_config"), _DECODING),
    **dict.fromkeys(
        (
            "model", "model_weights", "tokenizer", "config", "state_dict", "revision", "code_revision",
            "subfolder", "tokenizer_revision", "variant", "use_safetensors", "gguf_file", "hf_config_path",
            "key_mapping", "load_format", "config_format", "adapter_kwargs", "default_mm_loras",
            "ignore_patterns",
            "ignore_mismatched_sizes", "weights_only", "model_class_overrides",
        ),
        _MODEL,
    ),
    **dict.fromkeys(
        (
            "worker_cls", "worker_extension_cls", "scheduler_cls", "logits_processors", "io_processor_plugin",
            "reasoning_parser_plugin", "use_kernels", "kernel_config",
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            "output_loading_info", "token", "hf_token", "cache_dir", "download_dir", "force_download",
            "proxies", "local_files_only", "runner", "convert", "skip_tokenizer_init", "tokenizer_mode",
            "disable_log_stats", "use_tqdm_on_load", "video_pruning_rate", "video_pruning_method",
            "mm_encoder_only", "language_model_only", "mm_device_do_normalize", "mm_processor_device",
            "watermark_config",
        ),
        _BY_VLMBENCH,
    ),
}  # fmt: skip
"""Names that would break what a run promises, of both engines, and what does it instead."""
MEMORY_AND_TIME = frozenset(
    (
        "cpu_offload_gb", "device_map", "disable_mmap", "gpu_memory_utilization", "kv_cache_memory_bytes",
        "kv_offloading_size", "limit_mm_per_prompt", "max_memory", "max_model_len", "max_num_batched_tokens",
        "max_parallel_loading_workers", "mm_processor_cache_gb", "mm_processor_cache_type",
        "num_gpu_blocks_override", "offload_buffers", "offload_folder", "renderer_num_workers",
        "shutdown_timeout", "skip_mm_profiling",
    )
)  # fmt: skip
"""Names that change no answer: a question that does not fit is an error of its row, never a wrong answer."""
_KERNELS = ("attn_implementation", "experts_implementation")


def typed_engine_args(items: Iterable[str]) -> dict[str, Any]:
    """Settings typed as KEY=VALUE, each once; a value is what it is in JSON or YAML, else text."""
    found: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(
                f"`{item}` sets nothing.", key=FLAG, fix="Write KEY=VALUE: gpu_memory_utilization=0.8"
            )
        if name in found:
            raise UsageError(f"`{name}` is set twice.", key=FLAG, fix="Leave out one of the two.")
        found[name] = _typed(value)
    return found


def _typed(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        pass
    import yaml

    try:
        value = parse_yaml(text)
        json.dumps(value)
    except (yaml.YAMLError, TypeError, ValueError):  # a date, for one, is text
        return text
    return text if value is None else value


def check_engine_args(given: EngineArgs, kind: str, *, trust_remote_code: bool = False) -> None:
    """Refuse settings for what has no engine here, and those that belong to flags of their own.

    `kind` is what stands before the colon of a model's name; any other than `vllm` is transformers.
    """
    from vlmbench.models.loading import SERVED

    if not given:
        return
    if kind in SERVED or kind == "echo":
        why = "runs where it was started" if kind in SERVED else "is no engine"
        fix = "Set this where the server is started." if kind in SERVED else f"Leave {FLAG} out."
        raise UsageError(f"what answers `{kind}:` {why}.", key=FLAG, fix=fix)
    for name in given:
        if name in REFUSED:
            raise UsageError(f"`{name}` is not handed through: {REFUSED[name]}.", key=FLAG)
    if kind != "vllm":
        _check_names(given, OF_TRANSFORMERS, "setting of from_pretrained", "`vllm:PATH` has vLLM's settings.")
        for name in _KERNELS:
            if "/" in str(given.get(name)) and not trust_remote_code:
                raise UsageError(
                    f"`{given[name]}` is code from the hub.", key=FLAG, fix="--trust-remote-code runs it."
                )


def check_vllm_args(given: EngineArgs) -> None:
    """Refuse names that this vLLM has not, with the nearest that it has."""
    if given:
        from dataclasses import fields

        from vllm import EngineArgs as Known

        names = [field.name for field in fields(Known) if field.name not in REFUSED]
        _check_names(
            given, names, "setting of vLLM's EngineArgs", "Without `vllm:` a model has transformers'."
        )


def _check_names(given: EngineArgs, known: Iterable[str], what: str, fix: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            raise UnknownName(what, name, known, fix=fix)


def of_transformers(given: EngineArgs) -> dict[str, Any]:
    """Keywords of from_pretrained; JSON has no whole numbers as keys, and `max_memory` counts devices."""
    found = dict(given)
    if isinstance(memory := found.get("max_memory"), Mapping):
        found["max_memory"] = {int(key) if str(key).isdigit() else key: kept for key, kept in memory.items()}
    return found


def engine_facts(given: EngineArgs) -> dict[str, Any]:
    """What a run is locked to: the settings that may change an answer, if there are any."""
    locked = {name: given[name] for name in sorted(given) if name not in MEMORY_AND_TIME}
    return {"engine": locked} if locked else {}


def refuse_put_together(given: EngineArgs, source: Path) -> None:
    """Refuse settings of from_pretrained for a checkpoint in parts, which is put together without it."""
    if given:
        raise UsageError(
            "this checkpoint is read in parts, and from_pretrained does not load it.",
            file=source,
            key=FLAG,
            fix="`vlmbench convert` makes a folder of it that takes them.",
        )
