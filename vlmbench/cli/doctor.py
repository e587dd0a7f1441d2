"""Check what is missing on this machine; or run one model in two ways and show where they first differ.

    vlmbench doctor
    vlmbench doctor --model PATH                            transformers against vLLM, if installed
    vlmbench doctor --model PATH --against dtype=bfloat16
    vlmbench doctor --model PATH --against batch-size=8
    vlmbench doctor --model PATH --against OTHER/PATH       any other model, `openai:NAME@URL` among them

The two are compared by rendered text, token ids, pixel tensor, first-step logits and answer.
"""

from __future__ import annotations

import argparse
import gc
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from vlmbench.chinese import translated
from vlmbench.chinese.width import padded, width_of
from vlmbench.cli._shared.console import print_json, stdout
from vlmbench.cli._shared.flags import add_data_dir_argument, add_format_argument, positive
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.cli._shared.models import add_model_arguments, parts_of
from vlmbench.cli._shared.tables import print_rows
from vlmbench.errors import UsageError
from vlmbench.models.loading import SERVED
from vlmbench.terminal.screen import doing, note

if TYPE_CHECKING:
    from vlmbench.doctor.checks import Check
    from vlmbench.doctor.compare import BackendComparison, View
    from vlmbench.domain import Request

    Questions = tuple[list[Request], dict[str, bytes]]

_WITHOUT_DTYPE = ("echo", *SERVED)
_COLOURS = {"ok": "green", "missing": "red", "low": "yellow", "foreign": "yellow", "optional": "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `doctor`."""
    parser.add_argument("--model", help="the model to run in two ways (default: check this machine instead)")
    parser.add_argument(
        "--against",
        metavar="WAY",
        help="the second way: hf, vllm, dtype=NAME, batch-size=N, or another model",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help="batch size of both sides (default: auto)"
    )
    add_data_dir_argument(parser)
    add_format_argument(parser, "tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One way to run the model."""

    model: str
    dtype: str
    batch_size: int | Literal["auto"]

    def described(self, other: RunSide) -> str:
        """The model, and where it differs from the other side."""
        parts = [self.model]
        parts += [f"dtype {self.dtype}"] if self.dtype != other.dtype else []
        parts += [f"batch size {self.batch_size}"] if self.batch_size != other.batch_size else []
        return ", ".join(parts)


def execute(args: argparse.Namespace) -> int:
    """Without a model, check the machine. With one, compare two ways; exit code 1 if they differ."""
    if args.model is None:
        if args.against is not None:
            raise UsageError("--against needs --model.", fix="See `vlmbench doctor --help`.")
        return _examine(args)
    from vlmbench.doctor.compare import compare

    ours, theirs = sides(args)
    note(f"{ours.described(theirs)}  against  {theirs.described(ours)}")
    asked = _askable(ours, theirs)
    with libraries_apart("doctor"):
        seen, half = zip(*(_look(side, args, asked) for side in (ours, theirs)), strict=True)
    comparison = compare(*seen, half=any(half))
    if args.format == "json":
        print_json(asdict(comparison) | {"first": comparison.first and comparison.first.name})
    elif args.format == "tsv":
        print_rows(
            [{**asdict(stage), "differing": len(stage.differing)} for stage in comparison.stages], "tsv"
        )
    else:
        print_comparison(comparison)
    return int(comparison.first is not None)


def sides(args: argparse.Namespace) -> tuple[RunSide, RunSide]:
    """The two ways that the command line names."""
    ours, theirs = _both(args)
    kind, name = _kind(ours.model), (args.against or "").partition("=")[0]
    if (kind in _WITHOUT_DTYPE and name == "dtype") or (kind == "echo" and name == "batch-size"):
        raise UsageError(
            f"`{kind}` models have no {name}.", key="--against", fix="Compare with another model."
        )
    if ours == theirs:
        raise UsageError(
            "both sides are the same.", key="--against", fix="Name another way or another model."
        )
    return ours, theirs


def _kind(model: str) -> str:
    return model.partition(":")[0].lower()


def _both(args: argparse.Namespace) -> tuple[RunSide, RunSide]:
    ours = RunSide(model=args.model, dtype=args.dtype, batch_size=args.batch_size or "auto")
    against = args.against or _other_backend(args.model)
    name, _, value = against.partition("=")
    if name == "dtype" and value:
        return ours, replace(ours, dtype=value)
    if name == "batch-size" and value:
        if not value.isdigit() or int(value) < 1:
            raise UsageError(f"`{value}` is not a batch size.", fix="Write --against batch-size=8.")
        first = ours if args.batch_size else replace(ours, batch_size=1)
        return first, replace(ours, batch_size=int(value))
    folder = args.model.removeprefix("vllm:")
    return ours, replace(ours, model={"hf": folder, "vllm": f"vllm:{folder}"}.get(against, against))


def _other_backend(model: str) -> str:
    from vlmbench.doctor.checks import installed

    if model.startswith("vllm:"):
        return "hf"
    return "vllm" if installed("vllm") and _kind(model) not in _WITHOUT_DTYPE else "batch-size=8"


def _askable(ours: RunSide, theirs: RunSide) -> Questions:
    """The questions that both sides can answer."""
    from vlmbench.doctor.compare import items

    requests, pictures = items()
    if not {*SERVED} & {_kind(ours.model), _kind(theirs.model)}:
        return requests, pictures
    # The colour of the padding is the processor's, which only the server knows.
    return [request for request in requests if request.image_fit == "native"], pictures


def _look(side: RunSide, args: argparse.Namespace, asked: Questions) -> tuple[list[View], bool]:
    """The views of one side, and whether it computes in a half-precision type."""
    from vlmbench.doctor.compare import close, views
    from vlmbench.models.loading import load_model

    model = load_model(
        side.model,
        device=args.device,
        dtype=side.dtype,
        batch_size=side.batch_size,
        trust_remote_code=args.trust_remote_code,
        **(parts_of(args) if side.model.removeprefix("vllm:") == args.model.removeprefix("vllm:") else {}),
    )
    try:
        return views(model, *asked, side.batch_size), "float16" in str(model.facts.get("dtype"))
    finally:
        close(model)
        del model
        gc.collect()


def print_comparison(comparison: BackendComparison) -> None:
    """One line for each stage, then the first difference in full."""
    from vlmbench.doctor.compare import STAGES

    console = stdout()
    for stage in comparison.stages:
        count = f"{len(stage.differing)} of {stage.compared} differ" if stage.differing else "the same"
        count = count if stage.compared else "not available on both sides"
        apart = f", at most {stage.largest:.2g} apart" if stage.largest and not stage.differing else ""
        name = padded(translated(STAGES[stage.name]), 18)
        console.print(f"{name} {translated(count)}{translated(apart)}", soft_wrap=True)
    first = comparison.first
    if first is None:
        console.print("no difference", style="green")
        return
    console.print(f"\nthe first difference is in the {STAGES[first.name]}:", style="bold")
    for item, how in first.differing[:3]:
        console.print(f"  {item}: {how}", soft_wrap=True)
    if len(first.differing) > 3:
        console.print(f"  … and {len(first.differing) - 3} more")


def _examine(args: argparse.Namespace) -> int:
    from vlmbench.doctor.checks import checks

    with doing("looking at packages, devices, disk and data"):
        found = checks(args.data_dir)
    if args.format != "table":
        print_rows([asdict(check) for check in found], args.format)
    else:
        print_checks(found)
    return int(any(check.state == "missing" for check in found))


def print_checks(found: list[Check]) -> None:
    """One line for each check, and under what is missing the command that mends it."""
    console = stdout()
    width = max(width_of(translated(check.name)) for check in found)
    for check in found:
        colour = _COLOURS[check.state]
        console.print(padded(translated(check.state), 9), style=colour, end="")
        found_here = translated(check.found)
        console.print(f"{padded(translated(check.name), width)}  {found_here}", soft_wrap=True)
        if check.fix:
            console.print(" " * (11 + width) + translated(check.fix), style="dim", soft_wrap=True)
    missing = sum(check.state == "missing" for check in found)
    many = f"{missing} required items are missing" if missing else "no required items are missing"
    console.print(f"\n{'1 required item is missing' if missing == 1 else many}")
