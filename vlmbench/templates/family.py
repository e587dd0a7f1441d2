"""Which template a family of language models is trained in."""

from __future__ import annotations

from collections.abc import Collection

from vlmbench.templates.table import TEMPLATES

_SIGNS = (
    ("<|eot_id|>", "llama3_chat"), ("<eoa>", "internlm_chat"), ("<start_of_turn>", "gemma"),
    ("<|END_OF_TURN_TOKEN|>", "cohere_chat"), ("<reserved_106>", "baichuan2_chat"),
)  # fmt: skip
"""A token that one family alone has."""
_TYPES = {
    "qwen2": "qwen_chat", "qwen2_moe": "qwen_chat", "qwen3": "qwen_chat", "internlm2": "internlm2_chat",
    "internlm": "internlm_chat", "mistral": "mistral", "mixtral": "mixtral", "gemma": "gemma",
    "phi3": "phi3_chat", "minicpm": "minicpm", "deepseek_v2": "deepseek_v2", "llama": "vicuna",
}  # fmt: skip


def family_template(kind: str, known: Collection[str]) -> str | None:
    """The template of a language model's family, told by the tokens it knows and then by its `model_type`."""
    if "<|im_end|>" in known:
        return "qwen_chat" if kind.startswith("qwen") else "internlm2_chat"
    if "<|end|>" in known and "<|user|>" in known:
        return "phi3_chat"
    found = next((name for token, name in _SIGNS if token in known), _TYPES.get(kind))
    return found if found in TEMPLATES else None
