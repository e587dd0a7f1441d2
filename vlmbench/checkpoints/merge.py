"""An adapter and the model it was trained on, made one: a language model, an image encoder, or a LLaVA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlmbench.checkpoints.convert import Options, write
from vlmbench.checkpoints.formats.official import write_tower
from vlmbench.checkpoints.formats.parts import trained_language, trained_tower
from vlmbench.checkpoints.formats.xtuner import write_language
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.lora import open_adapter
from vlmbench.checkpoints.read import layout_of, open_llava
from vlmbench.checkpoints.vision import open_vision
from vlmbench.files.atomic import refuse_existing, written_aside
from vlmbench.model_files.weights import Weights, cast


def merge(base: Path, adapter: Path, dst: Path, options: Options) -> str | None:
    """Write the merged model as `dst`, with the tokenizer or image processor of its base beside it.

    A LLaVA's proof is returned, in a line; of a part alone every name and shape was checked.
    """
    refuse_existing(dst)
    layout = layout_of(base)
    if layout not in ("language", "vision"):
        return write(open_llava(adapter, llm=base), dst, "huggingface", options)
    with written_aside(dst) as folder:
        if layout == "language":
            _merge_language(base, adapter, folder, options)
        else:
            _merge_tower(base, adapter, folder, options)
    return None


def _merge_language(base: Path, adapter: Path, folder: Path, options: Options) -> None:
    whole = trained_language(open_language(base), open_adapter(adapter))
    own = whole.tokenizer.chat_template
    write_language(
        replace(whole, weights=_in(whole.weights, options.dtype)),
        folder,
        chat_template=own if isinstance(own, str) else None,
        shard_size=options.shard_size,
    )


def _merge_tower(base: Path, adapter: Path, folder: Path, options: Options) -> None:
    whole = trained_tower(open_vision(base), open_adapter(adapter))
    write_tower(
        replace(whole, weights=_in(whole.weights, options.dtype)), folder, shard_size=options.shard_size
    )


def _in(weights: Weights, dtype: str | None) -> Weights:
    return weights if dtype is None else cast(weights, dtype)
