"""A vision tower's folder, read and written: a CLIP model with or without its text half, or SigLIP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import image_processor_of, vision_config
from vlmbench.checkpoints.fit import Shapes, check_weights, refuse_quantised, shapes_of
from vlmbench.checkpoints.llava import VisionTower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.picture_values import check_picture_values
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import (
    SHARD_SIZE,
    Weights,
    open_weights,
    renamed,
    save_json,
    save_weights,
    without_buffers,
)

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
_MEANINGLESS = ("_name_or_path", "transformers_version", "architectures", "model_type", "torchscript")


def open_vision(folder: Path) -> VisionTower:
    """The tower of a folder; missing and unknown weights are refused."""
    config = read_json(folder / "config.json")
    kind = KINDS.get(config.get("model_type", ""))
    if kind is None:
        raise ModelError(
            f"`{config.get('model_type')}` is not a vision tower of a kind that vlmbench reads.",
            file=folder / "config.json",
            key="model_type",
            fix="Give the folder of a CLIP or SigLIP model, such as openai/clip-vit-large-patch14-336.",
        )
    refuse_quantised(config, folder, "--vision")
    weights = {n: kept for n, kept in open_weights(folder).items() if not n.startswith(_OTHER_HALF)}
    return tower(config, weights, picture_settings(folder), folder)


def write_tower(vision: VisionTower, folder: Path, *, shard_size: int = SHARD_SIZE) -> None:
    """The vision tower alone with its image processor, in transformers' layout."""
    folder.mkdir(exist_ok=True)
    save_json(folder / "config.json", vision_config(vision))
    save_json(folder / "preprocessor_config.json", vision.processor)
    save_weights(vision.weights, folder, shard_size=shard_size)


def tower(
    config: Mapping[str, Any], weights: Weights, processor: Mapping[str, Any], where: Path
) -> VisionTower:
    """The tower of these parts; its weights may have names of any version of transformers."""
    full = _complete(config, where)
    named = without_buffers(renamed(weights, published))
    wanted = _tower_shapes(full, where)
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


def _tower_shapes(config: Mapping[str, Any], where: Path) -> Shapes:
    """The tensors of such a tower, under the published names."""
    import transformers

    names = {"clip_vision_model": "CLIPVision", "siglip_vision_model": "SiglipVision"}
    stem = names[config["model_type"]]
    kind, settings = getattr(transformers, f"{stem}Model"), getattr(transformers, f"{stem}Config")
    shapes = shapes_of(lambda: kind(settings(**config)), where)
    return {published(name): shape for name, shape in shapes.items()}


def picture_settings(folder: Path) -> dict[str, Any]:
    """How pictures are prepared: from preprocessor_config.json or, newer, processor_config.json."""
    old, new = folder / "preprocessor_config.json", folder / "processor_config.json"
    file = old if old.is_file() else new
    settings = read_json(file) if file.is_file() else None
    if file == new and settings is not None:
        settings = settings.get("image_processor")
    if not isinstance(settings, dict):
        raise ModelError(
            "the image processor's description is missing.", file=old, fix="Copy it from the model's source."
        )
    check_picture_values(settings, file)
    _try_settings(settings, file)
    return settings


def _try_settings(settings: Mapping[str, Any], file: Path) -> None:
    """Prepare a small picture: transformers refuses wrong settings only there, with any error."""
    from PIL import Image

    vision = VisionTower(config={"model_type": "clip_vision_model"}, weights={}, processor=settings)
    try:
        with quiet():
            image_processor_of(vision)(images=Image.new("RGB", (8, 8)), return_tensors="np")
    except Exception as error:
        raise ModelError(
            f"pictures cannot be prepared with these settings ({first_line(error)}).",
            file=file,
            fix="Copy it from the model's source.",
        ) from None


def _complete(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """The tower's part of a configuration, with what transformers fills in."""
    from transformers import CLIPVisionConfig, SiglipVisionConfig

    kind = KINDS.get(config.get("model_type", ""), "")
    own = config.get("vision_config", config) if config.get("model_type") in ("clip", "siglip") else config
    if not isinstance(own, Mapping):
        raise ModelError(
            "the configuration of the vision tower is not a JSON object.",
            file=where / "config.json",
            key="vision_config",
        )
    kept = {key: value for key, value in own.items() if key not in _MEANINGLESS}
    settings: Any = SiglipVisionConfig if kind.startswith("siglip") else CLIPVisionConfig
    return completed(settings, kept | {"model_type": kind}, where)


def completed(settings: Any, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """A configuration with every field of its class, without the keys that only files have."""
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
