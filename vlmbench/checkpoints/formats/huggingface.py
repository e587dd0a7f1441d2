"""A folder in the published layout of transformers' LLaVA: what transformers, vLLM and LMDeploy read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import (
    finished,
    generation_settings,
    llava_config,
    processor_settings,
    published,
)
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.save import SHARD_SIZE, save_json, save_weights
from vlmbench.checkpoints.wording import with_beginning
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.weights import Weights, cast

_PROCESSOR = "LlavaProcessor"


def write_huggingface(
    llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write the model into an existing folder; `dtype` None keeps every tensor as it is stored."""
    whole = in_dtype(finished(llava), dtype)
    save_json(folder / "config.json", llava_config(whole))
    save_json(folder / "generation_config.json", generation_settings(whole.language))
    save_json(folder / "preprocessor_config.json", {**whole.vision.processor, "processor_class": _PROCESSOR})
    save_json(folder / "processor_config.json", {**processor_settings(whole), "processor_class": _PROCESSOR})
    save_tokenizer(whole.language.tokenizer, folder, chat_template=whole.chat_template)
    save_weights(published(whole), folder, shard_size=shard_size)


def in_dtype(llava: Llava, dtype: str | None) -> Llava:
    """With every floating-point weight in `dtype`, unless that is None."""
    if dtype is None:
        return llava

    def changed(weights: Weights) -> Weights:
        return cast(weights, dtype)

    return replace(
        llava,
        language=replace(llava.language, weights=changed(llava.language.weights)),
        vision=replace(llava.vision, weights=changed(llava.vision.weights)),
        projector=replace(llava.projector, weights=changed(llava.projector.weights)),
    )


def save_tokenizer(tokenizer: Any, folder: Path, *, chat_template: str | None) -> None:
    """Tokenizer and chat template, the latter also where readers before chat_template.jinja look.

    Its class is the plain one that takes tokenizer.json as it stands. A family's own class builds parts of
    the tokenizer anew from settings, and cuts text otherwise in one version of transformers than in another.
    """
    tokenizer.save_pretrained(folder)
    # Of the source's, which may know of no pictures.
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    file = folder / "tokenizer_config.json"
    settings = {key: value for key, value in read_json(file).items() if key not in _OF_THE_CLASS}
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    if chat_template is not None:
        chat_template = with_beginning(chat_template, tokenizer)
        settings["chat_template"] = chat_template
        (folder / "chat_template.jinja").write_text(chat_template, "utf-8")
        save_json(folder / "chat_template.json", {"chat_template": chat_template})
    save_json(file, settings)


_OF_THE_CLASS = (
    "add_bos_token", "add_eos_token", "add_prefix_space", "backend", "chat_template", "is_local", "legacy",
    "local_files_only", "sp_model_kwargs", "spaces_between_special_tokens", "use_default_system_prompt",
)  # fmt: skip
"""Settings that tokenizer.json already obeys, and notes of the version that wrote them."""
