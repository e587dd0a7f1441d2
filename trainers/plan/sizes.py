"""How large a model's parts are, by the values of a config.json: no weights, no download.

The sizes come from `shapes/`, which holds the config.json values of the models that recipes name, or from the
folder of a model that is here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError, UnknownName
from vlmbench.files.json_files import read_object
from vlmbench.models.loading import demo_folder
from vlmbench.trainers.plan.modules import Module, language_architecture, vision_architecture
from vlmbench.trainers.recipe.library import load
from vlmbench.trainers.recipe.model import LanguagePart, Lora, Recipe, VisionPart

SHAPES = Path(__file__).parents[1] / "shapes"
FUSED = "internlm2"
"""Its own code keeps query, key and value in one matrix; transformers' Llama keeps three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One linear layer."""

    name: str
    inputs: int
    outputs: int

    @property
    def size(self) -> int:
        """Entries of its matrix."""
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """The sizes of one part of a model."""

    kind: str
    """model_type."""
    total: int
    used: int
    """Without the tower's layers after the selected one, which never learn; of a language model all."""
    linears: tuple[Linear, ...]
    """Of the layers that are used; the language model's head is the last."""
    layers: int
    hidden: int
    intermediate: int
    key_values: int
    """Width of keys, and of values."""
    vocabulary: int = 0
    positions: int = 0
    """A picture in the tower, the class token among them."""
    picture_tokens: int = 0
    """A picture in the language model."""


def parts(recipe: Recipe) -> tuple[PartSizes, PartSizes]:
    """Language model and tower of a recipe."""
    start = recipe.model.start
    language, vision = recipe.model.language, recipe.model.vision
    return (
        language_part(replace(language, path=start or language.path)),
        vision_part(replace(vision, path=start or vision.path)),
    )


def language_part(language: LanguagePart) -> PartSizes:
    """Sizes of the language model."""
    return _language(_frozen(config_of(language)))


def vision_part(vision: VisionPart) -> PartSizes:
    """Sizes of the tower, as far as the selected layer uses it."""
    return _vision(_frozen(config_of(vision)), vision.select_layer, vision.select_strategy)


def config_of(part: LanguagePart | VisionPart) -> Mapping[str, Any]:
    """config.json of the folder if it is here, else the shape that ships under its name."""
    file = folder_of(part.path) / "config.json" if part.path else None
    found = _written(file, part) if file is not None and file.is_file() else None
    if found is not None:
        return found
    if part.shape is None:
        raise ModelError(
            f"nothing is known of the size of `{part.path}`.",
            fix=f"Give the folder of a download as its path, or a shape: {', '.join(shape_names())}.",
        )
    return shape(part.shape)


def _written(file: Path, part: LanguagePart | VisionPart) -> Mapping[str, Any] | None:
    """The part's values in a config.json; None for a tower that it only names."""
    document = read_object(file, raises=ModelError)
    is_language = isinstance(part, LanguagePart)
    inner: Mapping[str, Any] = document.get("text_config" if is_language else "vision_config", document)
    # The official layout has the language model's values under a name of its own, and of the tower its name.
    family = str(inner.get("model_type", ""))
    if not family.startswith("llava"):
        return inner
    return {**inner, "model_type": family.removeprefix("llava_")} if is_language else None


def folder_of(path: str) -> Path:
    """The folder a recipe's path means, whether or not it is there."""
    return demo_folder() if path == "demo" else Path(path).expanduser()


def shape_names() -> list[str]:
    """Every shape that ships here."""
    return sorted(file.stem for file in SHAPES.glob("*.yaml"))


def shape(name: str) -> Mapping[str, Any]:
    """The config.json values of that shape."""
    if name not in shape_names():
        raise UnknownName("shape", name, shape_names())
    return load(SHAPES / f"{name}.yaml")


def projector_size(language: PartSizes, vision: PartSizes, depth: int) -> int:
    """Weights and biases of the projector."""
    first = (vision.hidden + 1) * language.hidden
    return first + (depth - 1) * (language.hidden + 1) * language.hidden


def lora_size(part: PartSizes, lora: Lora) -> int:
    """Weights of the adapters, trained here on transformers' own classes."""
    return sum(lora.r * (linear.inputs + linear.outputs) for linear in adapted(part, lora))


def published_lora_size(part: PartSizes, lora: Lora) -> int | None:
    """The same where the published model fuses query, key and value; None where it does not differ."""
    if part.kind != FUSED:
        return None
    shared = sum(
        2 * lora.r * linear.inputs for linear in adapted(part, lora) if linear.name.endswith("q_proj")
    )
    return lora_size(part, lora) - shared


def adapted(part: PartSizes, lora: Lora) -> list[Linear]:
    """The layers that get an adapter."""
    inner = [linear for linear in part.linears if linear.name != "lm_head"]
    head = [linear for linear in part.linears if linear.name == "lm_head" and lora.head]
    if lora.targets:
        inner = [linear for linear in inner if linear.name.rpartition(".")[2] in lora.targets]
    return inner + head


def _frozen(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, default=str)


@cache
def _language(text: str) -> PartSizes:
    config = json.loads(text)
    built = language_architecture(_known(config))
    sizes = built.config
    heads = sizes.num_attention_heads
    width = getattr(sizes, "head_dim", None) or sizes.hidden_size // heads
    total = sum(module.parameters for module in built.modules)
    return PartSizes(
        kind=str(config.get("model_type")),
        total=total,
        used=total,
        linears=_linears(built.modules),
        layers=sizes.num_hidden_layers,
        hidden=sizes.hidden_size,
        intermediate=sizes.intermediate_size,
        key_values=(getattr(sizes, "num_key_value_heads", None) or heads) * width,
        vocabulary=sizes.vocab_size,
    )


@cache
def _vision(text: str, select_layer: int, strategy: str) -> PartSizes:
    config = json.loads(text)
    built = vision_architecture(config)
    sizes, layers = built.config, built.config.num_hidden_layers
    used = select_layer if select_layer >= 0 else layers + 1 + select_layer
    idle = (*(f".layers.{layer}." for layer in range(used, layers)), ".post_layernorm.", ".head.")
    learning = [one for one in built.modules if not any(mark in f".{one.name}." for mark in idle)]
    side = (sizes.image_size // sizes.patch_size) ** 2
    kind = str(config.get("model_type"))
    class_token = int(kind.startswith("clip"))
    return PartSizes(
        kind=kind,
        total=sum(module.parameters for module in built.modules),
        used=sum(module.parameters for module in learning),
        linears=_linears(learning),
        layers=used,
        hidden=sizes.hidden_size,
        intermediate=sizes.intermediate_size,
        key_values=sizes.hidden_size,
        positions=side + class_token,
        picture_tokens=side + (class_token if strategy == "full" else 0),
    )


def _known(config: dict[str, Any]) -> dict[str, Any]:
    """InternLM and InternLM2 in the words of transformers' Llama, whose mathematics they have."""
    if config.get("model_type") not in ("internlm", FUSED):
        return config
    named = {
        k: v for k, v in config.items() if k not in ("bias", "auto_map", "architectures", "rope_scaling")
    }
    return {**named, "model_type": "llama", "attention_bias": bool(config.get("bias"))}


def _linears(modules: Iterable[Module]) -> tuple[Linear, ...]:
    return tuple(
        Linear(name=one.name, inputs=one.linear[0], outputs=one.linear[1]) for one in modules if one.linear
    )
