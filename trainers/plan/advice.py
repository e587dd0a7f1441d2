"""What to change where a recipe does not fit, each change tried by the same estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vlmbench.trainers.devices import zero_of
from vlmbench.trainers.plan.memory import longest, memory
from vlmbench.trainers.recipe.model import Lora, Quantisation, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change, and what a device then holds."""

    settings: tuple[str, ...]
    """For `--set`."""
    total: float
    fits: bool
    why: str


def advice(recipe: Recipe, devices: int, room: float) -> tuple[Advice, ...]:
    """Every change that helps, those that suffice first; where none does, also with smaller batches."""
    changes = list(_changes(recipe, devices, room))
    found = _tried(changes, recipe, devices, room)
    if not any(change.fits for change in found):
        both = [
            ((*settings, *smaller), f"{why}; {how}", smallest)
            for settings, why, other in changes
            for smaller, how, smallest in _smaller_batches(other, devices, room)
        ]
        found += [change for change in _tried(both, recipe, devices, room) if change.fits]
    return tuple(sorted(found, key=lambda change: not change.fits))


Change = tuple[tuple[str, ...], str, Recipe]


def _tried(changes: Sequence[Change], recipe: Recipe, devices: int, room: float) -> list[Advice]:
    now = memory(recipe, devices).total
    tried = [(settings, why, memory(other, devices).total) for settings, why, other in changes]
    return [
        Advice(settings=settings, total=total, fits=total <= room, why=why)
        for settings, why, total in tried
        if total < now
    ]


def longest_that_fits(recipe: Recipe, devices: int, room: float) -> int:
    """Positions of the longest sample that fits; 0 where none does."""
    low, high = 0, longest(recipe)
    while low < high:
        middle = (low + high + 1) // 2
        if memory(recipe, devices, positions=middle).total <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _changes(recipe: Recipe, devices: int, room: float) -> Iterator[Change]:
    yield from _smaller_batches(recipe, devices, room)
    yield from _more_zero(recipe, devices)
    if not recipe.parallelism.checkpointing:
        other = replace(recipe, parallelism=replace(recipe.parallelism, checkpointing=True))
        yield ("parallelism.checkpointing=true",), "layers are computed twice", other
    yield from _four_bits(recipe)
    yield from _adapters(recipe)


def _smaller_batches(recipe: Recipe, devices: int, room: float) -> Iterator[Change]:
    """The largest batch that fits, or one; the global batch stays."""
    schedule = recipe.schedule
    batch, accumulation = schedule.batch, schedule.accumulation
    other = recipe
    while batch % 2 == 0 and memory(other, devices).total > room:
        batch, accumulation = batch // 2, accumulation * 2
        other = replace(recipe, schedule=replace(schedule, batch=batch, accumulation=accumulation))
    if other is not recipe:
        settings = (f"schedule.batch={batch}", f"schedule.accumulation={accumulation}")
        yield settings, "the same global batch in smaller bites", other


def _more_zero(recipe: Recipe, devices: int) -> Iterator[Change]:
    if recipe.parallelism.device == "cpu":
        return
    stage = zero_of(recipe.parallelism.deepspeed).stage
    names = [("zero2_offload", "the optimizer on the host: slower")]
    # ZeRO 3 cannot share four-bit weights.
    if recipe.model.language.quantisation is None:
        names = [("zero3", "weights shared: slower")] * (devices > 1) + names
        names.append(("zero3_offload", "weights and optimizer on the host: much slower"))
    for name, why in names:
        if name != recipe.parallelism.deepspeed and zero_of(name).stage >= stage:
            other = replace(recipe, parallelism=replace(recipe.parallelism, deepspeed=name))
            yield (f"parallelism.deepspeed={name}",), why, other


def _four_bits(recipe: Recipe) -> Iterator[Change]:
    language = recipe.model.language
    if language.train == "full" or language.quantisation is not None:
        return
    other = _with(recipe, quantisation=Quantisation())
    yield ("model.language.quantisation.kind=nf4",), "the language model in four bits", other


def _adapters(recipe: Recipe) -> Iterator[Change]:
    if recipe.model.language.train != "full":
        return
    lora = Lora(r=64, alpha=16, dropout=0.05)
    settings = (
        "model.language.train=lora",
        "model.language.lora.r=64",
        "model.language.lora.alpha=16",
        "model.language.lora.dropout=0.05",
    )
    adapted = _with(recipe, train="lora", lora=lora)
    yield settings, "adapters instead of all weights; take a rate of about 2e-4", adapted
    quantised = (*settings, "model.language.quantisation.kind=nf4")
    yield quantised, "the same in four bits", _with(adapted, quantisation=Quantisation())


def _with(recipe: Recipe, **changes: object) -> Recipe:
    language = replace(recipe.model.language, **changes)  # type: ignore[arg-type]
    return replace(recipe, model=replace(recipe.model, language=language))
