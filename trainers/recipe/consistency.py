"""Values of a recipe that contradict each other, or the sizes of its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlmbench.errors import ModelError, UnknownName, UsageError, UserError
from vlmbench.trainers.plan.sizes import config_of, language_part, vision_part
from vlmbench.trainers.recipe.model import LanguagePart, Recipe, RecordMap, Source, VisionPart
from vlmbench.trainers.recipe.typed import PLACE

LAYERS = 2
"""Linear layers of a projector that transformers can train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a recipe's values come from, so that an error names the file or the setting at fault."""

    where: str
    """The file."""
    asked: tuple[str, ...] = ()
    """Keys that settings changed."""
    shipped: bool = False

    def error(self, what: str, key: str, *, of: tuple[str, ...] = (), fix: str | None = None) -> UserError:
        """A mistake at `key`; it is the command line's where a setting reached that key, or one `of` them."""
        if self.reached(key, *of):
            return UsageError(what, file=PLACE, key=key, fix=fix)
        return UserError(what, file=self.where, key=key, fix=fix)

    def reached(self, *keys: str) -> bool:
        """Whether a setting changed one of these keys, what is below it, or what it is below."""
        return any(
            asked == key or asked.startswith(f"{key}.") or key.startswith(f"{asked}.")
            for asked in self.asked
            for key in keys
        )


def check_consistency(recipe: Recipe, origin: Origin) -> None:
    """Raise for the first contradiction."""
    language, vision = recipe.model.language, recipe.model.vision
    _refuse_nothing_to_do(recipe, origin)
    for name, part in (("language", language), ("vision", vision)):
        _refuse_half(part, f"model.{name}", origin)
        if part.path is None and recipe.model.start is None:
            key = f"model.{name}.path"
            raise origin.error("is missing, and there is no `model.start`.", key, of=("model.start",))
    if language.quantisation is not None and (language.train == "full" or language.fresh):
        fix = "Set model.language.quantisation to null, or train: lora."
        raise origin.error("four-bit weights cannot be trained in full.", "model.language", fix=fix)
    if recipe.model.projector.depth != LAYERS:
        what = f"must be {LAYERS}: the projector of transformers' LLaVA has two layers."
        raise origin.error(what, "model.projector.depth")
    for place, source in enumerate(recipe.data.sources):
        if source.stream and not (source.files or source.hf or source.ms):
            what = "only shards are streamed, and this source names none."
            fix = "Name them as `files`, `hf` or `ms`, or leave `stream` out."
            raise origin.error(what, f"data.sources.{place}.stream", of=("data.sources",), fix=fix)
    start = recipe.model.start
    _refuse_layer(replace(vision, path=start or vision.path), origin)
    _refuse_targets(replace(language, path=start or language.path), "model.language", origin)
    _refuse_targets(replace(vision, path=start or vision.path), "model.vision", origin)


def _refuse_nothing_to_do(recipe: Recipe, origin: Origin) -> None:
    """Raise where nothing is trained, or on no data, or in a number type that the device lacks."""
    model, parallelism = recipe.model, recipe.parallelism
    parts = {"model.projector.train": model.projector.train}
    parts |= {
        f"model.{name}.train": part.train != "frozen"
        for name, part in (("language", model.language), ("vision", model.vision))
    }
    if not any(parts.values()):
        key = next((key for key in parts if origin.reached(key)), "model.projector.train")
        fix = "Set model.projector.train to true, or model.language.train to lora or full."
        raise origin.error("leaves nothing to learn: every part of the model is frozen.", key, fix=fix)
    if not recipe.data.sources:
        fix = (
            "Name one: {annotations: FILE, images: FOLDER}, {files: SHARDS}, "
            "{hf: OWNER/NAME, split: SPLIT}, or {kind: shapes, samples: N}."
        )
        raise origin.error("is empty: there is nothing to learn from.", "data.sources", fix=fix)
    for place, source in enumerate(recipe.data.sources):
        _refuse_two_origins(source, f"data.sources.{place}", origin)
    if parallelism.device == "cpu" and parallelism.precision == "fp16":
        raise origin.error(
            "must be fp32, bf16 or auto on a CPU: fp16 is for GPUs only.",
            "parallelism.precision",
            of=("parallelism.device",),
        )


def _refuse_two_origins(source: Source, key: str, origin: Origin) -> None:
    """A source is one file, or shards, or a split of a hub's dataset; only the last has split and config."""
    origins = ("annotations", "files", "hf", "ms")
    named = [name for name in origins if getattr(source, name) is not None]
    if len(named) > 1:
        raise origin.error(f"has {' and '.join(named)}.", key, fix="Give each a source of its own.")
    hub = source.hf or source.ms
    if hub and source.split is None:
        fix = f"Write {{{named[0]}: {hub}, split: train}}."
        raise origin.error("a hub's dataset needs a split.", f"{key}.split", of=(key,), fix=fix)
    lost = next((name for name in ("split", "config", "revision") if getattr(source, name) is not None), None)
    if lost and not hub:
        raise origin.error(f"has a {lost}, which only `hf` and `ms` have.", key, fix=f"Take {lost} out.")
    if source.map != RecordMap() and named in ([], ["annotations"]):
        fix = "Write `files:` in place of `annotations:`."
        raise origin.error("has a `map`, which only `files`, `hf` and `ms` have.", key, fix=fix)


def _refuse_half(part: LanguagePart | VisionPart, key: str, origin: Origin) -> None:
    """Adapters that are not trained, or training of adapters that are not there."""
    if (part.train == "lora") != (part.lora is not None):
        what = "has no `lora`" if part.lora is None else f"has a `lora` and is `{part.train}`"
        fix = f"Give {key}.lora with {key}.train: lora, or neither."
        raise origin.error(f"{what}.", key, of=(f"{key}.lora", f"{key}.train"), fix=fix)


def _refuse_layer(vision: VisionPart, origin: Origin) -> None:
    """The tower gives its layers' outputs and, before them, its embeddings."""
    states = int(_config(vision).get("num_hidden_layers", -1)) + 1
    if states and not -states <= vision.select_layer < states:
        what = (
            f"must be a number from {-states} to {states - 1} with this tower, not `{vision.select_layer}`."
        )
        raise origin.error(what, "model.vision.select_layer")


def _refuse_targets(part: LanguagePart | VisionPart, key: str, origin: Origin) -> None:
    """Raise for a target that no layer has; shipped recipes are checked by the tests."""
    key = f"{key}.lora.targets"
    if part.lora is None or not part.lora.targets or (origin.shipped and not origin.reached(key)):
        return
    known = set(_layers(part))
    for target in part.lora.targets:
        if known and target not in known:
            place = PLACE if origin.reached(key) else origin.where
            raise UnknownName("linear layer", target, known, fix=f"({place}, `{key}`)")


def _layers(part: LanguagePart | VisionPart) -> Iterator[str]:
    """The last parts of their names; none where nothing is known of the model yet."""
    if not _config(part):
        return
    sized = language_part(part) if isinstance(part, LanguagePart) else vision_part(part)
    for linear in sized.linears:
        if linear.name != "lm_head":
            yield linear.name.rpartition(".")[2]


def _config(part: LanguagePart | VisionPart) -> Mapping[str, Any]:
    try:
        return config_of(part)
    except (ModelError, OSError):
        return {}
