"""A Hugging Face model folder: found on this machine or the hub, and checked before anything is loaded.

Every error names the file that is missing or broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from vlmbench.data.hub.modelscope_models import model_snapshot
from vlmbench.data.mirrors import client_options, mirrors
from vlmbench.errors import ModelError, NoSuchModel
from vlmbench.files.json_files import read_object
from vlmbench.model_files.download_progress import bars_shown_by
from vlmbench.model_files.silence import first_line
from vlmbench.plain_text import visible
from vlmbench.terminal.progress import Progress

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json", "tiktoken.model", "qwen.tiktoken",
)  # fmt: skip
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
OTHER_FILES = (
    "config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "merges.txt", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
EXPECTED = (
    "vlmbench runs models that answer questions about pictures, in Hugging Face's layout "
    "(LLaVA, Qwen2-VL, Idefics3 and every other that AutoModelForImageTextToText loads)."
)

_WEIGHTS = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
_DESCRIPTIONS = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_HUB_ID = re.compile(r"ms:[\w.-]+/[\w.-]+|[\w.-]+(/[\w.-]+)?")
"""OWNER/NAME; a few old models have no owner. `ms:`: on ModelScope."""
_LONGEST_HEADER = 100_000_000
"""Bytes; the format allows no more."""
_DUPLICATES = ("consolidated*", "original/*", "onnx/*", "*.gguf", "openvino/*")


def local_folder(spec: str, *, trust_remote_code: bool = False) -> Path:
    """The folder that `spec` names, or the downloaded snapshot of a hub id.

    Weights come as safetensors where the hub has them, as pickled files only where it has not.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or spec.startswith(".") or not _HUB_ID.fullmatch(spec):
        raise NoSuchModel("there is no such folder.", file=path, fix="Check the path.")
    wanted = [*_DESCRIPTIONS, *(["*.py"] if trust_remote_code else [])]
    folder = _snapshot(spec, [*wanted, "*.safetensors"])
    if not any(folder.glob("*.safetensors")):
        folder = _snapshot(spec, [*wanted, "*.bin"])
    return folder


def check_before_download(spec: str, *, trust_remote_code: bool = False) -> None:
    """Refuse a model of the hub that only its own code can load, before its weights are downloaded."""
    if Path(spec).expanduser().is_dir():
        return
    file = _snapshot(spec, ["config.json"]) / "config.json"
    if file.is_file() and "auto_map" in (config := read_json(file)):
        check_kind(config, file, trust_remote_code=trust_remote_code)


def check_folder(folder: Path, *, trust_remote_code: bool = False) -> dict[str, Any]:
    """Check everything that needs no loading; returns config.json."""
    config = _read_config(folder)
    check_kind(config, folder / "config.json", trust_remote_code=trust_remote_code)
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            check_safetensors(file)
    if not trust_remote_code:
        _check_tokenizer(folder)
        _check_processor(folder)
    return config


def described_by(folder: Path) -> list[Path]:
    """The small files that decide how the model is asked: configuration, tokenizer, processor, code."""
    names = sorted({*TOKENIZER_FILES, *PROCESSOR_FILES, *OTHER_FILES})
    return [*(folder / name for name in names if (folder / name).is_file()), *sorted(folder.glob("*.py"))]


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of the model folder."""
    return read_object(file, raises=ModelError, fix="Copy it again.")


def check_kind(config: Mapping[str, Any], file: Path, *, trust_remote_code: bool) -> None:
    """Refuse what is not an image-text-to-text model; the error says what it is."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    own_code = "AutoModelForImageTextToText" in config.get("auto_map", {})
    if config.get("model_type") in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or (
        own_code and trust_remote_code
    ):
        return
    what, fix = _what_it_is(config)
    if own_code:
        fix = "The folder ships its own code; if you trust it, add `--trust-remote-code`."
    elif "auto_map" in config:
        what += (
            " The folder's own code has no AutoModelForImageTextToText, so it cannot be loaded here either."
        )
        fix = (
            "vLLM has kinds of models that transformers has not, MiniCPM-V among them: `vllm serve FOLDER "
            "--trust-remote-code`, then `--model openai:FOLDER@http://localhost:8000/v1`."
        )
    raise ModelError(what, file=file, key="model_type", fix=fix)


def _what_it_is(config: Mapping[str, Any]) -> tuple[str, str]:
    from transformers import __version__
    from transformers.models.auto import configuration_auto
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = config.get("model_type")
    if kind is None:
        return "the file does not state the type of the model.", EXPECTED
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return f"`{kind}` is a language model that takes no pictures.", EXPECTED
    if kind in vars(configuration_auto)["CONFIG_MAPPING_NAMES"]:
        return f"`{kind}` is not a model that answers in text about pictures.", EXPECTED
    return (
        f"transformers {__version__} has no model type `{kind}`.",
        "If the model is newer, upgrade transformers.",
    )


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights, each of which exists."""
    for whole, index in _WEIGHTS:
        if (folder / whole).is_file():
            return [folder / whole]
        if (folder / index).is_file():
            return _shards(folder / index)
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    if shards:
        raise ModelError(
            f"there are {len(shards)} shards of weights but not the index that says what is in them.",
            file=folder / "model.safetensors.index.json",
            fix="Copy it from where the shards came from.",
        )
    raise ModelError(
        "the weights are missing: neither this file nor model.safetensors.index.json is there.",
        file=folder / "model.safetensors",
        fix="Copy or download them again.",
    )


def _shards(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError("the index names no weights.", file=index, key="weight_map", fix="Copy it again.")
    for name in names.values():
        _check_shard_name(name, index)
    shards = [index.parent / name for name in sorted(set(names.values()))]
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(shards)} shards that {index.name} names are missing; this is the first.",
            file=missing[0],
            fix="Copy or download it again.",
        )
    return shards


def _check_shard_name(name: Any, index: Path) -> None:
    """A shard lies in the index's folder; it may be a link out of it there, as the hub's cache has them."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise ModelError("a shard's name is not a text.", file=index, key="weight_map", fix="Copy it again.")
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise ModelError(
            f"`{visible(name, 80)}` is outside the model's folder, so it is not read.",
            file=index,
            key="weight_map",
            fix="Copy the file into the folder and name it there.",
        )


def check_safetensors(file: Path) -> None:
    """Refuse a file that is shorter than its own header says."""
    check_not_pointer(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = int.from_bytes(head, "little")
        if size < 8 or length > size - 8:
            raise _cut_off(file, size, "its header is incomplete")
        try:
            header = json.loads(stream.read(length) if length <= _LONGEST_HEADER else b"")
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
            raise ModelError(
                "this is not a safetensors file.", file=file, fix="Copy or download it again."
            ) from None
    whole = 8 + length + max(ends, default=0)
    if size < whole:
        raise _cut_off(file, size, f"its header promises {whole:,}")


def check_not_pointer(file: Path) -> None:
    """Refuse what git leaves in place of a large file that was not fetched."""
    with file.open("rb") as stream:
        if stream.read(8) == b"version ":
            raise ModelError(
                "this is a Git LFS pointer and not the weights.",
                file=file,
                fix="Run `git lfs pull` in the folder.",
            )


def _cut_off(file: Path, size: int, why: str) -> ModelError:
    return ModelError(
        f"the file is cut off: {size:,} bytes, but {why}.", file=file, fix="Copy or download it again."
    )


def _check_tokenizer(folder: Path) -> None:
    first, *others = TOKENIZER_FILES
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"the tokenizer is missing: neither this file nor any of {', '.join(others)} is there.",
            file=folder / first,
            fix="Copy it from the model's source.",
        )


def _check_processor(folder: Path) -> None:
    """Newer folders describe the image processor in processor_config.json, older ones in its own file."""
    new, old = (folder / name for name in PROCESSOR_FILES)
    if old.is_file() or (new.is_file() and "image_processor" in read_json(new)):
        return
    raise ModelError(
        "the image processor's description is missing: "
        + (
            f"{new.name} has none, so this file is needed."
            if new.is_file()
            else f"there is no {old.name} either."
        ),
        file=old if new.is_file() else new,
        fix="Copy it from the model's source.",
    )


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if file.is_file():
        return read_json(file)
    inside = sorted(found.parent.name for found in folder.glob("*/config.json"))[:5]
    if inside and not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"this folder is no model itself; these folders in it may be: {', '.join(inside)}.",
            file=folder,
            fix=f"Name one of them: {folder / inside[-1]}.",
        )
    raise ModelError(
        "config.json is missing, so this is neither a Hugging Face model folder nor one of xtuner.",
        file=file,
        fix="Check the path, or copy the file from the model's source.",
    )


def _snapshot(name: str, wanted: list[str]) -> Path:
    if name.startswith("ms:") or mirrors().modelscope:
        return model_snapshot(name.removeprefix("ms:"), wanted, _DUPLICATES)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        with Progress(f"downloading {name}", "MB") as progress:
            found = snapshot_download(
                name,
                allow_patterns=wanted,
                ignore_patterns=list(_DUPLICATES),
                tqdm_class=bars_shown_by(progress),
                **client_options(),
            )
        return Path(found)
    except GatedRepoError:
        raise ModelError(
            f"the hub gives out `{name}` only to those who accepted its terms.",
            fix=f"Accept them on https://huggingface.co/{name}, then run `hf auth login`.",
        ) from None
    # The client raises errors of the hub, of HTTP, of the file system and of its own checks.
    except Exception as error:
        unknown = isinstance(error, (RepositoryNotFoundError, HFValidationError))
        kind = NoSuchModel if unknown else ModelError
        raise kind(
            f"`{name}` is not a folder here, and as a hub id it cannot be fetched ({first_line(error)}).",
            fix="Check the name and the network (VLMBENCH_MIRROR or HF_ENDPOINT names a mirror; with "
            "HF_HUB_OFFLINE=1 only the cache is searched), or download the model elsewhere and give the "
            "folder's path.",
        ) from error
