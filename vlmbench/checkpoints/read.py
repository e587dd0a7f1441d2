"""Any checkpoint of a LLaVA, whichever of the layouts it is in, as one and the same noun.

    read_huggingface   read_official   read_xtuner   read_adapter   read_training (.pth, DeepSpeed)

Each accounts for every weight: what is missing, unknown or of another shape is an error that lists it.
Tensors stay on disk until they are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vlmbench.checkpoints.finish import check_tokens, highest_id
from vlmbench.checkpoints.formats.adapter import read_adapter
from vlmbench.checkpoints.formats.layout import Layout, layout_of, state_folder
from vlmbench.checkpoints.formats.parts import Given, Reading
from vlmbench.checkpoints.formats.recipe import Recipe, open_recipe
from vlmbench.checkpoints.formats.training import read_deepspeed, read_pth
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read_huggingface import read_huggingface
from vlmbench.checkpoints.read_official import read_official
from vlmbench.checkpoints.read_xtuner import read_xtuner
from vlmbench.checkpoints.tables import row_count
from vlmbench.checkpoints.wording import no_template, speaking, without_beginning
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import described_by, read_json

__all__ = ["Layout", "Reading", "files_of", "layout_of", "open_llava", "read_llava"]

_TEMPLATE_FILES = (
    "chat_template.jinja",
    "chat_template.json",
    "processor_config.json",
    "tokenizer_config.json",
)
_SPARE = 1024
"""Rows of the table that no token needs to have: makers of models leave hundreds."""


def open_llava(
    path: Path,
    *,
    llm: Path | None = None,
    vision: Path | None = None,
    template: str | None = None,
    recipe: Path | None = None,
    wording: bool = False,
) -> Llava:
    """The model of a folder or file, its weights still on disk.

    `llm` and `vision` are the models that training began with, where the checkpoint does not hold them;
    `recipe` is the configuration it was trained with. With `wording`, a model that nothing gives a chat
    template is refused.
    """
    return read_llava(path, llm=llm, vision=vision, template=template, recipe=recipe, wording=wording).llava


def read_llava(
    path: Path,
    *,
    llm: Path | None = None,
    vision: Path | None = None,
    template: str | None = None,
    recipe: Path | None = None,
    wording: bool = False,
) -> Reading:
    """As `open_llava`, with where everything came from."""
    told = Recipe() if recipe is None else open_recipe(recipe)
    reading = _read(path, Given(llm=llm, vision=vision, template=template, recipe=told))
    _check_tokenizer(reading.llava, path)
    return replace(reading, llava=_worded(reading, template, wording))


def _read(path: Path, given: Given) -> Reading:
    layout = layout_of(path)
    if layout == "adapter":
        return read_adapter(path, given, _read)
    if layout in ("language", "vision"):
        raise ModelError(
            "this is a language model, which takes no pictures."
            if layout == "language"
            else "this is an image encoder, which says nothing.",
            file=path,
            fix="`vlmbench build --llm DIR --vision DIR DST` makes a LLaVA of two such, to be trained.",
        )
    return _READERS[layout](path, given)


_READERS: dict[Layout, Callable[[Path, Given], Reading]] = {
    "huggingface": read_huggingface,
    "official": read_official,
    "xtuner": read_xtuner,
    "pth": read_pth,
    "deepspeed": read_deepspeed,
}


def _worded(reading: Reading, template: str | None, needed: bool) -> Llava:
    """With the wording that is asked for, or lies in a folder, or is named by the recipe."""
    llava = reading.llava
    if template is not None:
        return speaking(llava, template)
    for role in ("", "base"):
        written = written_template(reading.sources[role]) if role in reading.sources else None
        if written is not None:
            return replace(llava, chat_template=without_beginning(written, llava.language.tokenizer))
    if reading.template is not None:
        return speaking(llava, reading.template)
    if needed:
        raise no_template(llava.language)
    return llava


def written_template(folder: Path) -> str | None:
    """The chat template of a folder, if it has one that knows of pictures."""
    for name in _TEMPLATE_FILES:
        file = folder / name
        if not file.is_file():
            continue
        text = (
            file.read_text("utf-8", "replace")
            if file.suffix == ".jinja"
            else read_json(file).get("chat_template")
        )
        if isinstance(text, list):
            text = next((entry.get("template") for entry in text if entry.get("name") == "default"), None)
        if isinstance(text, str) and "image" in text:
            return text
    return None


def _check_tokenizer(llava: Llava, path: Path) -> None:
    """Refuse a tokenizer of another model: one with tokens beyond the table, or far too few for it."""
    language = llava.language
    rows, tokens = row_count(language), highest_id(language.tokenizer) + 1
    try:
        check_tokens(language, ours={llava.image_token, "<pad>"})
    except ModelError as error:
        raise ModelError(error.what, file=path, fix=error.fix) from None
    if rows - tokens > max(_SPARE, rows // 4):
        raise ModelError(
            f"the tokenizer knows {tokens} tokens and the embedding table has {rows} rows: "
            "the two are of different models.",
            file=path,
            fix="Copy the tokenizer from the language model's source.",
        )


def files_of(reading: Reading) -> dict[str, Path]:
    """Every file that decides an answer, each under a name that is the same on every machine."""
    own = reading.sources.get("")
    found: dict[str, Path] = {}
    for role, place in reading.sources.items():
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


_MORE = ("adapter_config.json", "non_lora_trainables.bin")
_WEIGHTS = ("*model*.safetensors", "*model*.bin")
