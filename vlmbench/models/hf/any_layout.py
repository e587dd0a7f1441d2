"""Checkpoints in another layout than transformers' own folders: read in parts and put together here.

Official and xtuner folders, adapters, .pth files and DeepSpeed's folders of training. `--llm`, `--vision`
and `--template` name what such a checkpoint does not hold itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import UsageError, UserError
from vlmbench.installation import __version__
from vlmbench.model_files.folder import check_before_download, local_folder
from vlmbench.terminal.progress import Progress

if TYPE_CHECKING:
    from vlmbench.checkpoints.formats.parts import OpenedCheckpoint

READ_HERE = ("official", "xtuner", "pth", "deepspeed", "unfinished", "adapter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is given besides the checkpoint, each a folder or a hub id, and the wording to ask in."""

    llm: str | None = None
    vision: str | None = None
    template: str | None = None
    recipe: str | None = None
    """The configuration that a checkpoint was trained with."""


def source_of(path: str, *, trust_remote_code: bool) -> Path:
    """The checkpoint on this machine: a file as it is, a folder, or a hub id downloaded."""
    file = Path(path).expanduser()
    if file.is_file():
        return file
    check_before_download(path, trust_remote_code=trust_remote_code)
    return local_folder(path, trust_remote_code=trust_remote_code)


def read_here(source: Path, parts: Parts) -> OpenedCheckpoint | None:
    """The checkpoint in parts; None where transformers loads the folder as it is."""
    from vlmbench.checkpoints.formats.layout import guess

    if guess(source) in READ_HERE:
        return in_parts(source, parts)
    for flag, given in (("--llm", parts.llm), ("--vision", parts.vision), ("--recipe", parts.recipe)):
        if given is not None:
            raise UsageError(
                "this folder is a whole model, which takes no other's parts.",
                file=source,
                key=flag,
                fix=f"Leave {flag} out.",
            )
    return None


def in_parts(source: Path, parts: Parts) -> OpenedCheckpoint:
    """The checkpoint in parts, whatever its layout."""
    from vlmbench.checkpoints.formats.parts import Supplied
    from vlmbench.checkpoints.read import read_checkpoint

    supplied = Supplied(
        llm=None if parts.llm is None else local_folder(parts.llm),
        vision=None if parts.vision is None else local_folder(parts.vision),
        template=parts.template,
        recipe=None if parts.recipe is None else Path(parts.recipe).expanduser(),
    )
    return read_checkpoint(source, supplied, wording=True)


def assembled(reading: OpenedCheckpoint, *, device: str, dtype: str) -> tuple[Any, Any]:
    """Model and processor in memory, ready to be asked."""
    from vlmbench.checkpoints.assemble import assemble
    from vlmbench.model_files.loading import loading_error
    from vlmbench.model_files.processor import ready
    from vlmbench.model_files.weights import main_dtype

    stored = main_dtype(reading.llava.language.weights) if dtype == "auto" else dtype
    try:
        model, processor = assemble(reading.llava, device=device, dtype=stored)
    except UserError:
        raise
    # As in load_weights: parts that do not fit each other, or not into memory.
    except Exception as error:
        raise loading_error(error, reading.sources[""], device) from error
    return model, ready(processor)


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file, remembered for as long as it is untouched."""
    from vlmbench.data.disk import file_digest

    return {name: file_digest(file, algorithm="sha256") for name, file in files.items()}


def converted(reading: OpenedCheckpoint) -> Path:
    """The checkpoint as a Hugging Face folder in vlmbench's own place, written once for the same files."""
    from vlmbench.checkpoints.formats.huggingface import write_huggingface
    from vlmbench.checkpoints.read import files_of
    from vlmbench.data.disk import home_folder
    from vlmbench.files.atomic import new_folder
    from vlmbench.files.locks import exclusive

    llava = reading.llava
    also = [__version__, llava.chat_template, llava.select_layer, llava.select_strategy]
    decides = json.dumps([digests(files_of(reading)), also], sort_keys=True)
    folder = home_folder() / "converted" / hashlib.sha256(decides.encode()).hexdigest()[:16]
    with exclusive(folder.with_suffix(".lock")):
        if folder.is_dir():
            return folder
        source = reading.sources[""]
        Progress().say(f"vLLM reads Hugging Face's layout: {source} is written to {folder}, once")
        with new_folder(folder) as aside:
            write_huggingface(llava, aside)
    return folder
