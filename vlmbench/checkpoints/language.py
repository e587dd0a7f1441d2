"""A language model's folder, read into transformers' own classes whatever it was written for, and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import generation_settings, text_config
from vlmbench.checkpoints.fit import fitted, refuse_quantised, skeleton
from vlmbench.checkpoints.llava import LanguageModel
from vlmbench.checkpoints.native.llama import Family, architectures, as_llama, family_of
from vlmbench.checkpoints.native.tokenizer import build_tokenizer
from vlmbench.checkpoints.vision import completed
from vlmbench.checkpoints.wording import with_bos
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import TOKENIZER_FILES, read_json
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import (
    SHARD_SIZE,
    Weights,
    open_weights,
    save_json,
    save_weights,
    without_buffers,
)

# Answers end here, whether or not the folder's generation_config.json says so; early ones did not.
_STOPS: dict[Family, str] = {"internlm": "<eoa>", "internlm2": "<|im_end|>", "phi3": "<|end|>"}
_COPY = "Copy it from the model's source."
_REMOTE_CODE = ("auto_map", "custom_pipelines")
_EXPECTED = (
    "Give the folder of a causal language model that transformers has (Llama, Qwen2, Mistral, …), "
    "of InternLM or of InternLM2."
)
_OF_THE_CLASS = (
    "add_bos_token", "add_eos_token", "add_prefix_space", "backend", "chat_template", "is_local", "legacy",
    "local_files_only", "sp_model_kwargs", "spaces_between_special_tokens", "use_default_system_prompt",
)  # fmt: skip
"""Settings that tokenizer.json already obeys, and notes of the version that wrote them."""


def open_language(folder: Path) -> LanguageModel:
    """The model in a folder, its weights still on disk; weights that do not fit its class are refused."""
    config = _read_config(folder)
    family, config, weights = _as_transformers(folder, config, open_weights(folder))
    tokenizer = _open_tokenizer(folder, family)
    generation = _generation(folder, config, family, tokenizer)
    return LanguageModel(config=config, weights=weights, tokenizer=tokenizer, generation=generation)


def language_of(config: Mapping[str, Any], weights: Weights, folder: Path) -> LanguageModel:
    """The language model inside a LLaVA folder, as transformers' own class."""
    from transformers import AutoConfig, AutoTokenizer

    kind = config.get("model_type")
    auto: Any = AutoConfig
    full = completed(
        lambda **settings: auto.for_model(kind, **settings),
        {key: value for key, value in config.items() if key not in ("model_type", "_name_or_path")},
        folder,
    )
    full |= {"model_type": kind, "architectures": [_causal_class(str(kind), folder)]}
    fitting = _fitting(without_buffers(weights), full, folder)
    return LanguageModel(
        config=full,
        weights=fitting,
        tokenizer=_loaded_tokenizer(AutoTokenizer, folder, config=auto.for_model(kind)),
        generation=_generation_settings(folder),
    )


def write_language(
    language: LanguageModel, folder: Path, *, chat_template: str | None, shard_size: int = SHARD_SIZE
) -> None:
    """The language model alone with its tokenizer, in transformers' layout."""
    save_json(folder / "config.json", text_config(language))
    if language.generation:
        save_json(folder / "generation_config.json", generation_settings(language))
    save_tokenizer(language.tokenizer, folder, chat_template=chat_template)
    save_weights(language.weights, folder, shard_size=shard_size)


def save_tokenizer(tokenizer: Any, folder: Path, *, chat_template: str | None) -> None:
    """Tokenizer and chat template, the latter also where programs older than chat_template.jinja read it.

    Its class is the plain one that takes tokenizer.json unchanged. A family's own class builds parts of
    the tokenizer anew from settings, and cuts text differently in different versions of transformers.
    """
    tokenizer.save_pretrained(folder)
    # The source's own, which may have no pictures.
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    file = folder / "tokenizer_config.json"
    settings = {key: value for key, value in read_json(file).items() if key not in _OF_THE_CLASS}
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    if chat_template is not None:
        chat_template = with_bos(chat_template, tokenizer)
        settings["chat_template"] = chat_template
        (folder / "chat_template.jinja").write_text(chat_template, "utf-8")
        save_json(folder / "chat_template.json", {"chat_template": chat_template})
    save_json(file, settings)


def _as_transformers(
    folder: Path, config: dict[str, Any], weights: Weights
) -> tuple[Family | None, dict[str, Any], Weights]:
    try:
        family = family_of(config, weights)
        if family is not None:
            config, weights = as_llama(family, config, weights)
        else:
            config = _transformers_config(config, weights)
    except ModelError as error:
        raise _with_file(error, folder / "config.json") from None
    return family, config, _fitting(weights, config, folder / "config.json")


def _fitting(weights: Weights, config: Mapping[str, Any], where: Path) -> Weights:
    try:
        return fitted(weights, skeleton(config))
    except ModelError as error:
        raise _with_file(error, where) from None


def _with_file(error: ModelError, file: Path) -> ModelError:
    return ModelError(error.what, file=error.file or file, key=error.key, fix=error.fix)


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise ModelError(
            "this is an adapter, not a whole language model."
            if adapter
            else "config.json is missing, so this is not a language model's folder.",
            file=folder if adapter else file,
            fix="Give the model that it was trained on." if adapter else _EXPECTED,
        )
    config = read_json(file)
    if "mm_vision_tower" in config or "text_config" in config or "vision_config" in config:
        raise ModelError(
            "this model takes pictures; a language model without them is needed.", file=file, fix=_EXPECTED
        )
    refuse_quantised(config, folder, "--llm")
    return config


def _transformers_config(config: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """config.json of a class that transformers has without remote code; others are refused."""
    from transformers import __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KINDS

    named = architectures(config)
    kind = str(config.get("model_type"))
    if named and KINDS.get(kind) != named[0]:
        kind = next((kind for kind, name in KINDS.items() if name == named[0]), "")
    if kind not in KINDS:
        what = f"`{named[0] if named else config.get('model_type')}`"
        own = " The folder has its own code, which vlmbench does not run." if "auto_map" in config else ""
        raise ModelError(
            f"transformers {__version__} has no causal language model {what}.{own}",
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

    # transformers fails on names of classes and on values in config.json of these families.
    plain = PreTrainedTokenizerFast if family is not None else AutoTokenizer
    return _loaded_tokenizer(plain, folder)


def _loaded_tokenizer(kind: Any, folder: Path, **settings: Any) -> Any:
    try:
        with quiet():
            tokenizer = kind.from_pretrained(folder, trust_remote_code=False, **settings)
            tokenizer("a")  # some settings are wrong only in use
            return tokenizer
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise ModelError(
            f"the tokenizer cannot be loaded ({first_line(error)}).",
            file=_broken_tokenizer_file(folder),
            fix="Copy the tokenizer's files from the model's source.",
        ) from None


def _broken_tokenizer_file(folder: Path) -> Path:
    """tokenizer.json where it is what fails by itself, else tokenizer_config.json; else the folder."""
    from tokenizers import Tokenizer

    whole, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    try:
        if whole.is_file():
            Tokenizer.from_file(str(whole))
    except Exception:  # the library raises this class itself
        return whole
    return settings if settings.is_file() else folder


def _generation(
    folder: Path, config: Mapping[str, Any], family: Family | None, tokenizer: Any
) -> dict[str, Any]:
    """generation_config.json, with every id that ends an answer."""
    settings = _generation_settings(folder)
    if family is None:
        return settings
    ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    settings = ids | settings
    stored = settings["eos_token_id"]
    ends = list(stored) if isinstance(stored, list) else [stored]
    stop = tokenizer.get_added_vocab().get(_STOPS[family])
    settings["eos_token_id"] = ends if stop is None or stop in ends else [*ends, stop]
    return settings


def _generation_settings(folder: Path) -> dict[str, Any]:
    """generation_config.json, empty where there is none; refused where transformers cannot take it."""
    from transformers import GenerationConfig

    file = folder / "generation_config.json"
    settings = read_json(file) if file.is_file() else {}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        stored = settings.get(name)
        ids = stored if isinstance(stored, list) and stored else [stored]
        if not all(number is None or type(number) is int for number in ids):
            raise ModelError("this is not the number of a token.", file=file, key=name, fix=_COPY)
    try:
        with quiet():
            GenerationConfig.from_dict(dict(settings))
    except Exception as error:  # a setting can be wrong in as many ways as there are settings
        raise ModelError(
            f"the settings cannot be read ({first_line(error)}).", file=file, fix=_COPY
        ) from None
    return settings


def _causal_class(kind: str, folder: Path) -> str:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    if found is None:
        raise ModelError(
            f"transformers has no language model `{kind}`.",
            file=folder / "config.json",
            key="model_type",
            fix="Copy config.json from the model's source.",
        )
    return str(found)
