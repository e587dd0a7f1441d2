"""What a recipe will cost, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vlmbench.trainers.chain import WORK_DIRS, placed
from vlmbench.trainers.deepspeed_file import agree
from vlmbench.trainers.devices import STAGES
from vlmbench.trainers.plan.advice import Advice, advice, longest_that_fits
from vlmbench.trainers.plan.memory import GIB, Memory, longest, memory
from vlmbench.trainers.plan.missing import Missing, missing
from vlmbench.trainers.plan.notes import cheap_notes
from vlmbench.trainers.plan.samples import SourcePlan, Tokens, packed_rows, source_plans, tokens
from vlmbench.trainers.plan.sizes import parts, published_lora_size
from vlmbench.trainers.plan.steps import Counts, counts
from vlmbench.trainers.recipe.model import Chain, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
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
    """Bytes that a device has, if it was said."""
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


def plan_chain(chain: Chain, machine: Machine) -> tuple[Plan, ...]:
    """Every stage that trains, each in the work folder that it would have."""
    plans: list[Plan] = []
    folders = [folder for _, folder in placed(chain, machine.work_dir)]
    for recipe, folder in zip(chain.recipes, folders, strict=True):
        made = plan(recipe, replace(machine, work_dir=folder))
        if plans:
            # The stage before is part of the chain and will be there in time.
            made = replace(made, missing=tuple(m for m in made.missing if m.kind != "stage before"))
        plans.append(made)
    return tuple(plans)


def plan(recipe: Recipe, machine: Machine) -> Plan:
    """One stage."""
    nproc = machine.nproc or max(1, recipe.parallelism.processes // machine.nnodes)
    devices = nproc * machine.nnodes
    agree(recipe, devices)
    sources = source_plans(recipe.data)
    seen = tokens(recipe, sources)
    rows = packed_rows(seen, longest(recipe)) if recipe.data.packing else None
    counted = counts(recipe, sum(source.samples for source in sources), devices, rows=rows)
    room = machine.gpu_memory * GIB if machine.gpu_memory else None
    held = memory(recipe, devices)
    work_dir = machine.work_dir or WORK_DIRS / recipe.name
    crowded = room is not None and held.total > room
    return Plan(
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
    unknown = [source.name for source in sources if source.told == "unknown"]
    if unknown:
        notes.append(f"not counted: {', '.join(unknown)}, whose records are known once it is here")
    notes += [source.problem for source in sources if source.problem]
    if counted.rows is not None:
        notes.append("packed: about so many steps; the lengths are known once it is tokenised")
    lora = recipe.model.language.lora
    published = published_lora_size(parts(recipe)[0], lora) if lora else None
    if published is not None:
        notes.append(f"published adapters, with query, key and value in one matrix, have {published:,}")
    return (*notes, *cheap_notes(recipe, devices))
