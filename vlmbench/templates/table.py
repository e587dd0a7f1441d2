"""The 26 templates of published LLaVA-like models, under the names their users know, and whose is whose."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from vlmbench.errors import UnknownName
from vlmbench.templates.template import Template

_FAMILIES = (
    Template(
        name="default",
        instruction="<|User|>:{input}\n<|Bot|>:",
        system="<|System|>:{system}\n",
        separator="\n",
    ),
    Template(
        name="zephyr",
        instruction="<|user|>\n{input}\n<|assistant|>\n",
        system="<|system|>\n{system}\n",
        separator="\n",
    ),
    Template(
        name="internlm_chat",
        instruction="<|User|>:{input}<eoh>\n<|Bot|>:",
        system="<|System|>:{system}\n",
        suffix="<eoa>",
        suffix_ends=True,
        separator="\n",
        stop_words=("<eoa>",),
    ),
    Template(
        name="internlm2_chat",
        instruction="<|im_start|>user\n{input}<|im_end|>\n<|im_start|>assistant\n",
        system="<|im_start|>system\n{system}<|im_end|>\n",
        suffix="<|im_end|>",
        suffix_ends=True,
        separator="\n",
        stop_words=("<|im_end|>",),
    ),
    Template(
        name="moss_sft",
        instruction="<|Human|>: {input}<eoh>\n",
        system="{system}\n",
        separator="\n",
        stop_words=(
            "<eoc>",
            "<eom>",
        ),
    ),
    Template(
        name="llama2_chat",
        instruction="[INST] {input} [/INST]",
        system=(
            "[INST] <<SYS>>\n"
            " You are a helpful, respectful and honest assistant. Always answer as helpfully as "
            "possible, while being safe. Your answers should not include any harmful, unethical, "
            "racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses "
            "are socially unbiased and positive in nature.\n{system}\n<</SYS>>\n [/INST] "
        ),
        separator="\n",
    ),
    Template(
        name="code_llama_chat",
        instruction="[INST] {input} [/INST]",
        system="{system}\n",
    ),
    Template(
        name="chatglm2",
        instruction="[Round {round}]\n\n问：{input}\n\n答：",
        system="{system}\n",
        separator="\n\n",
    ),
    Template(
        name="chatglm3",
        instruction="<|user|>\n{input}<|assistant|>\n",
        system="<|system|>\n{system}",
        separator="\n",
    ),
    Template(
        name="qwen_chat",
        instruction="<|im_start|>user\n{input}<|im_end|>\n<|im_start|>assistant\n",
        system="<|im_start|>system\n{system}<|im_end|>\n",
        suffix="<|im_end|>",
        suffix_ends=True,
        separator="\n",
        stop_words=(
            "<|im_end|>",
            "<|endoftext|>",
        ),
    ),
    Template(
        name="baichuan_chat",
        instruction="<reserved_102>{input}<reserved_103>",
        system="{system}\n",
        separator="\n",
    ),
    Template(
        name="baichuan2_chat",
        instruction="<reserved_106>{input}<reserved_107>",
        system="{system}\n",
        separator="\n",
    ),
    Template(
        name="vicuna",
        instruction="USER: {input} ASSISTANT:",
        system=(
            "A chat between a curious user and an artificial intelligence assistant. The assistant "
            "gives helpful, detailed, and polite answers to the user's questions. {system}\n "
        ),
        separator="\n",
    ),
    Template(
        name="wizardcoder",
        instruction="### Instruction:\n{input}\n\n### Response:",
        system=(
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n{system}\n "
        ),
        separator="\n\n",
    ),
    Template(
        name="deepseek_coder",
        instruction="### Instruction:\n{input}\n### Response:\n",
        system=(
            "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by "
            "DeepSeekCompany, and you only answer questions related to computer science. For "
            "politically sensitive questions, security and privacy issues, and other non-computer "
            "science questions, you will refuse to answer. {system}\n"
        ),
        separator="\n",
    ),
    Template(
        name="mistral",
        instruction="[INST] {input} [/INST]",
        system="[INST] {system} [/INST]\n",
        separator="\n",
    ),
    Template(
        name="deepseek_v2",
        instruction="User: {input}\n\nAssistant: ",
        system="{system}\n\n",
        suffix="<｜end▁of▁sentence｜>",
        suffix_ends=True,
        stop_words=("<｜end▁of▁sentence｜>",),
    ),
    Template(
        name="minicpm",
        instruction="<用户> {input} <AI>",
        separator="\n",
    ),
    Template(
        name="gemma",
        instruction="<start_of_turn>user\n{input}<end_of_turn>\n<start_of_turn>model\n",
        system="<start_of_turn>system\n{system}<end_of_turn>\n",
        suffix="<end_of_turn>",
        separator="\n",
        stop_words=("<end_of_turn>",),
    ),
    Template(
        name="cohere_chat",
        instruction=(
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{input}<|END_OF_TURN_TOKEN|><|START_OF_TURN"
            "_TOKEN|><|CHATBOT_TOKEN|>"
        ),
        system="<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{system}<|END_OF_TURN_TOKEN|>",
        suffix="<|END_OF_TURN_TOKEN|>",
        suffix_ends=True,
        stop_words=("<|END_OF_TURN_TOKEN|>",),
    ),
    Template(
        name="llama3_chat",
        instruction=(
            "<|start_header_id|>user<|end_header_id|>\n"
            "\n{input}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        system="<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>",
        suffix="<|eot_id|>",
        suffix_ends=True,
        stop_words=("<|eot_id|>",),
    ),
    Template(
        name="phi3_chat",
        instruction="<|user|>\n{input}<|end|>\n<|assistant|>\n",
        system="<|system|>\n{system}<|end|>\n",
        suffix="<|end|>",
        suffix_ends=True,
        separator="\n",
        stop_words=("<|end|>",),
    ),
)

_SAME = {
    "wizardlm": "vicuna",
    "deepseekcoder": "deepseek_coder",
    "deepseek_moe": "mistral",
    "mixtral": "mistral",
}
"""Second names of a template: the tools that made the models list both."""

TEMPLATES: dict[str, Template] = {family.name: family for family in _FAMILIES}
"""By name."""
TEMPLATES |= {name: replace(TEMPLATES[other], name=name) for name, other in _SAME.items()}

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


def template(name: str) -> Template:
    """The template of that name."""
    if name not in TEMPLATES:
        raise UnknownName("template", name, TEMPLATES)
    return TEMPLATES[name]


def family_template(kind: str, known: Collection[str]) -> str | None:
    """The template of a language model's family, found by its special tokens or else its `model_type`."""
    if "<|im_end|>" in known:
        return "qwen_chat" if kind.startswith("qwen") else "internlm2_chat"
    if "<|end|>" in known and "<|user|>" in known:
        return "phi3_chat"
    found = next((name for token, name in _SIGNS if token in known), _TYPES.get(kind))
    return found if found in TEMPLATES else None


SYSTEM_TEXTS: dict[str, str] = {
    "moss_sft": (
        "You are an AI assistant whose name is {bot_name}.\n"
        "Capabilities and tools that {bot_name} can possess.\n"
        "- Inner thoughts: enabled.\n"
        "- Web search: enabled. API: Search(query)\n"
        "- Calculator: enabled. API: Calculate(expression)\n"
        "- Equation solver: enabled. API: Solve(equation)\n"
        "- Text-to-image: disabled.\n- Image edition: disabled.\n- Text-to-speech: disabled.\n"
    ),
    "alpaca": (
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n"
    ),
    "arxiv_gentile": (
        "If you are an expert in writing papers, please generate a good paper title for this "
        "paper based on other authors' descriptions of their abstracts.\n"
    ),
    "colorist": (
        "You are a professional color designer. Please provide the corresponding colors based on "
        "the description of Human.\n"
    ),
    "coder": (
        "You are a professional programer. Please provide the corresponding code based on the "
        "description of Human.\n"
    ),
    "lawyer": "你现在是一名专业的中国律师，请根据用户的问题给出准确、有理有据的回复。\n",
    "medical": "如果你是一名医生，请根据患者的描述回答医学问题。\n",
    "sql": (
        "If you are an expert in SQL, please generate a good SQL Query for Question based on the "
        "CREATE TABLE statement.\n"
    ),
}
"""System texts that go by a name; `{bot_name}` is the assistant's."""
