"""Which model a verb asks, where it computes and how it decodes: the flags, and the model behind them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vlmbench.cli._shared.flags import positive
from vlmbench.domain import Decoding, Model, RunSpec
from vlmbench.engine.cluster.ray_cluster import Devices, devices_of, visible
from vlmbench.engine.status import RunProgress
from vlmbench.errors import UsageError
from vlmbench.prompts import prompt_style

SHARDED = ("vllm",)
"""Backends that can spread one replica over several accelerators."""


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded."""
    add_parts_arguments(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16 (default: auto)")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that the model folder ships"
    )


def add_parts_arguments(parser: argparse.ArgumentParser) -> None:
    """What a checkpoint may lack: the models it was trained from, its wording, its training configuration."""
    parser.add_argument(
        "--llm", metavar="DIR", help="the language model that training began with, or an adapter's base"
    )
    parser.add_argument("--vision", metavar="DIR", help="the vision tower that training began with")
    parser.add_argument(
        "--template",
        metavar="NAME",
        help="chat template: vicuna, llama3_chat, … (default: the model folder's own)",
    )
    parser.add_argument(
        "--recipe", metavar="FILE", help="the configuration that a .pth file was trained with"
    )


def parts_of(args: argparse.Namespace) -> dict[str, Any]:
    """The given flags of `add_parts_arguments`, for `load_model`."""
    given = {name: getattr(args, name, None) for name in ("llm", "vision", "template", "recipe")}
    return {name: value for name, value in given.items() if value is not None}


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of decoding."""
    parser.add_argument(
        "--decoding",
        choices=("greedy", "published"),
        default="greedy",
        help="published: as the tool that the prompt style comes from decodes, sampling where that samples "
        "(default: greedy)",
    )
    parser.add_argument(
        "--max-new-tokens", type=positive, metavar="N", help="longest answer (default: the prompt style's)"
    )


def decoding_of(args: argparse.Namespace, style: str, family: str) -> Decoding | None:
    """The decoding that the flags ask for; None where it is the style's own."""
    wording = prompt_style(style)
    if args.decoding == "greedy" and not args.max_new_tokens:
        return None
    decoding = wording.decoding(family) if args.decoding == "greedy" else wording.published(family)
    if args.max_new_tokens:
        decoding = replace(decoding, max_new_tokens=args.max_new_tokens)
    return replace(decoding, seed=args.seed) if decoding.do_sample else decoding


def say_decoding(args: argparse.Namespace, spec: RunSpec, progress: RunProgress) -> None:
    """One line where the run samples, or was asked to decode as published."""
    decoding = spec.decoding
    if decoding is not None and decoding.do_sample:
        progress.say(
            f"decoding as published with {spec.style}: sampling at temperature {decoding.temperature:g}, "
            f"{decoding.num_beams} beams, at most {decoding.max_new_tokens} tokens, seed {decoding.seed}"
        )
    elif args.decoding == "published":
        progress.say(f"decoding as published with {spec.style}: greedy, the default as well")


def add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    """How many replicas, and where."""
    parser.add_argument(
        "--devices",
        metavar="N",
        help="one replica of the model on each device: how many (4) or which (0,2,3); needs ray",
    )
    parser.add_argument(
        "--nodes",
        choices=("auto",),
        help="use every machine of the Ray cluster that is running (RAY_ADDRESS)",
    )
    parser.add_argument(
        "--tensor-parallel",
        type=positive,
        default=1,
        metavar="N",
        help="accelerators for each replica (vllm: models; default: 1)",
    )
    parser.add_argument(
        "--hung-after",
        type=positive,
        default=900,
        metavar="SECONDS",
        help="replace a worker that has given no answer for this long (default: 900)",
    )


def requested_devices(args: argparse.Namespace) -> Devices:
    """The devices of this command line, refused where the model cannot use them."""
    devices = devices_of(args.devices, args.nodes, args.tensor_parallel)
    kind = args.model.partition(":")[0].lower()
    if args.tensor_parallel > 1 and kind not in SHARDED:
        raise UsageError(
            "only vllm: models spread one replica over several accelerators.",
            key="--tensor-parallel",
            fix="`--devices N` makes N whole replicas.",
        )
    if devices.several and kind == "openai":
        raise UsageError(
            "vlmbench cannot choose the devices of a server.",
            key="--devices",
            fix="`--batch-size N` sends it N requests at a time.",
        )
    if devices.several and ":" in args.device:
        raise UsageError(
            f"`{args.device}` is one device.", key="--device", fix="Name them as in `--devices 0,2,3`."
        )
    return devices


def open_model(args: argparse.Namespace, options: Mapping[str, Any], progress: RunProgress) -> Model:
    """The model in this process, or replicas of it in several; `progress` learns of their workers."""
    devices = requested_devices(args)
    options = dict(options)
    if devices.tensor_parallel > 1:
        options["tensor_parallel"] = devices.tensor_parallel
    if devices.several:
        from vlmbench.engine.cluster.model import open_cluster

        return open_cluster(
            args.model,
            devices,
            options,
            say=progress.say,
            opened=getattr(progress, "of", _ignore),
            deadline=float(args.hung_after),
        )
    from vlmbench.models.loading import load_model

    if devices.indices:
        # Before torch is imported: it reads the variable once.
        os.environ["CUDA_VISIBLE_DEVICES"] = visible(devices.indices)
        options["device"] = "cuda" if args.device == "auto" else args.device
    return load_model(args.model, **options)


def _ignore(_model: object) -> None:
    """Only a run with a status file shows its workers."""


def close_models(models: Iterable[Model]) -> None:
    """End the processes that models have started."""
    for model in models:
        close = getattr(model, "close", None)
        if close is not None:
            close()
