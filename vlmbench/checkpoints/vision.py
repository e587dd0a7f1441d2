"""Image encoders: a CLIP model with or without its text half, a CLIP or SigLIP vision model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.fit import check_weights, refuse_quantised, shapes_of, without_buffers
from vlmbench.checkpoints.llava import VisionTower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.shards import open_weights
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import Weights, renamed

KINDS = {
    "clip": "clip_vision_model", "clip_vision_model": "clip_vision_model",
    "siglip": "siglip_vision_model", "siglip_vision_model": "siglip_vision_model",
}  # fmt: skip
"""The kinds of model that hold a tower, and what transformers calls the tower alone."""

_BARE = ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.", "head.")
"""How names begin since transformers 5, which leaves `vision_model.` out."""
_OTHER_HALF = (
    "text_model.", "text_projection.", "visual_projection.", "logit_scale", "logit_bias",
)  # fmt: skip
"""What a model of pictures and text has besides its tower."""


def open_vision(folder: Path) -> VisionTower:
    """The tower of a folder, every weight of it accounted for."""
    config = read_json(folder / "config.json")
    kind = KINDS.get(config.get("model_type", ""))
    if kind is None:
        raise ModelError(
            f"`{config.get('model_type')}` is no image encoder that is read here.",
            file=folder / "config.json",
            key="model_type",
            fix="Give the folder of a CLIP or SigLIP model, such as openai/clip-vit-large-patch14-336.",
        )
    refuse_quantised(config, folder, "--vision")
    weights = {n: kept for n, kept in open_weights(folder).items() if not n.startswith(_OTHER_HALF)}
    return tower(config, weights, picture_settings(folder), folder)


def tower(
    config: Mapping[str, Any], weights: Weights, processor: Mapping[str, Any], where: Path
) -> VisionTower:
    """The tower of these parts, whichever way its weights are named."""
    full = _complete(config, where)
    named = without_buffers(renamed(weights, published))
    wanted = tower_shapes(full, where)
    check_weights(
        named,
        wanted,
        where,
        "Compare config.json and the weights with the model's source, or give --vision DIR.",
    )
    return VisionTower(config=full, weights=named, processor=processor)


def published(name: str) -> str:
    """A tower's weight under the name that published models have."""
    return f"vision_model.{name}" if name.startswith(_BARE) else name


def tower_shapes(config: Mapping[str, Any], where: Path) -> dict[str, tuple[int, ...]]:
    """What a tower of this configuration is made of, under the published names."""
    import transformers

    names = {"clip_vision_model": "CLIPVision", "siglip_vision_model": "SiglipVision"}
    stem = names[config["model_type"]]
    kind, settings = getattr(transformers, f"{stem}Model"), getattr(transformers, f"{stem}Config")
    shapes = shapes_of(lambda: kind(settings(**config)), where)
    return {published(name): shape for name, shape in shapes.items()}


def picture_settings(folder: Path) -> dict[str, Any]:
    """How pictures are prepared: from preprocessor_config.json or, newer, processor_config.json."""
    old, new = folder / "preprocessor_config.json", folder / "processor_config.json"
    if old.is_file():
        return read_json(old)
    settings = read_json(new).get("image_processor") if new.is_file() else None
    if not isinstance(settings, dict):
        raise ModelError(
            "the image processor's description is missing.", file=old, fix="Copy it from the model's source."
        )
    return settings


def _complete(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """The tower's part of a configuration, with what transformers fills in."""
    from transformers import CLIPVisionConfig, SiglipVisionConfig

    kind = KINDS.get(config.get("model_type", ""), "")
    own = config.get("vision_config", config) if config.get("model_type") in ("clip", "siglip") else config
    if not isinstance(own, Mapping):
        raise ModelError(
            "the configuration of the tower is no JSON object.",
            file=where / "config.json",
            key="vision_config",
        )
    kept = {key: value for key, value in own.items() if key not in _MEANINGLESS}
    settings: Any = SiglipVisionConfig if kind.startswith("siglip") else CLIPVisionConfig
    return completed(settings, kept | {"model_type": kind}, where)


def completed(settings: Any, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """A configuration with every field of its class, and none of what only files have."""
    try:
        with quiet():
            full: dict[str, Any] = settings(**config).to_diff_dict()
    # A configuration can be wrong in as many ways as it has fields.
    except Exception as error:
        raise ModelError(
            f"the configuration cannot be read ({first_line(error)}).",
            file=where / "config.json",
            fix="Copy it from the model's source.",
        ) from error
    full.pop("transformers_version", None)
    return full


_MEANINGLESS = ("_name_or_path", "transformers_version", "architectures", "model_type", "torchscript")
