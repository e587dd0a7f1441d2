"""The model of a recipe, ready to be trained: loaded, frozen, given adapters, what is trained chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.llava import Llava
from vlmbench.errors import UserError
from vlmbench.trainers.recipe.model import Lora, Model, Recipe

from .computing import Computing
from .loading import load
from .names import HEAD, LANGUAGE, PROJECTOR, TOWER, is_adapter, stored_name, stored_parts
from .tower import idle, skip_idle, without_gradients

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The model, ready to be trained, and what a reader should know of how it was made."""

    model: Any
    notes: tuple[str, ...]


def build(llava: Llava, recipe: Recipe, how: Computing) -> Built:
    """What is trained is float32 and exact, what is frozen is in the numbers that the run computes in.

    Under DeepSpeed all is in the latter: it keeps the float32 originals itself.
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


def _freeze(model: Any, llava: Llava, wanted: Model) -> list[str]:
    """Everything, and the tower's layers behind the selected one for good."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    skipped = skip_idle(model.model.vision_tower, llava)
    if not skipped or wanted.vision.train == "frozen":
        return []
    told = "neither trained nor given adapters" if wanted.vision.train == "lora" else "not trained"
    layers = f"{skipped} layer{'s' * (skipped > 1)}"
    return [f"the tower's last {layers} stand behind the selected one ({llava.select_layer}): {told}"]


def _add_adapters(model: Any, llava: Llava, recipe: Recipe) -> None:
    language, vision = recipe.model.language.lora, recipe.model.vision.lora
    if language is not None:
        _inject(model, language, list(_linears(model, LANGUAGE, llava, language)), recipe.seed)
    if vision is not None:
        names = [name.removeprefix(TOWER) for name in _linears(model, TOWER, llava, vision)]
        # Into the tower alone: PEFT would take a second configuration of one model for a second adapter.
        _inject(model.model.vision_tower, vision, names, recipe.seed + 1)
    if language is not None or recipe.model.language.quantisation is not None:
        # Trainer asks this before it trains anything quantised.
        model._hf_peft_config_loaded = True


def _linears(model: Any, prefix: str, llava: Llava, lora: Lora) -> Iterator[str]:
    """The layers that get an adapter, by their whole names."""
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
        raise UserError("no layer answers to `lora.targets`.", key="lora.targets")
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names, bias="none"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)


def _choose_trained(model: Any, llava: Llava, wanted: Model) -> None:
    """PEFT has its own idea of what is trained; the recipe's is set over it."""
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
    """What is trained, in float32 and as it is stored, not as it was rounded."""
    stored = stored_parts(llava)
    for name, parameter in trained(model):
        exact = parameter.data
        if not is_adapter(name):
            part, inner = stored_name(name)
            exact = stored[part][inner].load() if inner in stored[part] else exact
        parameter.data = exact.detach().float().clone().to(parameter.device)


def trained(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Every parameter that learns, with its name."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _checkpoint_layers(model: Any, wanted: Model) -> None:
    """Through what learns only: a frozen tower has nothing to compute again."""
    settings = {"use_reentrant": False}
    model.model.language_model.gradient_checkpointing_enable(settings)
    if wanted.vision.train != "frozen":
        model.model.vision_tower.gradient_checkpointing_enable(settings)
