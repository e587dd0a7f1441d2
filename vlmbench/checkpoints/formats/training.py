"""What training leaves on its way: .pth files of xtuner, and DeepSpeed folders of xtuner or transformers.

Only what was trained is in them; the rest comes from the models that training began with.

ZeRO-1 and -2 cut one long row of numbers, all parameters after each other, into one piece a process; ZeRO-3
cuts every parameter. The rows are the float32 originals that the optimizer keeps; where it left none, the
weights are whole, and rounded, in the model's own file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.formats.huggingface import read_huggingface
from vlmbench.checkpoints.formats.layout import config_of, state_folder
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Part, Supplied, in_parts, joined, located
from vlmbench.checkpoints.formats.recipe import facts_with_notes
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Projector
from vlmbench.checkpoints.lora import Adapter, adapter_of, merged_language, merged_tower
from vlmbench.checkpoints.vision import open_vision
from vlmbench.errors import ModelError
from vlmbench.model_files.pickles import load_pickle
from vlmbench.model_files.weights import (
    LazyTensor,
    Weights,
    dtype_name,
    in_memory,
    tensors_of,
    without_buffers,
)

if TYPE_CHECKING:
    import torch

_Row = Sequence["torch.Tensor"]
"""Numbers of one process, in one piece or several."""


def read_training(path: Path, supplied: Supplied) -> OpenedCheckpoint:
    """The model of a .pth file or of a folder of DeepSpeed, with what was not trained from its bases."""
    weights, notes = open_training(path)
    if path.is_dir() and config_of(path).get("model_type") == "llava":
        return read_huggingface(path, supplied, weights)
    facts = facts_with_notes(supplied.facts, notes)
    parts = trained_parts(weights, path)
    llm = located(supplied.llm, facts.llm, "--llm", "The language model", path)
    tower = located(supplied.vision, facts.vision, "--vision", "The vision tower", path)

    def trained(part: Weights, alpha: float | None) -> Adapter:
        return adapter_of(part, {} if alpha is None else {"lora_alpha": alpha}, path)

    language = merged_language(open_language(llm), trained(parts["language"], facts.llm_alpha))
    vision = merged_tower(open_vision(tower), trained(parts["vision"], facts.vision_alpha))
    layer = {} if facts.select_layer is None else {"select_layer": facts.select_layer}
    llava = joined(language, vision, Projector(weights=parts["projector"]), path, **layer)
    sources = {"": path, "llm": llm, "vision": tower}
    return OpenedCheckpoint(llava=llava, sources=sources, template=facts.template)


def open_training(path: Path) -> tuple[Weights, Mapping[str, Any]]:
    """All weights that were trained or kept, and the notes that the trainer left with them."""
    if path.is_dir():
        return open_deepspeed(path)
    held = load_pickle(path)
    if not isinstance(held, Mapping):
        raise ModelError("this file holds no named tensors.", file=path, fix="Check the path.")
    return tensors_of(held.get("state_dict", held), path), held


def trained_parts(weights: Weights, where: Path) -> Mapping[Part, Weights]:
    """The trained tensors of each part, whole ones and LoRA pairs."""
    return in_parts(
        without_buffers(adapter_of(weights, {}, where).weights),
        where,
        what="this is not a checkpoint of a LLaVA",
        fix="Give one that xtuner or vlmbench wrote.",
    )


def open_deepspeed(folder: Path) -> tuple[Weights, Mapping[str, Any]]:
    """The same for a folder of DeepSpeed."""
    place = state_folder(folder)
    if place is None:
        raise ModelError("there is no checkpoint of DeepSpeed here.", file=folder, fix="Check the path.")
    states = [_load_state(file) for file in _by_rank(place, "*_model_states.pt")]
    optimizers = [_load_state(file) for file in _by_rank(place, "*_optim_states.pt")]
    first = states[0]
    held = dict(tensors_of(first.get("module") or {}, place))
    if optimizers:
        try:
            held |= _from_optimizers(states, optimizers, place)
        # A file made by something else can be wrong in as many ways as it has parts.
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise _damaged(place) from None
    elif any(_is_cut(state) for state in states):
        raise ModelError(
            "the weights lie in *_optim_states.pt, and those files are missing.",
            file=place,
            fix="Copy the whole folder.",
        )
    shared = {
        second: held[name] for second, name in (first.get("shared_params") or {}).items() if name in held
    }
    whole = {name.removeprefix("module."): kept for name, kept in (held | shared).items()}
    return whole, first


def _load_state(file: Path) -> Mapping[str, Any]:
    state = load_pickle(file)
    if not isinstance(state, Mapping):
        raise _damaged(file)
    return state


def _is_cut(state: Mapping[str, Any]) -> bool:
    """Whether the model's file holds only empty tensors in place of the weights."""
    module = state.get("module") or {}
    return any(tensor.numel() == 0 for tensor in module.values() if hasattr(tensor, "numel"))


def _by_rank(place: Path, pattern: str) -> list[Path]:
    """In order of the processes, 10 after 9."""
    return sorted(
        place.glob(pattern), key=lambda file: [int(number) for number in re.findall(r"\d+", file.name)]
    )


def _from_optimizers(
    states: Sequence[Mapping[str, Any]], optimizers: Sequence[Mapping[str, Any]], place: Path
) -> dict[str, LazyTensor]:
    parts = [part for state in optimizers if isinstance(part := state.get("optimizer_state_dict"), Mapping)]
    if len(parts) < len(optimizers):
        raise _damaged(place)
    first = parts[0]
    count = first.get("partition_count", len(parts))
    wanted = max(count) if isinstance(count, (list, tuple)) else count
    if wanted != len(parts):
        raise ModelError(
            f"{wanted} processes wrote *_optim_states.pt, and {len(parts)} of these files are here.",
            file=place,
            fix="Copy the files of every machine into this folder.",
        )
    groups = states[0].get("param_shapes") or []
    if "fp32_flat_groups" in first:
        rows = [_row(part["fp32_flat_groups"]) for part in parts]
        return _frozen_pieces(states) | _cut_each(groups, rows, place)
    if "single_partition_of_fp32_groups" not in first:
        raise _damaged(place)
    paddings = first.get("param_alignment_paddings")
    frozen = states[0].get("frozen_param_fragments") or {}
    found = dict(in_memory(frozen))
    for number, shapes in enumerate(groups):
        pieces = [part["single_partition_of_fp32_groups"][number] for part in parts]
        found |= _cut_row(shapes, pieces, paddings[number] if paddings else [0] * len(shapes), place)
    return found


def _cut_row(
    shapes: Mapping[str, Any], pieces: Sequence[torch.Tensor], paddings: Sequence[int], place: Path
) -> dict[str, LazyTensor]:
    """ZeRO-1 and -2: parameters after each other in the row that all processes make together."""
    found, start = {}, 0
    for (name, shape), padding in zip(shapes.items(), paddings, strict=True):
        count = math.prod(shape)
        found[name] = _stored(pieces, start, count, shape)
        start += count + padding
    _check_length(start, sum(piece.numel() for piece in pieces), 2 * len(pieces), place)
    return found


def _cut_each(
    groups: Sequence[Mapping[str, Any]], rows: Sequence[_Row], place: Path
) -> dict[str, LazyTensor]:
    """ZeRO-3: of each parameter every process has an equal piece, the last one filled up."""
    found, start = {}, 0
    for name, shape in ((name, shape) for group in groups for name, shape in group.items()):
        each = -(-math.prod(shape) // len(rows))
        found[name] = _gathered(rows, start, each, shape)
        start += each
    _check_length(start, sum(piece.numel() for piece in rows[0]), len(rows), place)
    return found


def _frozen_pieces(states: Sequence[Mapping[str, Any]]) -> dict[str, LazyTensor]:
    """The parameters that ZeRO-3 cut and did not train."""
    shapes = states[0].get("frozen_param_shapes") or {}
    return {
        name: _gathered(
            [[state["frozen_param_fragments"][name].flatten()] for state in states], 0, None, shape
        )
        for name, shape in shapes.items()
    }


def _row(groups: Any) -> _Row:
    return list(groups) if isinstance(groups, (list, tuple)) else [groups]


def _stored(pieces: _Row, start: int, count: int, shape: Sequence[int]) -> LazyTensor:
    def read() -> torch.Tensor:
        return _between(pieces, start, start + count).reshape(tuple(shape))

    return LazyTensor(shape=tuple(shape), dtype=dtype_name(pieces[0].dtype), load=read)


def _gathered(rows: Sequence[_Row], start: int, each: int | None, shape: Sequence[int]) -> LazyTensor:
    def read() -> torch.Tensor:
        import torch

        count = sum(piece.numel() for piece in rows[0]) if each is None else each
        parts = [_between(row, start, start + count) for row in rows]
        return torch.cat(parts)[: math.prod(shape)].reshape(tuple(shape))

    return LazyTensor(shape=tuple(shape), dtype=dtype_name(rows[0][0].dtype), load=read)


def _between(pieces: _Row, start: int, end: int) -> torch.Tensor:
    """Numbers `start` to `end` of the pieces laid after each other."""
    import torch

    found, before = [], 0
    for piece in pieces:
        low, high = max(start - before, 0), min(end - before, piece.numel())
        if low < high:
            found.append(piece.flatten()[low:high])
        before += piece.numel()
    return torch.cat(found) if len(found) != 1 else found[0]


def _check_length(used: int, there: int, step: int, place: Path) -> None:
    """Rows are filled up to a multiple of `step`; more left over means a file of another run."""
    if not used <= there < used + max(step, 1) * 2:
        raise ModelError(
            f"the weights take {used:,} numbers and the files hold {there:,}: they are of two checkpoints.",
            file=place,
            fix="Copy the whole folder again.",
        )


def _damaged(place: Path) -> ModelError:
    return ModelError(
        "vlmbench does not know the format of these files of DeepSpeed.",
        file=place,
        fix="Copy the folder again.",
    )
