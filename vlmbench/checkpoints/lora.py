"""LoRA adapters, added to the weights they were trained on when those weights are read from disk."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.llava import LanguageModel, VisionTower
from vlmbench.checkpoints.native.fused import split_fused_lora, split_fused_settings
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.weights import LazyTensor, Weights, listed, open_weights, renamed

if TYPE_CHECKING:
    import torch

CONFIG = "adapter_config.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin")

_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<half>[AB])(\.weight)?")
_NOT_PLAIN = {
    "use_dora": "DoRA",
    "lora_bias": "biases of LoRA's own",
    "layer_replication": "replicated layers",
    "use_qalora": "QALoRA",
    "megatron_config": "Megatron's layers",
}
"""Settings of adapters that are more than a product of two matrices."""
_CHANGED_BASE = ("pissa", "olora", "corda")
"""Initialisations that change the base's own weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What training changed: pairs of matrices to add, and whole tensors to put in place."""

    weights: Weights
    """`MODULE.lora_A.weight` and `MODULE.lora_B.weight`, and whole tensors under the base's names."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """adapter_config.json."""
    where: Path


def open_adapter(folder: Path) -> Adapter:
    """The adapter of a folder, if it is one that adds products of matrices."""
    if not (folder / CONFIG).is_file():
        raise ModelError(
            "this file is missing, so this is not an adapter.", file=folder / CONFIG, fix="Check the path."
        )
    settings = read_json(folder / CONFIG)
    _check_settings(settings, folder / CONFIG)
    files = [folder / name for name in FILES if (folder / name).is_file()]
    return adapter_of(open_weights(files[0] if files else folder / FILES[0]), settings, folder)


def adapter_of(weights: Weights, settings: Mapping[str, Any], where: Path) -> Adapter:
    """Tensors of a training run as an adapter, without the prefixes that PEFT puts around names."""
    plain = renamed(weights, _unwrapped)
    odd = [name for name in plain if "lora_" in name and not _LORA.fullmatch(name)]
    if odd:
        raise ModelError(
            f"these tensors are not plain LoRA: {listed(odd, 'of them')}.", file=where, fix=_MERGE_THERE
        )
    return Adapter(weights=plain, settings=settings, where=where)


def with_split_projections(adapter: Adapter, config: Mapping[str, Any]) -> Adapter:
    """For a language model of this configuration: fused projections are split as it splits them."""
    weights = split_fused_lora(adapter.weights, config)
    return replace(adapter, weights=weights, settings=split_fused_settings(adapter.settings, adapter.weights))


def merged_language(base: LanguageModel, adapter: Adapter) -> LanguageModel:
    """The language model with an adapter in it; the adapter may use the names of fused projections."""
    return replace(base, weights=merged(base.weights, with_split_projections(adapter, base.config)))


def merged_tower(base: VisionTower, adapter: Adapter) -> VisionTower:
    """The tower with an adapter in it."""
    return replace(base, weights=merged(base.weights, adapter))


def merged(base: Weights, adapter: Adapter) -> Weights:
    """The base with the adapter in it: W + scale * B A, computed in float32 when a tensor is read."""
    pairs, whole = _pairs(adapter)
    _check_fit(base, pairs, whole, adapter)
    changed = {**base, **whole}
    transposed = bool(adapter.settings.get("fan_in_fan_out"))
    for module, (down, up) in pairs.items():
        name = f"{module}.weight"
        scale = _scale(adapter, module, down.shape[0])
        changed[name] = _added(changed[name], down, up, scale, transposed)
    return changed


def _pairs(adapter: Adapter) -> tuple[dict[str, tuple[LazyTensor, LazyTensor]], dict[str, LazyTensor]]:
    """The pairs by module, and all other tensors. Embedding layers keep A and B the other way round."""
    halves: dict[str, dict[str, LazyTensor]] = {}
    whole = {}
    for name, kept in adapter.weights.items():
        found = _LORA.fullmatch(name)
        if found is None:
            whole[name] = kept
            continue
        half, stored = found["half"], kept
        if found["embedding"]:
            half, stored = {"A": "B", "B": "A"}[half], _turned(kept)
        halves.setdefault(found["module"], {})[half] = stored
    alone = [module for module, both in halves.items() if len(both) < 2]
    if alone:
        raise ModelError(
            f"the adapter is incomplete: {listed(alone, 'modules have only one of lora_A and lora_B')}.",
            file=adapter.where,
            fix="Copy it again.",
        )
    return {module: (both["A"], both["B"]) for module, both in halves.items()}, whole


def _turned(kept: LazyTensor) -> LazyTensor:
    return LazyTensor(shape=kept.shape[::-1], dtype=kept.dtype, load=lambda: kept.load().T)


def _check_fit(
    base: Weights, pairs: Mapping[str, tuple[LazyTensor, LazyTensor]], whole: Weights, adapter: Adapter
) -> None:
    """An adapter of another base is refused, with what does not fit."""
    transposed = bool(adapter.settings.get("fan_in_fan_out"))
    result: dict[str, object] = {
        f"{module}.weight": _product(down, up, transposed) for module, (down, up) in pairs.items()
    }
    result |= {name: kept.shape for name, kept in whole.items()}
    strange = result.keys() - base.keys()
    wrong = {
        f"{name}: {shape} on {base[name].shape}"
        for name, shape in result.items()
        if name in base and shape != base[name].shape
    }
    complaints = [
        listed(names, what)
        for names, what in ((strange, "unknown to the base"), (wrong, "of another shape"))
        if names
    ]
    if complaints:
        named = adapter.settings.get("base_model_name_or_path")
        raise ModelError(
            f"the adapter is of another base: {'; '.join(complaints)}.",
            file=adapter.where,
            fix=f"It was trained on `{named}`; give that." if named else "Give the base it was trained on.",
        )


def _product(down: LazyTensor, up: LazyTensor, transposed: bool) -> tuple[int, ...] | str:
    if down.shape[0] != up.shape[1]:
        return "two ranks"
    if transposed:
        return (down.shape[1], up.shape[0])
    return (up.shape[0], *down.shape[1:])


def _scale(adapter: Adapter, module: str, rank: int) -> float:
    settings = adapter.settings
    alpha = settings.get("lora_alpha")
    for pattern, value in (settings.get("alpha_pattern") or {}).items():
        if _matches(pattern, module, adapter.where):
            alpha = value
            break
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool):
        raise ModelError(
            "the strength of this LoRA (its alpha) is given nowhere.",
            file=adapter.where,
            key="lora_alpha",
            fix="Give the configuration it was trained with: --recipe FILE.",
        )
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _matches(pattern: str, module: str, where: Path) -> bool:
    try:
        return re.match(rf"(.*\.)?({pattern})$", module) is not None
    except re.error as error:
        raise ModelError(
            f"`{pattern}` is not a regular expression ({error}).",
            file=where,
            key="alpha_pattern",
            fix="Copy the file again.",
        ) from None


def _added(base: LazyTensor, down: LazyTensor, up: LazyTensor, scale: float, transposed: bool) -> LazyTensor:
    def add() -> torch.Tensor:
        weight = base.load()
        delta = (up.load().float().flatten(1) @ down.load().float().flatten(1)) * scale
        change = delta.T if transposed else delta
        return (weight.float() + change.reshape(weight.shape)).to(weight.dtype)

    return LazyTensor(shape=base.shape, dtype=base.dtype, load=add)


def _unwrapped(name: str) -> str | None:
    """The name without PEFT's prefixes and infixes; None for what PEFT keeps of the base."""
    if ".original_module." in name:
        return None
    name = name.replace("base_model.model.", "", 1).replace(".base_layer.", ".")
    name = re.sub(r"\.modules_to_save(\.default)?\.", ".", name)
    return re.sub(r"(\.lora_(?:embedding_)?[AB])\.default(?=\.|$)", r"\1", name)


def _check_settings(settings: Mapping[str, Any], file: Path) -> None:
    kind = settings.get("peft_type", "LORA")
    if kind != "LORA":
        raise ModelError(
            f"only LoRA is merged here, and this is {kind}.", file=file, key="peft_type", fix=_MERGE_THERE
        )
    for key, what in _NOT_PLAIN.items():
        if settings.get(key):
            raise ModelError(
                f"this adapter is LoRA with {what}, which is not merged here.",
                file=file,
                key=key,
                fix=_MERGE_THERE,
            )
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGED_BASE):
        raise ModelError(
            f"this adapter began as `{start}`, which changes the base's own weights.",
            file=file,
            key="init_lora_weights",
            fix=_MERGE_THERE,
        )


_MERGE_THERE = "Merge it with PEFT (`merge_and_unload`), and give the merged model."
