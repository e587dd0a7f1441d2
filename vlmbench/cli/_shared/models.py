"""More than one device: the flags, and the model behind them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vlmbench.cli._shared.numbers import positive
from vlmbench.domain import Model
from vlmbench.engine.cluster.devices import Devices, devices_of, visible
from vlmbench.engine.watch import Watch
from vlmbench.errors import UsageError

SHARDED = ("vllm",)
"""Backends that can spread one replica over several accelerators."""


def add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    """How many replicas, and where."""
    parser.add_argument(
        "--devices",
        metavar="N",
        help="a replica of the model on each: how many (4) or which (0,2,3); needs ray",
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
        help="accelerators of one replica (vllm: models)",
    )
    parser.add_argument(
        "--hung-after",
        type=positive,
        default=900,
        metavar="SECONDS",
        help="replace a worker that gives no answer for so long (default: 900)",
    )


def asked_for(args: argparse.Namespace) -> Devices:
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
            "a server's devices are the server's own affair.",
            key="--devices",
            fix="`--batch-size N` sends it N requests at a time.",
        )
    if devices.several and ":" in args.device:
        raise UsageError(
            f"`{args.device}` is one device.", key="--device", fix="Name them as in `--devices 0,2,3`."
        )
    return devices


def open_model(args: argparse.Namespace, options: Mapping[str, Any], onlooker: Watch) -> Model:
    """The model in this process, or replicas of it in several, which a status file tells of."""
    devices = asked_for(args)
    options = dict(options)
    if devices.tensor_parallel > 1:
        options["tensor_parallel"] = devices.tensor_parallel
    if devices.several:
        from vlmbench.engine.cluster.model import open_cluster

        return open_cluster(
            args.model,
            devices,
            options,
            say=onlooker.say,
            tell=_teller(onlooker),
            deadline=float(args.hung_after),
        )
    from vlmbench.models.loading import load_model

    if devices.indices:
        # Before torch is imported, which looks once.
        os.environ["CUDA_VISIBLE_DEVICES"] = visible(devices.indices)
        options["device"] = "cuda" if args.device == "auto" else args.device
    return load_model(args.model, **options)


def _teller(onlooker: Watch) -> Callable[[object], None]:
    tell: Callable[[object], None] = getattr(onlooker, "of", lambda _model: None)
    return tell


def close_models(models: Iterable[Model]) -> None:
    """End what runs outside this process."""
    for model in models:
        close = getattr(model, "close", None)
        if close is not None:
            close()
