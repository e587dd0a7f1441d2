"""The model of a recipe in memory: whole, in four bits, or sharded by ZeRO-3 as it is loaded.

Sharded, no rank ever holds the whole model: each layer is split when it is made, and rank 0 reads one tensor
at a time, of which each rank keeps its shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.assemble import generation_of, llava_config, published
from vlmbench.checkpoints.llava import Llava
from vlmbench.model_files.loading import check_report
from vlmbench.model_files.weights import LazyTensor, cast, loaded, without_buffers
from vlmbench.trainers.devices import RankSettings, zero_of
from vlmbench.trainers.recipe.model import ModelParts, Recipe
from vlmbench.trainers.training.names import HEAD, PROJECTOR, TOWER, stored_name, stored_parts

if TYPE_CHECKING:
    import torch


def load(llava: Llava, recipe: Recipe, how: RankSettings) -> Any:
    """The model in the run's number type; the language model in four bits where the recipe says so.

    Sharded where the Trainer's settings of ZeRO-3 were made before; every rank calls it then.
    """
    from vlmbench.model_files.silence import quiet

    with quiet():
        if import_module("transformers.integrations").is_deepspeed_zero3_enabled():
            model = _sharded(llava, how.dtype, _attention(recipe.model))
        else:
            model = _whole(llava, recipe.model, how)
    model.generation_config = generation_of(llava)
    return model


def _whole(llava: Llava, wanted: ModelParts, how: RankSettings) -> Any:
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    auto: Any = LlavaForConditionalGeneration
    settings: dict[str, Any] = {"dtype": getattr(torch, how.dtype), "output_loading_info": True}
    if wanted.language.quantisation is not None:
        settings |= _quantised(wanted, how)
    if (attention := _attention(wanted)) is not None:
        settings["attn_implementation"] = attention
    model, report = auto.from_pretrained(
        None,
        config=LlavaConfig(**llava_config(llava)),
        state_dict=loaded(cast(published(llava), how.dtype)),
        **settings,
    )
    check_report(report, Path("the parts as read"))
    return model


def _quantised(wanted: ModelParts, how: RankSettings) -> dict[str, Any]:
    """Four bits for the language model alone, the head apart."""
    import torch
    from transformers import BitsAndBytesConfig

    chosen = wanted.language.quantisation
    if chosen is None:
        return {}
    compute = how.dtype if how.cpu or how.precision == "bf16" else chosen.compute
    config: Any = BitsAndBytesConfig
    device = "cpu" if how.cpu else how.local_rank
    return {
        "quantization_config": config(
            load_in_4bit=True,
            bnb_4bit_quant_type=chosen.kind,
            bnb_4bit_use_double_quant=chosen.double,
            bnb_4bit_compute_dtype=getattr(torch, compute),
            llm_int8_skip_modules=[name.rstrip(".") for name in (TOWER, PROJECTOR, HEAD)],
        ),
        "device_map": {"": device},
    }


def _attention(wanted: ModelParts) -> str | None:
    names = {"auto": None, "flash": "flash_attention_2", "sdpa": "sdpa", "eager": "eager"}
    return names[wanted.attention]


def can_load_sharded(llava: Llava, recipe: Recipe) -> bool:
    """Whether ZeRO-3 can shard the weights as they are read: each is one parameter of the model.

    Four bits need whole tensors, and so does a parameter that transformers makes of several.
    """
    if zero_of(recipe.parallelism.deepspeed).stage != 3 or recipe.model.language.quantisation is not None:
        return False
    wanted = {stored_name(name): tuple(value.shape) for name, value in _state(_shapes(llava))}
    return wanted == {place: kept.shape for place, kept in _stored(llava).items()}


def _sharded(llava: Llava, dtype: str, attention: str | None) -> Any:
    """The model, sharded; every rank calls it, after the Trainer's settings of ZeRO-3 were made."""
    import torch

    settings: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if attention is not None:
        settings["attn_implementation"] = attention
    with _sharding():
        model = _made(llava, **settings)
    model.tie_weights()
    weights = _stored(llava)
    for name, value in _state(model):
        _fill(value, weights[stored_name(name)])
    return model


@contextmanager
def _sharding() -> Iterator[None]:
    """Shard every layer when it is made and draw no numbers for it; transformers does not shard it again."""
    from transformers import initialization, modeling_utils

    sharing = import_module("transformers.integrations.deepspeed").deepspeed_config()
    partition = import_module("deepspeed.runtime.zero.partition_parameters")
    init = partition.Init(
        config_dict_or_path=sharing,
        # Only the device, not the number type: computed buffers such as positions stay exact.
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


def _fill(value: torch.Tensor, kept: LazyTensor) -> None:
    """Fill one weight: gathered on every rank for a moment, read by rank 0 alone."""
    import torch

    if not isinstance(value, torch.nn.Parameter):
        # ZeRO-3 shards no buffers.
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
    """The model on the meta device, without numbers."""
    import torch

    with torch.device("meta"):
        return _made(llava)


def _state(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor once: a tied head is the embeddings' matrix."""
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
