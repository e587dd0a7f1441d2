"""Hugging Face's LLaVA folders, which transformers, vLLM and LMDeploy read.

Both namings of the weights are read, the published one and the newest; the published one is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import generation_settings, llava_config, processor_settings, published
from vlmbench.checkpoints.build import with_image_token
from vlmbench.checkpoints.fit import refuse_quantised
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Supplied, in_parts, joined, refuse_own
from vlmbench.checkpoints.language import language_of, save_tokenizer
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector
from vlmbench.checkpoints.vision import completed, picture_settings, tower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.weights import (
    SHARD_SIZE,
    Weights,
    open_weights,
    save_json,
    save_weights,
    without_buffers,
)

_PROCESSOR = "LlavaProcessor"


def read_huggingface(folder: Path, supplied: Supplied, weights: Weights | None = None) -> OpenedCheckpoint:
    """The model of a folder; `weights` replace the folder's own."""
    refuse_own(supplied.llm, "--llm", "a language model", folder)
    refuse_own(supplied.vision, "--vision", "a vision tower", folder)
    config = read_json(folder / "config.json")
    _check(config, folder)
    full = completed(_llava, {key: value for key, value in config.items() if key != "model_type"}, folder)
    parts = in_parts(
        without_buffers(open_weights(folder) if weights is None else weights),
        folder,
        fix="Compare config.json and the weights with the model's source.",
    )
    tied = bool(full["text_config"].get("tie_word_embeddings") or config.get("tie_word_embeddings"))
    language = language_of(full["text_config"] | {"tie_word_embeddings": tied}, parts["language"], folder)
    token = _image_token(full)
    llava = joined(
        language,
        tower(full["vision_config"], parts["vision"], picture_settings(folder), folder),
        Projector(weights=parts["projector"]),
        folder,
        select_layer=int(full["vision_feature_layer"]),
        select_strategy=str(full["vision_feature_select_strategy"]),
        image_token_id=token,
        image_token=_spelled(language, token, folder),
    )
    return OpenedCheckpoint(llava=llava, sources={"": folder})


def write_huggingface(
    llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write the model into an existing folder; `dtype` None keeps every tensor as it is stored."""
    whole = with_image_token(llava).in_dtype(dtype)
    save_json(folder / "config.json", llava_config(whole))
    save_json(folder / "generation_config.json", generation_settings(whole.language))
    save_json(folder / "preprocessor_config.json", {**whole.vision.processor, "processor_class": _PROCESSOR})
    save_json(folder / "processor_config.json", {**processor_settings(whole), "processor_class": _PROCESSOR})
    save_tokenizer(whole.language.tokenizer, folder, chat_template=whole.chat_template)
    save_weights(published(whole), folder, shard_size=shard_size)


def _image_token(config: Mapping[str, Any]) -> int:
    """Later transformers call it `image_token_id`."""
    return int(config["image_token_id"] if "image_token_id" in config else config["image_token_index"])


def _spelled(language: LanguageModel, token: int, folder: Path) -> str:
    """The image token as text."""
    known = {number: text for text, number in language.tokenizer.get_vocab().items()}
    if token not in known:
        raise ModelError(
            f"the tokenizer has no token {token}, which config.json names as the image token.",
            file=folder / "config.json",
            key="image_token_index",
            fix="Copy the tokenizer's files from the model's source.",
        )
    return str(known[token])


def _llava(**settings: Any) -> Any:
    from transformers import LlavaConfig

    return LlavaConfig(**settings)


def _check(config: Mapping[str, Any], folder: Path) -> None:
    file = folder / "config.json"
    kind = config.get("model_type")
    if kind != "llava":
        raise ModelError(
            f"`{kind}` is not a LLaVA, so vlmbench cannot take its parts apart.",
            file=file,
            key="model_type",
            fix="Such a model runs as it is (`vlmbench run --model DIR`), and cannot be converted.",
        )
    refuse_quantised(config, folder, "--model")
    if not isinstance(config.get("vision_feature_layer", -2), int):
        raise ModelError(
            "the projector gets several layers of the vision tower, which no other layout can express.",
            file=file,
            key="vision_feature_layer",
        )
    if config.get("projector_hidden_act", "gelu") != "gelu":
        raise ModelError(
            f"vlmbench reads projectors with gelu; this one has {config['projector_hidden_act']}.",
            file=file,
            key="projector_hidden_act",
        )
