"""Any checkpoint of a LLaVA, in any layout, read into one noun.

Every reader of `formats` accounts for every weight: an error lists what is missing, unknown or of another
shape. Tensors stay on disk until they are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vlmbench.checkpoints.build import PAD, check_tokens, highest_id
from vlmbench.checkpoints.formats.adapter import read_adapter
from vlmbench.checkpoints.formats.huggingface import read_huggingface
from vlmbench.checkpoints.formats.layout import TRAINED, Layout, layout_of, state_folder
from vlmbench.checkpoints.formats.official import read_official
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Supplied
from vlmbench.checkpoints.formats.training import read_training
from vlmbench.checkpoints.formats.unfinished import FACTS, read_unfinished
from vlmbench.checkpoints.formats.xtuner import read_xtuner
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.wording import no_template, with_template, without_bos, written_template
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import described_by

_SPARE = 1024
"""Rows of the table that no token needs to have: published models have hundreds."""


def open_llava(
    path: Path,
    *,
    llm: Path | None = None,
    vision: Path | None = None,
    template: str | None = None,
    recipe: Path | None = None,
    wording: bool = False,
) -> Llava:
    """The model of a folder or file, its weights still on disk; see `read_checkpoint`."""
    supplied = Supplied(llm=llm, vision=vision, template=template, recipe=recipe)
    return read_checkpoint(path, supplied, wording=wording).llava


def read_checkpoint(
    path: Path, supplied: Supplied | None = None, *, wording: bool = False
) -> OpenedCheckpoint:
    """The model of a folder or file, and where each part came from.

    With `wording`, a model for which nothing names a chat template is refused.
    """
    supplied = supplied or Supplied()
    _ = supplied.facts  # a recipe that cannot be read is refused also where its layout needs none
    opened = _read(path, supplied)
    _check_tokenizer(opened.llava, path)
    return replace(opened, llava=_with_wording(opened, supplied.template, wording))


def _read(path: Path, supplied: Supplied) -> OpenedCheckpoint:
    layout = layout_of(path)
    if layout == "adapter":
        return read_adapter(path, supplied, _read)
    if layout == "unfinished":
        return read_unfinished(path, supplied, _read)
    if layout in ("language", "vision"):
        raise ModelError(
            "this is a language model, which takes no pictures."
            if layout == "language"
            else "this is a vision tower, which writes no text.",
            file=path,
            fix="`vlmbench build --llm DIR --vision DIR DST` makes an untrained LLaVA of the two.",
        )
    return _READERS[layout](path, supplied)


_READERS: dict[Layout, Callable[[Path, Supplied], OpenedCheckpoint]] = {
    "huggingface": read_huggingface,
    "official": read_official,
    "xtuner": read_xtuner,
    "pth": read_training,
    "deepspeed": read_training,
}


def _with_wording(opened: OpenedCheckpoint, template: str | None, needed: bool) -> Llava:
    """With the template that was asked for, or else the folder's own, or else the recipe's."""
    llava = opened.llava
    if template is not None:
        return with_template(llava, template)
    for role in ("", "base"):
        written = written_template(opened.sources[role]) if role in opened.sources else None
        if written is not None:
            return replace(llava, chat_template=without_bos(written, llava.language.tokenizer))
    if opened.template is not None:
        return with_template(llava, opened.template)
    if needed:
        raise no_template(llava.language)
    return llava


def _check_tokenizer(llava: Llava, path: Path) -> None:
    """Refuse a tokenizer of another model: one with tokens beyond the table, or far too few for it."""
    language = llava.language
    rows, tokens = language.rows, highest_id(language.tokenizer) + 1
    try:
        check_tokens(language, ours={llava.image_token, PAD})
    except ModelError as error:
        raise ModelError(error.what, file=path, fix=error.fix) from None
    if rows - tokens > max(_SPARE, rows // 4):
        raise ModelError(
            f"the tokenizer knows {tokens} tokens and the embedding table has {rows} rows: "
            "the two are of different models.",
            file=path,
            fix="Copy the tokenizer from the language model's source.",
        )


def files_of(opened: OpenedCheckpoint) -> dict[str, Path]:
    """Every file that decides an answer, each under a name that is the same on every machine."""
    own = opened.sources.get("")
    found: dict[str, Path] = {}
    for role, place in opened.sources.items():
        if role and place == own:
            continue
        files = [place] if place.is_file() else _deciding(place)
        found |= {f"{role}/{file.name}".lstrip("/"): file for file in files}
    return found


def _deciding(folder: Path) -> list[Path]:
    files = [*described_by(folder), *(folder / name for name in _MORE if (folder / name).is_file())]
    weights = next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])
    states = state_folder(folder)
    return [*files, *weights, *(sorted(states.glob("*_states.pt")) if states else [])]


_MORE = ("adapter_config.json", "non_lora_trainables.bin", FACTS, TRAINED)
_WEIGHTS = ("*model*.safetensors", "*model*.bin")
