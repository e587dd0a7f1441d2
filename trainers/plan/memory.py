"""An estimate of the memory of one device; docs/recipes.md has the formula.

weights       half precision 2 bytes a parameter (4 where trained without DeepSpeed, or in fp32);
              four bits: 4.127 bits a parameter of the linear layers, the head apart
gradients     as trained weights; ZeRO 2 and 3 share them
optimizer     AdamW's two moments and a master copy: 12 bytes under DeepSpeed, 8 without; ZeRO shares them
activations   the inputs of every layer and one layer computed again, twice, for the longest sample
logits        12 bytes for each position and word: half precision, single precision, gradient
buckets       what ZeRO gathers gradients in, and the weights ZeRO 3 holds at once
reserve       1 GiB for CUDA, and a twentieth of the rest for gaps
"""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.trainers.devices import Zero, zero_of
from vlmbench.trainers.plan.sizes import PartSizes, lora_size, parts, projector_size
from vlmbench.trainers.recipe.model import Dtype, Lora, Recipe, Trained

GIB = 2**30
QUANTISED_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Four bits, a byte-sized scale for 64 weights, and a scale of those scales for 256 of them."""
PLAIN_SCALE_BITS = 4 + 32 / 64
BUCKET = 500_000_000
"""Gradients that ZeRO gathers at once, in DeepSpeed's own default."""
LIVE = 1_000_000_000
"""Weights that ZeRO 3 holds whole at once, in DeepSpeed's own default."""
LOGIT_BYTES = 12
PICTURE_ALONE = 1
"""What a picture counts in `max_length`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """A part of the model: how much of it learns, and what it takes on one device."""

    name: str
    how: str
    total: int
    """Parameters, adapters among them."""
    trained: int
    weights: float
    gradients: float
    optimizer: float
    activations: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on one device."""

    zero: str
    positions: int
    """Of the longest sample."""
    parts: tuple[PartPlan, ...]
    logits: float
    buckets: float
    reserve: float
    host: float
    """On the machine, for each device: what ZeRO keeps there."""

    @property
    def total(self) -> float:
        """What one device holds: every part, logits, buckets and reserve, in bytes."""
        held = sum(p.weights + p.gradients + p.optimizer + p.activations for p in self.parts)
        return held + self.logits + self.buckets + self.reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What every part is counted with."""

    zero: Zero
    devices: int
    half: bool
    batch: int
    checkpointing: bool

    @property
    def width(self) -> int:
        """Bytes of an activation."""
        return 2 if self.half else 4

    def trained_width(self) -> int:
        """Bytes of a trained weight, and of its gradient."""
        return 2 if self.half and self.zero.deepspeed else 4

    def optimizer_width(self) -> int:
        """Moments, and a master copy where the weight itself is half precision."""
        return 12 if self.trained_width() == 2 else 8

    def shared(self, stage: int) -> int:
        """By how many devices something is shared that ZeRO shares from `stage` on."""
        return self.devices if self.zero.stage >= stage else 1


def longest(recipe: Recipe) -> int:
    """Positions of the longest sample: its text, and one picture spliced in."""
    vision = parts(recipe)[1]
    whole = recipe.data.max_length - PICTURE_ALONE + vision.picture_tokens
    return min(whole, recipe.data.max_positions or whole)


def memory(recipe: Recipe, devices: int, *, zero: Zero | None = None, positions: int | None = None) -> Memory:
    """What one device holds at its fullest."""
    zero = zero or zero_of(recipe.parallelism.deepspeed)
    setting = _Setting(
        zero=zero,
        devices=devices,
        half=recipe.parallelism.precision != "fp32",
        batch=recipe.schedule.batch,
        checkpointing=recipe.parallelism.checkpointing,
    )
    length = positions or longest(recipe)
    planned = (_language(recipe, setting, length), _vision(recipe, setting), _projector(recipe, setting))
    language = parts(recipe)[0]
    logits = float(LOGIT_BYTES * setting.batch * length * language.vocabulary)
    buckets = _buckets(planned, setting)
    held = sum(p.weights + p.gradients + p.optimizer + p.activations for p in planned) + logits + buckets
    return Memory(
        zero=zero.name,
        positions=length,
        parts=planned,
        logits=logits,
        buckets=buckets,
        reserve=0.0 if recipe.parallelism.device == "cpu" else GIB + held / 20,
        host=_host(planned, setting),
    )


def _language(recipe: Recipe, setting: _Setting, positions: int) -> PartPlan:
    section, part = recipe.model.language, parts(recipe)[0]
    bits = None
    if section.quantisation is not None:
        bits = QUANTISED_BITS if section.quantisation.double else PLAIN_SCALE_BITS
    return _part(
        "language model",
        part,
        section.train,
        section.lora,
        setting,
        dtype=section.dtype,
        bits=bits,
        # Gradients pass through a frozen language model on their way to the projector.
        activations=_activations(part, positions, setting, backward=True),
    )


def _vision(recipe: Recipe, setting: _Setting) -> PartPlan:
    section, part = recipe.model.vision, parts(recipe)[1]
    learns = section.train != "frozen"
    activations = _activations(part, part.positions, setting, backward=learns)
    return _part(
        "vision tower",
        part,
        section.train,
        section.lora,
        setting,
        dtype=section.dtype,
        activations=activations,
    )


def _part(
    name: str,
    part: PartSizes,
    train: Trained,
    lora: Lora | None,
    setting: _Setting,
    *,
    dtype: Dtype | None,
    activations: float,
    bits: float | None = None,
) -> PartPlan:
    adapters = lora_size(part, lora) if lora else 0
    trained = part.used if train == "full" else adapters
    held = part.total - (trained if train == "full" else 0)
    weights = _frozen_bytes(part, held, dtype, bits, setting) + trained * setting.trained_width() / _share(
        setting
    )
    return PartPlan(
        name=name,
        how=f"{'4-bit, ' if bits else ''}{f'LoRA r {lora.r}' if lora else train}",
        total=part.total + adapters,
        trained=trained,
        weights=weights,
        gradients=trained * setting.trained_width() / setting.shared(2),
        optimizer=_optimizer(trained, setting),
        activations=activations,
    )


def _frozen_bytes(
    part: PartSizes, count: int, dtype: Dtype | None, bits: float | None, setting: _Setting
) -> float:
    """Frozen weights: four bits where quantised, which ZeRO 3 cannot share, else as they are held."""
    width = setting.width if setting.zero.deepspeed or dtype is None else {"float32": 4}.get(dtype, 2)
    if bits is None:
        return count * width / _share(setting)
    packed = sum(linear.size for linear in part.linears if linear.name != "lm_head")
    return packed * bits / 8 + (count - packed) * width


def _share(setting: _Setting) -> float:
    """By how much ZeRO 3 divides weights on the device."""
    return float("inf") if setting.zero.weights_on_host else setting.shared(3)


def _optimizer(trained: int, setting: _Setting) -> float:
    if setting.zero.optimizer_on_host:
        return 0.0
    return trained * setting.optimizer_width() / setting.shared(1)


def _projector(recipe: Recipe, setting: _Setting) -> PartPlan:
    language, vision = parts(recipe)
    size = projector_size(language, vision, recipe.model.projector.depth)
    learns = recipe.model.projector.train
    trained = size if learns else 0
    width = setting.trained_width() if learns else setting.width
    rows = setting.batch * vision.picture_tokens
    return PartPlan(
        name="projector",
        how="full" if learns else "frozen",
        total=size,
        trained=trained,
        weights=size * width / _share(setting),
        gradients=trained * setting.trained_width() / setting.shared(2),
        optimizer=_optimizer(trained, setting),
        activations=float(rows * (vision.hidden + 3 * language.hidden) * setting.width),
    )


def _activations(part: PartSizes, positions: int, setting: _Setting, *, backward: bool) -> float:
    """Kept inputs of every layer, and one layer at work, its values and their gradients."""
    rows = setting.batch * positions
    at_work = rows * (8 * part.hidden + 2 * part.key_values + 4 * part.intermediate) * setting.width
    if not backward:
        return float(at_work)
    if not setting.checkpointing:
        return float(part.layers * at_work + at_work)
    return float(part.layers * rows * part.hidden * setting.width + 2 * at_work)


def _buckets(planned: tuple[PartPlan, ...], setting: _Setting) -> float:
    if setting.zero.stage == 0:
        return 0.0
    trained = sum(p.trained for p in planned)
    gathered = 2 * min(BUCKET, trained) * setting.trained_width()
    if setting.zero.stage < 3:
        return float(gathered)
    return float(gathered + min(LIVE, sum(p.total for p in planned)) * setting.width)


def _host(planned: tuple[PartPlan, ...], setting: _Setting) -> float:
    trained = sum(p.trained for p in planned)
    total = sum(p.total for p in planned)
    optimizer = trained * setting.optimizer_width() if setting.zero.optimizer_on_host else 0
    weights = total * setting.width if setting.zero.weights_on_host else 0
    return (optimizer + weights) / setting.devices
