"""From any layout to any other, or an adapter into its base, with a proof that the answers are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.formats.official import write_official
from vlmbench.checkpoints.formats.parts import Supplied
from vlmbench.checkpoints.formats.xtuner import open_trained, write_trained, write_xtuner
from vlmbench.checkpoints.language import open_language, write_language
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.lora import merged_language, merged_tower, open_adapter
from vlmbench.checkpoints.read import open_llava, read_checkpoint
from vlmbench.checkpoints.verify import ForwardPass, compare, computed_in, forward, forward_of_folder
from vlmbench.checkpoints.vision import open_vision, write_tower
from vlmbench.checkpoints.wording import no_template
from vlmbench.files.atomic import new_folder, refuse_existing
from vlmbench.model_files.weights import SHARD_SIZE, Weights, cast, main_dtype
from vlmbench.terminal.screen import doing

Target = Literal["huggingface", "official", "xtuner", "gguf"]
TARGETS: tuple[Target, ...] = get_args(Target)
_WITH_TEMPLATE: tuple[Target, ...] = ("huggingface", "gguf")
"""Programs that load these layouts use the folder's own chat template, so there must be one."""
_TRAINING = ("pth", "deepspeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a folder is written and proven."""

    dtype: str | None = None
    """None keeps every tensor as it is stored."""
    shard_size: int = SHARD_SIZE
    gguf_kind: Literal["f16", "q8_0"] = "f16"
    proof: bool = True
    device: str = "cpu"


def convert(src: Path, dst: Path, target: Target, supplied: Supplied, options: WriteOptions) -> str | None:
    """Write the model of `src` as `dst`; returns what was compared, in a line."""
    refuse_existing(dst)
    opened = read_checkpoint(src, supplied, wording=target in _WITH_TEMPLATE)
    if target != "xtuner" or layout_of(src) not in _TRAINING:
        return write(opened.llava, dst, target, options, tower=supplied.vision)
    # xtuner's layout holds only what was trained, and names the models that training began with.
    bases = opened.sources
    trained = open_trained(src, supplied.facts, llm=bases["llm"], vision=bases["vision"])
    with new_folder(dst) as folder:
        write_trained(trained, opened.llava, folder, dtype=options.dtype, shard_size=options.shard_size)
        if not options.proof:
            return None
        return _proven(opened.llava, folder, "xtuner", options, trained.begun_with())


def write(
    llava: Llava, dst: Path, target: Target, options: WriteOptions, tower: Path | None = None
) -> str | None:
    """Write a folder that is whole and proven, or none; `tower` is where its vision tower came from."""
    if target in _WITH_TEMPLATE and llava.chat_template is None:
        raise no_template(llava.language)
    named = tower.resolve() if tower is not None and target == "official" else None
    with new_folder(dst) as folder:
        with doing(f"writing {dst}"):
            _write(llava, folder, target, options, dst.name, named)
        if not options.proof:
            return None
        return _proven(llava, folder, target, options, {} if named is None else {"vision": named})


def _write(
    llava: Llava, folder: Path, target: Target, options: WriteOptions, name: str, tower: Path | None
) -> None:
    dtype, size = options.dtype, options.shard_size
    if target == "huggingface":
        write_huggingface(llava, folder, dtype=dtype, shard_size=size)
    elif target == "official":
        tower_name = None if tower is None else str(tower)
        write_official(llava, folder, dtype=dtype, shard_size=size, tower_name=tower_name)
    elif target == "xtuner":
        write_xtuner(llava, folder, dtype=dtype, shard_size=size)
    else:
        from vlmbench.checkpoints.gguf.folder import write_gguf

        write_gguf(llava.in_dtype(dtype), folder, kind=options.gguf_kind, name=name)


def _proven(
    llava: Llava, folder: Path, target: Target, options: WriteOptions, parts: Mapping[str, Path]
) -> str:
    """Compute the source, then the result; only their logits stay in memory, not the models."""
    before = main_dtype(llava.language.weights)
    after = options.dtype or before
    dtype = computed_in(before, after)
    with doing(f"computing the source's answer on {options.device}, {dtype}"):
        ours = forward(llava, dtype, device=options.device)
    with doing(f"computing the result's answer on {options.device}, {dtype}"):
        theirs = _result(llava, folder, target, dtype, options.device, parts)
    if target == "gguf":
        after = {"f16": "float16", "q8_0": "q8_0"}[options.gguf_kind]
    return compare(ours, theirs, folder, (before, after))


def _result(
    llava: Llava, folder: Path, target: Target, dtype: str, device: str, parts: Mapping[str, Path]
) -> ForwardPass:
    if target == "huggingface":
        return forward_of_folder(folder, dtype, device=device)
    if target == "gguf":
        from vlmbench.checkpoints.gguf.folder import read_back

        return forward(read_back(llava, folder), dtype, device=device)
    return forward(open_llava(folder, llm=parts.get("llm"), vision=parts.get("vision")), dtype, device=device)


def merge(base: Path, adapter: Path, dst: Path, options: WriteOptions) -> str | None:
    """Write the merged model as `dst`, with the tokenizer or image processor of its base beside it.

    Returns a LLaVA's proof, in a line. A part alone has no proof: its names and shapes are checked.
    """
    refuse_existing(dst)
    layout = layout_of(base)
    if layout not in ("language", "vision"):
        return write(open_llava(adapter, llm=base), dst, "huggingface", options)
    with new_folder(dst) as folder:
        if layout == "language":
            language = merged_language(open_language(base), open_adapter(adapter))
            own = language.tokenizer.chat_template
            write_language(
                replace(language, weights=_in_dtype(language.weights, options)),
                folder,
                chat_template=own if isinstance(own, str) else None,
                shard_size=options.shard_size,
            )
        else:
            tower = merged_tower(open_vision(base), open_adapter(adapter))
            tower = replace(tower, weights=_in_dtype(tower.weights, options))
            write_tower(tower, folder, shard_size=options.shard_size)
    return None


def _in_dtype(weights: Weights, options: WriteOptions) -> Weights:
    return weights if options.dtype is None else cast(weights, options.dtype)
