"""A transformers model that is loaded already, perhaps in the middle of its training, asked as it is.

No weights are copied, and device and dtype stay. Between two batches the model is as it was given: in its own
mode, with its own generation settings. The processor is copied, because evaluation pads on the left and
training may not.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vlmbench.domain import Response
from vlmbench.errors import ModelError
from vlmbench.model_files.processor import completed
from vlmbench.models.hf.batching import DeviceJob
from vlmbench.models.hf.borrowed import attributes_kept, random_states_kept
from vlmbench.models.hf.fingerprint import config_digest, processor_digest, weights_digest
from vlmbench.models.hf.model import HfModel, facts_of, name_of
from vlmbench.models.hf.render import Renderer

_PAIR = "Give a pair: (model, processor), both of transformers."


class InMemoryModel(HfModel):
    """Make one with `in_memory_model`."""

    def __init__(self, name: str, weights: Any, processor: Any, rows: int | None) -> None:
        with attributes_kept(weights):
            super().__init__(
                name, {}, weights, processor, Renderer(processor, None), rows, keeps_training=True
            )
            self._generation = weights.generation_config

    @property
    def facts(self) -> Mapping[str, Any]:  # never kept: weights may change
        """Digests of weights, configuration and processor, computed anew each time."""
        weights = self._weights
        names = type(weights).__name__, str(weights.dtype).removeprefix("torch.")
        of_files = facts_of("hf in memory", *names, {}, self._processor, self._generator.settings)
        return of_files | {
            "files": None,
            "weights": weights_digest(weights),
            "parameters": sum(parameter.numel() for parameter in weights.parameters()),
            "config": config_digest(weights.config),
            "processor files": processor_digest(self._processor),
            # Accelerate puts mixed precision around `forward`, which then rounds otherwise.
            "mixed precision": hasattr(weights, "_original_forward"),
        }

    def _ask(self, batch: Sequence[DeviceJob]) -> list[Response]:
        import torch

        weights = self._weights
        alone = torch.autocast(weights.device.type, enabled=False)
        with attributes_kept(weights), random_states_kept(), alone:
            weights.eval()
            weights.generation_config = self._generation
            return super()._ask(batch)


def in_memory_model(
    model: Any, processor: Any, *, name: str | None = None, batch_size: int | Literal["auto"] = "auto"
) -> InMemoryModel:
    """The model as it is, out of what training wrapped it in: DDP, DeepSpeed, PEFT, torch.compile."""
    check_whole(model)
    weights = unwrapped(model)
    own = completed(copy.deepcopy(processor), weights.config, None)
    found = name or name_of(weights.name_or_path or type(weights).__name__, Path())
    return InMemoryModel(found, weights, own, None if batch_size == "auto" else batch_size)


def unwrapped(model: Any) -> Any:
    """The transformers model inside; adapters that are part of its layers stay active."""
    from transformers import PreTrainedModel

    while not isinstance(model, PreTrainedModel):
        inside = getattr(model, "_modules", {})
        if hasattr(model, "get_base_model"):
            if model.active_peft_config.is_prompt_learning:
                raise ModelError(
                    "prompt and prefix tuning stand outside the layers, and vlmbench asks the layers.",
                    fix="Give a function (messages, images) -> str that asks it.",
                )
            model = model.get_base_model()
        elif inner := inside.get("module") or inside.get("_orig_mod"):
            model = inner
        else:
            raise ModelError(f"a {type(model).__name__} is not a model of transformers.", fix=_PAIR)
    if not model.can_generate():
        raise ModelError(
            f"a {type(model).__name__} writes no text.", fix="Load it with AutoModelForImageTextToText."
        )
    return model


def check_whole(model: Any) -> None:
    """Refuse a model of which this process holds only a part."""
    parts = any(hasattr(weight, "ds_id") or hasattr(weight, "placements") for weight in model.parameters())
    if parts or any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        raise ModelError(
            "the weights are sharded over several processes (ZeRO-3, FSDP or tensor parallel), so no process "
            "can ask the model alone.",
            fix="Save a checkpoint and evaluate its folder: `vlmbench run --model FOLDER`.",
        )
