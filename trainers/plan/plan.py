"""What a recipe costs before anything is loaded, and what to change where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlmbench.trainers.chain import WORK_DIRS, placed
from vlmbench.trainers.devices import STAGES, check_deepspeed_file, zero_of
from vlmbench.trainers.plan.memory import GIB, Memory, longest, memory
from vlmbench.trainers.plan.missing import Missing, missing
from vlmbench.trainers.plan.samples import SourcePlan, Tokens, packed_rows, source_plans, tokens
from vlmbench.trainers.plan.sizes import parts, published_lora_size
from vlmbench.trainers.plan.steps import Counts, counts, recipe_notes
from vlmbench.trainers.recipe.model import Chain, Lora, Quantisation, Recipe

Change = tuple[tuple[str, ...], str, Recipe]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage of training, in numbers."""

    recipe: Recipe
    devices: int
    work_dir: Path
    sources: tuple[SourcePlan, ...]
    counts: Counts
    tokens: Tokens
    memory: Memory
    by_zero: dict[str, float]
    """Bytes on one device under every stage of ZeRO."""
    gpu_memory: float | None
    """Bytes that a device has, where the user gave them."""
    longest_that_fits: int | None
    """Positions; None where every sample fits, or no device's memory is known."""
    advice: tuple[Advice, ...]
    """What to change where it does not fit."""
    hours: float | None
    missing: tuple[Missing, ...]
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool | None:
        """Whether the longest sample fits; None where no device's memory is known."""
        return None if self.gpu_memory is None else self.memory.total <= self.gpu_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a plan is made for."""

    nproc: int | None = None
    nnodes: int = 1
    gpu_memory: float | None = None
    """GiB."""
    rate: float | None = None
    """Tokens a second on one device."""
    work_dir: Path | None = None


def plan_chain(chain: Chain, machine: Machine) -> tuple[StagePlan, ...]:
    """Every stage that trains, each in the work folder that it would have."""
    plans: list[StagePlan] = []
    folders = [folder for _, folder in placed(chain, machine.work_dir)]
    for recipe, folder in zip(chain.recipes, folders, strict=True):
        made = plan(recipe, replace(machine, work_dir=folder))
        if plans:
            # The stage before is part of the chain and will be there in time.
            made = replace(made, missing=tuple(m for m in made.missing if m.kind != "stage before"))
        plans.append(made)
    return tuple(plans)


def plan(recipe: Recipe, machine: Machine) -> StagePlan:
    """What one recipe costs on this machine, and what is missing for it."""
    nproc = machine.nproc or max(1, recipe.parallelism.processes // machine.nnodes)
    devices = nproc * machine.nnodes
    check_deepspeed_file(recipe, devices)
    sources = source_plans(recipe.data)
    seen = tokens(recipe, sources)
    rows = packed_rows(seen, longest(recipe)) if recipe.data.packing else None
    counted = counts(recipe, sum(source.samples for source in sources), devices, rows=rows)
    room = machine.gpu_memory * GIB if machine.gpu_memory else None
    held = memory(recipe, devices)
    work_dir = machine.work_dir or WORK_DIRS / recipe.name
    crowded = room is not None and held.total > room
    return StagePlan(
        recipe=recipe,
        devices=devices,
        work_dir=work_dir,
        sources=sources,
        counts=counted,
        tokens=seen,
        memory=held,
        by_zero={name: memory(recipe, devices, zero=zero).total for name, zero in STAGES.items()},
        gpu_memory=room,
        longest_that_fits=longest_that_fits(recipe, devices, room) if room and crowded else None,
        advice=advice(recipe, devices, room) if room and crowded else (),
        hours=_hours(recipe, counted, seen, machine.rate, devices),
        missing=missing(recipe, nproc, work_dir),
        notes=_notes(recipe, counted, sources, devices),
    )


def _hours(recipe: Recipe, counted: Counts, seen: Tokens, rate: float | None, devices: int) -> float | None:
    if rate is None:
        return None
    epochs = counted.all_steps / counted.steps if counted.steps else 0
    return seen.total * epochs / (rate * devices) / 3600


def _notes(recipe: Recipe, counted: Counts, sources: tuple[SourcePlan, ...], devices: int) -> tuple[str, ...]:
    """What a reader should know of these figures."""
    notes = []
    unknown = [source.name for source in sources if source.samples_from == "unknown"]
    if unknown:
        notes.append(f"not counted: {', '.join(unknown)}, whose records are known once it is here")
    notes += [source.problem for source in sources if source.problem]
    notes += [source.note for source in sources if source.note]
    if counted.rows is not None:
        notes.append("packed: about so many steps; the lengths are known once it is tokenised")
    lora = recipe.model.language.lora
    published = published_lora_size(parts(recipe)[0], lora) if lora else None
    if published is not None:
        notes.append(f"published adapters, with query, key and value in one matrix, have {published:,}")
    return (*notes, *recipe_notes(recipe, devices, counted.all_micro_batches))


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
