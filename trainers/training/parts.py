"""The model of a recipe, ready to be trained: its adapters, and which of its parameters are trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.llava import Llava
from vlmbench.errors import UserError
from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.recipe.model import Lora, ModelParts, Recipe
from vlmbench.trainers.training.loading import load
from vlmbench.trainers.training.names import (
    HEAD,
    LANGUAGE,
    PROJECTOR,
    TOWER,
    is_adapter,
    stored_name,
    stored_parts,
)

if TYPE_CHECKING:
    import torch

_LAYER = re.compile(r"\.encoder\.layers\.(\d+)(\.|$)")
_AFTER = (".post_layernorm", ".head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The model, ready to be trained, with notes for the reader of its card."""

    model: Any
    notes: tuple[str, ...]


def build(llava: Llava, recipe: Recipe, how: RankSettings) -> Built:
    """Trained parameters are exact float32, frozen ones in the run's number type.

    Under DeepSpeed all are in the run's number type: it keeps float32 originals itself.
    """
    model = load(llava, recipe, how)
    notes = _freeze(model, llava, recipe.model)
    _add_adapters(model, llava, recipe)
    _choose_trained(model, llava, recipe.model)
    if how.deepspeed is None:
        _exact(model, llava)
    if recipe.model.vision.train == "frozen":
        without_gradients(model.model.vision_tower)
    if recipe.parallelism.checkpointing:
        _checkpoint_layers(model, recipe.model)
    model.config.use_cache = False
    return Built(model=model, notes=tuple(notes))


def _freeze(model: Any, llava: Llava, wanted: ModelParts) -> list[str]:
    """Freeze every parameter, and skip the tower's layers after the selected one."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    skipped = skip_idle(model.model.vision_tower, llava)
    if not skipped or wanted.vision.train == "frozen":
        return []
    untrained = "neither trained nor given adapters" if wanted.vision.train == "lora" else "not trained"
    layers = f"{skipped} layer{'s' * (skipped > 1)}"
    return [f"the tower's last {layers} come after the selected one ({llava.select_layer}): {untrained}"]


def _add_adapters(model: Any, llava: Llava, recipe: Recipe) -> None:
    language, vision = recipe.model.language.lora, recipe.model.vision.lora
    if language is not None:
        _inject(model, language, list(_linears(model, LANGUAGE, llava, language)), recipe.seed)
    if vision is not None:
        names = [name.removeprefix(TOWER) for name in _linears(model, TOWER, llava, vision)]
        # Into the tower by itself: PEFT takes a second configuration of one model as a second adapter.
        _inject(model.model.vision_tower, vision, names, recipe.seed + 1)
    if language is not None or recipe.model.language.quantisation is not None:
        # Trainer refuses a quantised model without this mark.
        model._hf_peft_config_loaded = True


def _linears(model: Any, prefix: str, llava: Llava, lora: Lora) -> Iterator[str]:
    """Full names of the layers that get an adapter."""
    from torch.nn import Linear

    for name, module in model.named_modules():
        if not isinstance(module, Linear):
            continue
        if prefix == LANGUAGE and f"{name}." == HEAD:
            if lora.head:
                yield name
        elif not name.startswith(prefix) or idle(name, llava):
            continue
        elif not lora.targets or name.rpartition(".")[2] in lora.targets:
            yield name


def _inject(model: Any, lora: Lora, names: list[str], seed: int) -> None:
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    if not names:
        raise UserError("`lora.targets` names no layer of the model.", key="lora.targets")
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names, bias="none"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)


def _choose_trained(model: Any, llava: Llava, wanted: ModelParts) -> None:
    """Train what the recipe names, whatever PEFT has chosen."""
    whole = tuple(
        prefix
        for prefix, full in (
            (LANGUAGE, wanted.language.train == "full"),
            (HEAD, wanted.language.train == "full"),
            (TOWER, wanted.vision.train == "full"),
            (PROJECTOR, wanted.projector.train),
        )
        if full
    )
    for name, parameter in model.named_parameters():
        chosen = is_adapter(name) or (name.startswith(whole) and not idle(name, llava))
        if parameter.is_floating_point():
            parameter.requires_grad_(chosen)


def _exact(model: Any, llava: Llava) -> None:
    """Trained parameters in float32 as stored, without the rounding of the load."""
    stored = stored_parts(llava)
    for name, parameter in trained(model):
        exact = parameter.data
        if not is_adapter(name):
            part, inner = stored_name(name)
            exact = stored[part][inner].load() if inner in stored[part] else exact
        parameter.data = exact.detach().float().clone().to(parameter.device)


def trained(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Every trained parameter with its name."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _checkpoint_layers(model: Any, wanted: ModelParts) -> None:
    """Only where gradients flow: a frozen tower has nothing to recompute."""
    settings = {"use_reentrant": False}
    model.model.language_model.gradient_checkpointing_enable(settings)
    if wanted.vision.train != "frozen":
        model.model.vision_tower.gradient_checkpointing_enable(settings)


def used_layers(llava: Llava) -> int:
    """How many of the tower's layers the selected hidden state needs."""
    layers = int(llava.vision.settings().num_hidden_layers)
    chosen = llava.select_layer
    return chosen if chosen >= 0 else layers + 1 + chosen


def idle(name: str, llava: Llava) -> bool:
    """Whether it belongs to the tower after the selected layer, where no gradient arrives."""
    if not name.startswith(TOWER):
        return False
    if any(mark in name for mark in _AFTER):
        return True
    layer = _LAYER.search(name)
    return layer is not None and int(layer[1]) >= used_layers(llava)


def skip_idle(tower: Any, llava: Llava) -> int:
    """Compute nothing after the selected layer; the number of layers skipped.

    They stay in the model with their weights, so hidden states keep their indices.
    """
    inner = getattr(tower, "vision_model", tower)
    skipped = inner.encoder.layers[used_layers(llava) :]
    for layer in skipped:
        layer.forward = _identity
    return len(skipped)


def _identity(hidden_states: Any, *_: Any, **__: Any) -> Any:
    return hidden_states


def without_gradients(tower: Any) -> None:
    """Run a frozen tower without recording for the backward pass."""
    import torch

    forward = tower.forward

    def quietly(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return forward(*args, **kwargs)

    tower.forward = quietly
