"""The tensors that transformers' class of a configuration has, without their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vlmbench.checkpoints.fit import listed
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights

_UNBUILDABLE = (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, RuntimeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What a class expects to be given."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    tied: Mapping[str, str]
    """The second name of a tensor that two modules share, and its first."""
    ignored: tuple[str, ...]
    """Patterns of names that old files hold and nobody needs."""
    converted: bool
    """transformers stores this class under other names than it computes with."""


def skeleton(config: Mapping[str, Any]) -> Skeleton:
    """Built on torch's meta device: no memory, no numbers."""
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.conversion_mapping import get_model_conversion_mapping

    from vlmbench.model_files.silence import first_line, quiet

    settings = {name: value for name, value in config.items() if name != "model_type"}
    try:
        with quiet(), torch.device("meta"):
            wanted = AutoConfig.for_model(config["model_type"], **settings)
            model = AutoModelForCausalLM.from_config(wanted)  # type: ignore[no-untyped-call]
    except (*_UNBUILDABLE, StrictDataclassError) as error:
        raise ModelError(
            f"no model can be made of this configuration ({first_line(error)}).",
            fix="Copy config.json again.",
        ) from None
    return Skeleton(
        name=type(model).__name__,
        shapes={name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
        tied=dict(model.all_tied_weights_keys),
        ignored=(r"rotary_emb\.inv_freq$", *(model._keys_to_ignore_on_load_unexpected or ())),
        converted=bool(get_model_conversion_mapping(model, add_legacy=False)),
    )


def fitted(weights: Weights, bones: Skeleton) -> Weights:
    """The weights that the class wants, no more and no less; whatever does not fit is listed."""
    needed = {name: tensor for name, tensor in weights.items() if not _matches(name, bones.ignored)}
    kept = _untied(needed, bones.tied)
    missing = [name for name in bones.shapes if name not in kept and name not in bones.tied]
    unexpected = [name for name in kept if name not in bones.shapes]
    wrong = [
        f"{name} {list(tensor.shape)} instead of {list(bones.shapes[name])}"
        for name, tensor in kept.items()
        if name in bones.shapes and tensor.shape != bones.shapes[name]
    ]
    complaints = [
        listed(names, what)
        for names, what in ((missing, "missing"), (unexpected, "unexpected"), (wrong, "of another shape"))
        if names
    ]
    if complaints:
        raise ModelError(
            f"the weights are not those of {bones.name}: {'; '.join(complaints)}.",
            fix=(
                "transformers converts stored weights of this class while loading, which is not done here."
                if bones.converted
                else "Weights and config.json belong to different models, or a file is missing."
            ),
        )
    return kept


def _untied(weights: Weights, tied: Mapping[str, str]) -> Weights:
    """Without the second name of what is tied, after a look that both really are the same."""
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
