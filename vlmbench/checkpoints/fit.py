"""Whether weights are those of a configuration: every name, every shape, and nothing besides."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import Weights, listed

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """The tensors that transformers' class of a configuration has, without their numbers."""

    name: str
    shapes: Shapes
    tied: Mapping[str, str]
    """The second name of a tensor that two modules share, and its first."""
    ignored: tuple[str, ...]
    """Patterns of names that old files hold and no model reads."""
    converted: bool
    """transformers stores this class under other names than it computes with."""


def skeleton(config: Mapping[str, Any]) -> Skeleton:
    """The skeleton of a language model."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.conversion_mapping import get_model_conversion_mapping

    settings = {name: value for name, value in config.items() if name != "model_type"}

    def build() -> Any:
        wanted = AutoConfig.for_model(config["model_type"], **settings)
        return AutoModelForCausalLM.from_config(wanted)  # type: ignore[no-untyped-call]

    model = _without_memory(build)
    return Skeleton(
        name=type(model).__name__,
        shapes=_shapes(model),
        tied=dict(model.all_tied_weights_keys),
        ignored=(r"rotary_emb\.inv_freq$", *(model._keys_to_ignore_on_load_unexpected or ())),
        converted=bool(get_model_conversion_mapping(model, add_legacy=False)),
    )


def shapes_of(build: Callable[[], Any], where: Path) -> Shapes:
    """The names and shapes of a model that is built without memory."""
    return _shapes(_without_memory(build, where / "config.json"))


def _without_memory(build: Callable[[], Any], file: Path | None = None) -> Any:
    """A model on torch's meta device: no memory, no numbers."""
    import torch

    try:
        with quiet(), torch.device("meta"):
            return build()
    # A configuration can be wrong in as many ways as it has fields.
    except Exception as error:
        raise ModelError(
            f"no model can be made of this configuration ({first_line(error)}).",
            file=file,
            fix="Copy config.json from the model's source.",
        ) from error


def _shapes(model: Any) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def fitted(weights: Weights, bones: Skeleton) -> Weights:
    """The weights that the class needs, no more and no less; an error lists what does not fit."""
    needed = {name: tensor for name, tensor in weights.items() if not _matches(name, bones.ignored)}
    kept = _untied(needed, bones.tied)
    if wrong := _misfits(kept, bones.shapes, optional=bones.tied):
        raise ModelError(
            f"the weights are not those of {bones.name}: {wrong}.",
            fix=(
                "transformers converts stored weights of this class while loading; vlmbench does not."
                if bones.converted
                else "Weights and config.json belong to different models, or a file is missing."
            ),
        )
    return kept


def check_weights(weights: Weights, wanted: Shapes, where: Path, fix: str) -> None:
    """Refuse weights that are not exactly the ones that are wanted, and list which."""
    if wrong := _misfits(weights, wanted):
        raise ModelError(f"the weights do not fit: {wrong}.", file=where, fix=fix)


def _misfits(weights: Weights, shapes: Shapes, optional: Collection[str] = ()) -> str:
    """What is missing, unknown or of another shape; empty if all fit. What is `optional` may be missing."""
    wrong = [
        f"{name}: {_by(tensor.shape)} instead of {_by(shapes[name])}"
        for name, tensor in weights.items()
        if name in shapes and tensor.shape != tuple(shapes[name])
    ]
    return "; ".join(
        listed(names, what)
        for names, what in (
            (shapes.keys() - weights.keys() - set(optional), "missing"),
            (weights.keys() - shapes.keys(), "unknown to this kind of model"),
            (wrong, "of another shape than the configuration says"),
        )
        if names
    )


def _by(shape: Collection[int]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _untied(weights: Weights, tied: Mapping[str, str]) -> Weights:
    """Without the second name of what is tied, once both are found to be the same."""
    import torch

    both = [(second, first) for second, first in tied.items() if second in weights and first in weights]
    for second, first in both:
        if weights[second].shape != weights[first].shape or not torch.equal(
            weights[second].load(), weights[first].load()
        ):
            raise ModelError(
                f"config.json ties `{second}` to `{first}`, but the file holds both and they differ.",
                key="tie_word_embeddings",
                fix="Set it to false if the model has a head of its own.",
            )
    left_out = {second for second, _ in both}
    return {name: kept for name, kept in weights.items() if name not in left_out}


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def refuse_quantised(config: Mapping[str, Any], where: Path, flag: str) -> None:
    """Refuse a model in 4 or 8 bits: its exact weights are lost."""
    if config.get("quantization_config"):
        raise ModelError(
            "these weights are quantised, and neither merging nor converting can start from them.",
            file=where / "config.json",
            key="quantization_config",
            fix=f"Give the model they were made from: {flag} DIR.",
        )
