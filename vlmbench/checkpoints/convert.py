"""From any layout to any other, with a proof that the result answers as the source does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vlmbench.checkpoints.assemble import main_dtype
from vlmbench.checkpoints.formats.huggingface import in_dtype, write_huggingface
from vlmbench.checkpoints.formats.official import write_official
from vlmbench.checkpoints.formats.xtuner import write_xtuner
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.read import layout_of, open_llava, read_llava
from vlmbench.checkpoints.save import SHARD_SIZE
from vlmbench.checkpoints.verify import Answer, answer, answer_of_folder, compare, computed_in
from vlmbench.checkpoints.wording import no_template
from vlmbench.checkpoints.xtuner_trained import open_trained, write_trained
from vlmbench.files.atomic import refuse_existing, written_aside

Target = Literal["huggingface", "official", "xtuner", "gguf"]
TARGETS: tuple[Target, ...] = get_args(Target)
SPEAKING: tuple[Target, ...] = ("huggingface", "gguf")
"""Whoever loads these asks in the folder's own wording."""
_TRAINING = ("pth", "deepspeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What belongs to the source and does not lie in it."""

    llm: Path | None = None
    vision: Path | None = None
    recipe: Path | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a folder is written and proven."""

    dtype: str | None = None
    """None keeps every tensor as it is stored."""
    shard_size: int = SHARD_SIZE
    gguf_kind: Literal["f16", "q8_0"] = "f16"
    proof: bool = True
    device: str = "cpu"


def convert(src: Path, dst: Path, target: Target, given: Given, options: Options) -> str | None:
    """Write the model of `src` as `dst`; returns what was compared, in a line."""
    refuse_existing(dst)
    reading = read_llava(
        src,
        llm=given.llm,
        vision=given.vision,
        recipe=given.recipe,
        template=given.template,
        wording=target in SPEAKING,
    )
    if target == "xtuner" and layout_of(src) in _TRAINING:
        return _convert_trained(src, dst, reading.llava, reading.sources, given, options)
    return write(reading.llava, dst, target, options, tower=given.vision)


def write(llava: Llava, dst: Path, target: Target, options: Options, tower: Path | None = None) -> str | None:
    """Write a folder that is whole and proven, or none; `tower` is where its image encoder came from."""
    if target in SPEAKING and llava.chat_template is None:
        raise no_template(llava.language)
    named = tower.resolve() if tower is not None and target == "official" else None
    with written_aside(dst) as folder:
        _write(llava, folder, target, options, dst.name, named)
        if not options.proof:
            return None
        return _proven(llava, folder, target, options, {} if named is None else {"vision": named})


def _write(
    llava: Llava, folder: Path, target: Target, options: Options, name: str, tower: Path | None
) -> None:
    dtype, size = options.dtype, options.shard_size
    if target == "huggingface":
        write_huggingface(llava, folder, dtype=dtype, shard_size=size)
    elif target == "official":
        write_official(
            llava, folder, dtype=dtype, shard_size=size, tower_name=None if tower is None else str(tower)
        )
    elif target == "xtuner":
        write_xtuner(llava, folder, dtype=dtype, shard_size=size)
    else:
        from vlmbench.checkpoints.gguf.folder import write_gguf

        write_gguf(in_dtype(llava, dtype), folder, kind=options.gguf_kind, name=name)


def _convert_trained(
    src: Path, dst: Path, llava: Llava, sources: Mapping[str, Path], given: Given, options: Options
) -> str | None:
    """xtuner's layout holds what was trained, and names the models that training began with."""
    trained = open_trained(src, given.recipe, llm=sources["llm"], vision=sources["vision"])
    with written_aside(dst) as folder:
        write_trained(trained, llava, folder, dtype=options.dtype, shard_size=options.shard_size)
        if not options.proof:
            return None
        return _proven(llava, folder, "xtuner", options, trained.begun_with())


def _proven(llava: Llava, folder: Path, target: Target, options: Options, parts: Mapping[str, Path]) -> str:
    """Compute the source, then the result: their answers are kept, and the models are not."""
    before = main_dtype(llava.language.weights)
    after = options.dtype or before
    dtype = computed_in(before, after)
    ours = answer(llava, dtype, device=options.device)
    theirs = _result(llava, folder, target, dtype, options.device, parts)
    if target == "gguf":
        after = {"f16": "float16", "q8_0": "q8_0"}[options.gguf_kind]
    return compare(ours, theirs, folder, (before, after))


def _result(
    llava: Llava, folder: Path, target: Target, dtype: str, device: str, parts: Mapping[str, Path]
) -> Answer:
    if target == "huggingface":
        return answer_of_folder(folder, dtype, device=device)
    if target == "gguf":
        from vlmbench.checkpoints.gguf.read_back import read_back

        return answer(read_back(llava, folder), dtype, device=device)
    back = open_llava(folder, llm=parts.get("llm"), vision=parts.get("vision"), wording=False)
    return answer(back, dtype, device=device)
