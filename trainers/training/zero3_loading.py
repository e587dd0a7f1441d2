"""ZeRO-3's way of loading: a model that is cut up as it is made, its weights dealt out as they are read.

No process ever holds the whole of it. The first reads one tensor at a time, and each keeps its piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.assemble import llava_config
from vlmbench.checkpoints.llava import Llava
from vlmbench.model_files.weights import LazyTensor, without_buffers
from vlmbench.trainers.devices import zero_of
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.names import stored_name, stored_parts

if TYPE_CHECKING:
    import torch


def scatters(llava: Llava, recipe: Recipe) -> bool:
    """Whether the weights can be dealt out: by ZeRO-3, and where each is a parameter of the model as it is.

    Four bits are made of whole tensors, and what transformers makes of several tensors needs them all.
    """
    if zero_of(recipe.parallelism.deepspeed).stage != 3 or recipe.model.language.quantisation is not None:
        return False
    wanted = {stored_name(name): tuple(value.shape) for name, value in _state(_shapes(llava))}
    return wanted == {place: kept.shape for place, kept in _stored(llava).items()}


def scattered(llava: Llava, dtype: str, attention: str | None) -> Any:
    """The model in pieces; every process has to call it, while the Trainer's settings of ZeRO-3 are there."""
    import torch

    settings: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if attention is not None:
        settings["attn_implementation"] = attention
    with _in_pieces():
        model = _made(llava, **settings)
    model.tie_weights()
    weights = _stored(llava)
    for name, value in _state(model):
        _deal(value, weights[stored_name(name)])
    return model


@contextmanager
def _in_pieces() -> Iterator[None]:
    """Every layer is cut up once it is made, and drawn no numbers for; transformers leaves it at that."""
    from transformers import initialization, modeling_utils

    sharing = import_module("transformers.integrations.deepspeed").deepspeed_config()
    partition = import_module("deepspeed.runtime.zero.partition_parameters")
    init = partition.Init(
        config_dict_or_path=sharing,
        # Not the kind of number, too: what a model computes for itself, its positions, stays exact.
        tensor_overrides=[partition.DeepSpeedTensorOverride.device],
    )
    quiet: Any = initialization.no_init_weights
    done: Any = modeling_utils.set_zero3_state
    with quiet(), done(), init:
        yield


def _made(llava: Llava, **settings: Any) -> Any:
    from transformers import AutoModelForImageTextToText, LlavaConfig

    auto: Any = AutoModelForImageTextToText
    return auto.from_config(LlavaConfig(**llava_config(llava)), **settings)


def _deal(value: torch.Tensor, kept: LazyTensor) -> None:
    """One weight: whole on every process for a moment, read by the first alone."""
    import torch

    if not isinstance(value, torch.nn.Parameter):
        # A buffer is not cut up.
        value.copy_(kept.load())
        return
    with import_module("deepspeed").zero.GatheredParameters([value], modifier_rank=0):
        if torch.distributed.get_rank() == 0:
            value.data.copy_(kept.load())


def _stored(llava: Llava) -> dict[tuple[str, str], LazyTensor]:
    """Every weight by its part and name."""
    parts = stored_parts(llava).items()
    return {(part, name): kept for part, weights in parts for name, kept in without_buffers(weights).items()}


def _shapes(llava: Llava) -> Any:
    """The model without numbers."""
    import torch

    with torch.device("meta"):
        return _made(llava)


def _state(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """What is learned, each once: a tied head is the embedding table."""
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
