"""Any folder of a causal language model, as transformers' own classes hold it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.fit import refuse_quantised
from vlmbench.checkpoints.llava import LanguageModel
from vlmbench.checkpoints.native.families import Family, architectures, family_of
from vlmbench.checkpoints.native.llama import as_llama
from vlmbench.checkpoints.native.skeleton import fitted, skeleton
from vlmbench.checkpoints.native.tokenizer import build_tokenizer
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import TOKENIZER_FILES, read_json
from vlmbench.model_files.shards import open_weights
from vlmbench.model_files.weights import Weights

# Answers end here, whether or not the folder's generation_config.json says so; early ones did not.
_STOPS: dict[Family, str] = {"internlm": "<eoa>", "internlm2": "<|im_end|>", "phi3": "<|end|>"}
_REMOTE_CODE = ("auto_map", "custom_pipelines")
_EXPECTED = (
    "Give the folder of a causal language model that transformers has (Llama, Qwen2, Mistral, …), "
    "of InternLM or of InternLM2."
)


def open_language(folder: Path) -> LanguageModel:
    """The model in a folder, its weights still on disk; what does not fit its class is refused."""
    config = _read_config(folder)
    family, config, weights = _as_transformers(folder, config, open_weights(folder))
    tokenizer = _open_tokenizer(folder, family)
    generation = _generation(folder, config, family, tokenizer)
    return LanguageModel(config=config, weights=weights, tokenizer=tokenizer, generation=generation)


def _as_transformers(
    folder: Path, config: dict[str, Any], weights: Weights
) -> tuple[Family | None, dict[str, Any], Weights]:
    try:
        family = family_of(config, weights)
        if family is not None:
            config, weights = as_llama(family, config, weights)
        else:
            config = _of_transformers(config, weights)
        return family, config, fitted(weights, skeleton(config))
    except ModelError as error:
        if error.file is not None:
            raise
        raise ModelError(error.what, file=folder / "config.json", key=error.key, fix=error.fix) from None


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise ModelError(
            "this is an adapter and not a whole language model."
            if adapter
            else "config.json is missing, so this is not a language model's folder.",
            file=folder if adapter else file,
            fix="Give the model that it was trained on." if adapter else _EXPECTED,
        )
    config = read_json(file)
    if "mm_vision_tower" in config or "text_config" in config or "vision_config" in config:
        raise ModelError(
            "this model takes pictures; a language model is asked for.", file=file, fix=_EXPECTED
        )
    refuse_quantised(config, folder, "--llm")
    return config


def _of_transformers(config: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """config.json as it is, once transformers has its class without remote code."""
    from transformers import __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KINDS

    named = architectures(config)
    kind = str(config.get("model_type"))
    if named and KINDS.get(kind) != named[0]:
        kind = next((kind for kind, name in KINDS.items() if name == named[0]), "")
    if kind not in KINDS:
        what = f"`{named[0] if named else config.get('model_type')}`"
        own = " The folder ships its own code, which is not run here." if "auto_map" in config else ""
        raise ModelError(
            f"{what} is no causal language model that transformers {__version__} has.{own}",
            key="architectures",
            fix=_EXPECTED,
        )
    kept = {name: value for name, value in config.items() if name not in _REMOTE_CODE}
    if "dtype" not in kept and "torch_dtype" not in kept and weights:
        kept["dtype"] = next(iter(weights.values())).dtype
    return kept | {"model_type": kind}


def _open_tokenizer(folder: Path, family: Family | None) -> Any:
    if family in ("internlm", "internlm2") and (folder / "tokenizer.model").is_file():
        return build_tokenizer(folder, family)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            "the tokenizer is missing.",
            file=folder / TOKENIZER_FILES[0],
            fix="Copy it from the model's source.",
        )
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from vlmbench.model_files.silence import first_line, quiet

    # config.json of these families names classes, or says things, that transformers stumbles over.
    try:
        with quiet():
            if family is not None:
                return PreTrainedTokenizerFast.from_pretrained(folder)
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise ModelError(
            f"the tokenizer cannot be loaded ({first_line(error)}).",
            file=folder,
            fix="Copy the tokenizer's files from the model's source.",
        ) from None


def _generation(
    folder: Path, config: Mapping[str, Any], family: Family | None, tokenizer: Any
) -> dict[str, Any]:
    """generation_config.json, with every id that ends an answer."""
    file = folder / "generation_config.json"
    settings = read_json(file) if file.is_file() else {}
    if family is None:
        return settings
    ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    settings = ids | settings
    said = settings["eos_token_id"]
    ends = list(said) if isinstance(said, list) else [said]
    stop = tokenizer.get_added_vocab().get(_STOPS[family])
    settings["eos_token_id"] = ends if stop is None or stop in ends else [*ends, stop]
    return settings
