"""A plan on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlmbench.chinese import translated
from vlmbench.chinese.width import padded, width_of
from vlmbench.cli._shared.console import print_line, stdout
from vlmbench.plain_text import one_line
from vlmbench.terminal.output import write

if TYPE_CHECKING:
    from vlmbench.trainers.plan.plan import StagePlan
    from vlmbench.trainers.recipe.model import Evaluation

GIB = 2**30

Rows = list[tuple[str, ...]]


def document(plan: StagePlan) -> dict[str, Any]:
    """The whole plan, memory in bytes."""
    counts, memory = plan.counts, plan.memory
    return {
        "recipe": plan.recipe.name,
        "stage": plan.recipe.stage,
        "devices": plan.devices,
        "work_dir": str(plan.work_dir),
        "sources": [asdict(source) for source in plan.sources],
        "counts": asdict(counts),
        "checkpoint": {"ours": counts.checkpoint, "published": counts.published_checkpoint},
        "tokens": {**asdict(plan.tokens), "total": plan.tokens.total},
        "parameters": {
            part.name: {"how": part.how, "total": part.total, "trained": part.trained}
            for part in memory.parts
        },
        "memory": {**asdict(memory), "total": memory.total},
        "memory_by_zero": plan.by_zero,
        "gpu_memory": plan.gpu_memory,
        "fits": plan.fits,
        "longest_that_fits": plan.longest_that_fits,
        "advice": [asdict(change) for change in plan.advice],
        "hours": plan.hours,
        "missing": [asdict(thing) for thing in plan.missing],
        "notes": list(plan.notes),
    }


def print_evaluation(stage: Evaluation) -> None:
    """The last line of a chain that ends in an evaluation."""
    print_line(f"then evaluation on {', '.join(stage.evaluate)}")


def print_plan(plan: StagePlan, *, tabbed: bool = False) -> None:
    """Tables: the course of training, its parts, its memory, what is missing.

    Settings, commands and paths are never wrapped, so that they can be copied.
    """
    from rich.text import Text

    console = stdout()
    console.print(Text(plan.recipe.name, style="bold"), soft_wrap=True)
    if plan.recipe.about:
        console.print(translated(plan.recipe.about), soft_wrap=True)
    if tabbed:
        _print_columns(plan)
    else:
        _print_pages(plan)
    for note in plan.notes:
        # A note may quote a file of unknown origin.
        console.print(one_line(f"note: {note}"), soft_wrap=True)
    console.print()


def _print_columns(plan: StagePlan) -> None:
    """Tab separated tables."""
    _tabbed(("", ""), list(_course(plan)))
    _tabbed(_PARTS, _parts(plan))
    _tabbed(("a device holds", "GiB"), list(_memory(plan)))
    if plan.advice:
        _tabbed(("what to change", "GiB", "fits", "what it costs"), list(_advice(plan)))
    if plan.missing:
        _tabbed(("missing", "what", "how to get it"), [(m.kind, m.what, m.fix) for m in plan.missing])


def _print_pages(plan: StagePlan) -> None:
    """For eyes: a table that is wider than the terminal is two."""
    course = list(_course(plan))
    course = [(translated(label), translated(text)) for label, text in course]
    room = max(width_of(label) for label, _ in course)
    _lines("", [f"{padded(label, room)}  {text}" for label, text in course])
    parts = _parts(plan)
    if _width([_PARTS, *parts]) <= stdout().width:
        _table(_PARTS, parts)
    else:
        halves = len(_PARTS) - len(_BYTES)
        _table(_PARTS[:halves], [row[:halves] for row in parts])
        _table(("GiB of", *_BYTES), [(row[0], *row[halves:]) for row in parts])
    _table(("a device holds", "GiB"), list(_memory(plan)))
    advised = [
        (f"  {gib} GiB, {'fits' if fits == 'yes' else 'too much'}: {why}", f"    {settings}")
        for settings, gib, fits, why in _advice(plan)
    ]
    _lines("what to change", [line for lines in advised for line in lines])
    missing = [
        (f"  {translated(m.kind)}: {translated(m.what)}", f"    {translated(m.fix)}") for m in plan.missing
    ]
    _lines("missing, and how to get it", [line for lines in missing for line in lines])


_BYTES = ("weights", "gradients", "optimizer", "activations")
_PARTS = ("part", "trained as", "parameters", "trained", *_BYTES)


def _course(plan: StagePlan) -> Iterator[tuple[str, ...]]:
    counts, schedule = plan.counts, plan.recipe.schedule
    known = " + ".join(dict.fromkeys(_SAMPLES_FROM[source.samples_from] for source in plan.sources))
    rows = "" if counts.rows is None else f", packed into about {counts.rows:,} rows"
    yield "samples", f"{counts.samples:,} ({known}){rows}"
    yield (
        "global batch",
        f"{counts.global_batch} = {schedule.batch} × {schedule.accumulation} accumulated "
        f"× {_many(plan.devices, 'device')}",
    )
    yield "an epoch", f"{counts.micro_batches:,} micro-batches, {counts.steps:,} optimizer steps"
    course = f"{_many(counts.all_steps, 'step')} in {_many(schedule.epochs, 'epoch')}"
    yield "in all", f"{course}, {counts.warmup_steps:,} of warm-up"
    yield "checkpoints", f"every {counts.save_every:,} steps, the last is {plan.work_dir}/{counts.checkpoint}"
    yield "", f"{counts.published_checkpoint} where checkpoints are named by micro-batches, as published"
    tokens = plan.tokens
    most = "at most " if tokens.at_most else "about "
    yield (
        "tokens an epoch",
        f"{most}{tokens.total:,}, {tokens.pictures:,} of them pictures",
    )
    if plan.hours is not None:
        yield "time", f"{most}{plan.hours:,.1f} hours"


_SAMPLES_FROM = {"file": "counted", "published": "as published", "drawn": "drawn", "unknown": "unknown"}


def _parts(plan: StagePlan) -> Rows:
    parts = plan.memory.parts
    rows = [
        (p.name, p.how, f"{p.total:,}", f"{p.trained:,}", *(_gib(getattr(p, field)) for field in _BYTES))
        for p in parts
    ]
    sums = (f"{sum(p.total for p in parts):,}", f"{sum(p.trained for p in parts):,}")
    return [*rows, ("all", "", *sums, *(_gib(sum(getattr(p, field) for p in parts)) for field in _BYTES))]


def _memory(plan: StagePlan) -> Iterator[tuple[str, ...]]:
    memory = plan.memory
    batch = plan.recipe.schedule.batch
    yield "the parts, as above", _gib(sum(getattr(p, field) for p in memory.parts for field in _BYTES))
    yield f"logits of {batch} × {memory.positions:,} positions", _gib(memory.logits)
    if memory.buckets:
        yield "buckets of ZeRO", _gib(memory.buckets)
    yield "reserve", _gib(memory.reserve)
    yield f"in all, with {memory.zero}" if memory.zero != "none" else "in all", _gib(memory.total)
    if memory.host:
        yield "and on the host", _gib(memory.host)
    if plan.recipe.parallelism.device == "gpu":
        for name, total in plan.by_zero.items():
            yield f"  with {name}", _gib(total)
    if plan.gpu_memory is not None:
        yield _verdict(plan), _gib(plan.gpu_memory)


def _verdict(plan: StagePlan) -> str:
    if plan.fits:
        return "fits into"
    if plan.longest_that_fits:
        return f"does not fit; samples of up to {plan.longest_that_fits:,} positions would, into"
    return "does not fit, however short the samples, into"


def _advice(plan: StagePlan) -> Iterator[tuple[str, ...]]:
    for change in plan.advice:
        settings = " ".join(f"--set {setting}" for setting in change.settings)
        yield settings, _gib(change.total), "yes" if change.fits else "no", change.why


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _gib(count: float) -> str:
    if not count:
        return "0"
    return f"{count / GIB:.2f}" if count < GIB else f"{count / GIB:.1f}"


def _width(rows: Rows) -> int:
    """Width of a table with two blanks between columns."""
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) - 2


def _tabbed(head: tuple[str, ...], rows: Rows) -> None:
    lines = [head, *rows] if any(head) else rows
    write("\n" + "\n".join("\t".join(map(one_line, line)) for line in lines))


def _lines(head: str, lines: list[str]) -> None:
    """Lines that are never wrapped."""
    from rich.text import Text

    console = stdout()
    if lines:
        console.print()
    if lines and head:
        console.print(Text(head, style="bold"))
    for line in lines:
        console.print(Text(one_line(translated(line))), soft_wrap=True)


def _table(head: tuple[str, ...], rows: Rows) -> None:
    """An aligned table: on a narrow terminal words are folded, numbers never."""
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        numeric = name in (*_BYTES, "GiB", "parameters", "trained")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        table.add_row(*(Text(translated(cell)) for cell in row))
    console.print()
    console.print(table)
