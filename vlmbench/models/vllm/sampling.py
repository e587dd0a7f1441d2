"""A decoding as vLLM says it: token ids in, token ids out, nothing from the checkpoint but where to stop."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlmbench.domain import Request
from vlmbench.errors import ModelError
from vlmbench.models.hf.generate import checkpoint_settings, end_answers

_NEVER = -100.0
_NO_COUNTERPART = ("begin_suppress_tokens", "forced_bos_token_id")


def settings_of(folder: Path, config: Any, tokenizer: Any, stops: Sequence[int] = ()) -> dict[str, Any]:
    """The checkpoint's token ids for generation, as `hf` reads them once the weights are loaded.

    `stops` end an answer, too.
    """
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        told = GenerationConfig.from_pretrained(folder)
    else:
        told = GenerationConfig.from_model_config(config)
    end_answers(told, stops)
    settings = checkpoint_settings(SimpleNamespace(generation_config=told, config=config), tokenizer)
    for name in _NO_COUNTERPART:
        if name in settings:
            raise ModelError(
                "vLLM has no counterpart to this setting.",
                file=folder / "generation_config.json",
                key=name,
                fix="Run the model without `vllm:`.",
            )
    return settings


def check_decoding(request: Request) -> None:
    """Refuse what vLLM cannot do."""
    if request.decoding.num_beams > 1:
        raise ModelError("vLLM cannot search with beams.", fix="Run the model without `vllm:`.")


def sampling(request: Request, settings: Mapping[str, Any], **more: Any) -> Any:
    """vLLM's SamplingParams for a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    decoding = request.decoding
    how: dict[str, Any] = {"temperature": 0.0}
    if decoding.do_sample:
        seed = zlib.crc32(f"{decoding.seed} {request.id}".encode("utf-8", "replace"))
        how = {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": seed}
    never = settings.get("suppress_tokens") or ()
    told = {
        "max_tokens": decoding.max_new_tokens,
        # Every token that ends an answer is in the list; vLLM is not to add any.
        "stop_token_ids": settings["eos_token_id"],
        "ignore_eos": True,
        "logit_bias": dict.fromkeys(never, _NEVER) or None,
        # Decoded here, as every answer is.
        "detokenize": False,
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }
    return SamplingParams(**how, **(told | more))
