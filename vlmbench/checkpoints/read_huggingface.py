"""Hugging Face's LLaVA folders, in the published naming and in the newest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.fit import listed, refuse_quantised, without_buffers
from vlmbench.checkpoints.formats.parts import Given, Reading, language_of, refuse, whole
from vlmbench.checkpoints.llava import LanguageModel, Projector
from vlmbench.checkpoints.read_names import in_parts
from vlmbench.checkpoints.vision import completed, picture_settings, tower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.shards import open_weights
from vlmbench.model_files.weights import Weights


def read_huggingface(folder: Path, given: Given, weights: Weights | None = None) -> Reading:
    """The model of a folder; `weights` stand for the folder's own where they lie elsewhere."""
    refuse(given.llm, "--llm", "a language model", folder)
    refuse(given.vision, "--vision", "an image encoder", folder)
    config = read_json(folder / "config.json")
    _check(config, folder)
    full = completed(_llava, {key: value for key, value in config.items() if key != "model_type"}, folder)
    parts, strange = in_parts(without_buffers(open_weights(folder) if weights is None else weights))
    if strange:
        raise ModelError(
            f"the weights do not fit: {listed(strange, 'unknown to a LLaVA')}.",
            file=folder,
            fix="Compare config.json and the weights with the model's source.",
        )
    tied = bool(full["text_config"].get("tie_word_embeddings") or config.get("tie_word_embeddings"))
    language = language_of(full["text_config"] | {"tie_word_embeddings": tied}, parts["language"], folder)
    token = _image_token(full)
    llava = whole(
        language,
        tower(full["vision_config"], parts["vision"], picture_settings(folder), folder),
        Projector(weights=parts["projector"]),
        folder,
        select_layer=int(full["vision_feature_layer"]),
        select_strategy=str(full["vision_feature_select_strategy"]),
        image_token_id=token,
        image_token=_spelled(language, token, folder),
    )
    return Reading(llava=llava, sources={"": folder})


def _image_token(config: Mapping[str, Any]) -> int:
    """Later transformers call it `image_token_id`."""
    return int(config["image_token_id"] if "image_token_id" in config else config["image_token_index"])


def _spelled(language: LanguageModel, token: int, folder: Path) -> str:
    """How the tokenizer writes the mark of a picture."""
    known = {number: text for text, number in language.tokenizer.get_vocab().items()}
    if token not in known:
        raise ModelError(
            f"the tokenizer has no token {token}, which is to stand for a picture.",
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
            f"`{kind}` is no LLaVA: its parts cannot be read apart.",
            file=file,
            key="model_type",
            fix="Such a model runs as it is (`vlmbench run --model DIR`), and cannot be converted.",
        )
    refuse_quantised(config, folder, "--model")
    if not isinstance(config.get("vision_feature_layer", -2), int):
        raise ModelError(
            "several layers of the image encoder are shown at once, which no other layout knows.",
            file=file,
            key="vision_feature_layer",
        )
    if config.get("projector_hidden_act", "gelu") != "gelu":
        raise ModelError(
            f"a projector with {config['projector_hidden_act']} is not read here.",
            file=file,
            key="projector_hidden_act",
        )
