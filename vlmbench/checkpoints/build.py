"""An untrained LLaVA of a language model and an image encoder: what the trainers start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.checkpoints.assemble import is_siglip, tower_settings
from vlmbench.checkpoints.finish import finished
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.tables import SEED, width
from vlmbench.checkpoints.wording import no_template, speaking, template_of
from vlmbench.errors import UsageError
from vlmbench.model_files.weights import in_memory

if TYPE_CHECKING:
    import torch


def untrained(
    language: LanguageModel,
    vision: VisionTower,
    *,
    template: str | None = None,
    select_layer: int = -2,
    seed: int = SEED,
) -> Llava:
    """Both parts as they are, and between them a projector drawn from `seed`.

    Without a `template`, that of the language model's family.
    """
    _check_layer(vision, select_layer)
    name = template or template_of(language)
    if name is None:
        raise no_template(language)
    llava = Llava(
        language=language,
        vision=vision,
        projector=new_projector(int(tower_settings(vision).hidden_size), width(language), seed),
        select_layer=select_layer,
        select_strategy="full" if is_siglip(vision) else "default",
    )
    return finished(speaking(llava, name), seed=seed)


def new_projector(seen: int, spoken: int, seed: int = SEED, *, depth: int = 2) -> Projector:
    """Linear layers as torch makes new ones: uniform within one over the root of the inputs, in float32."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(depth):
        inputs = seen if layer == 0 else spoken
        tensors[f"{2 * layer}.weight"] = _uniform((spoken, inputs), inputs, draw)
        tensors[f"{2 * layer}.bias"] = _uniform((spoken,), inputs, draw)
    return Projector(weights=in_memory(tensors))


def _uniform(shape: tuple[int, ...], inputs: int, draw: torch.Generator) -> torch.Tensor:
    import torch

    share: torch.Tensor = torch.rand(shape, generator=draw) * 2 - 1
    drawn: torch.Tensor = share / inputs**0.5
    return drawn


def _check_layer(vision: VisionTower, layer: int) -> None:
    """The tower gives its layers' outputs and, before them, its embeddings."""
    states = int(tower_settings(vision).num_hidden_layers) + 1
    if not -states <= layer < states:
        raise UsageError(
            f"the tower has {states} hidden states, and {layer} is none of them.", key="--select-layer"
        )
