"""Which model answers and where it computes, as a value, and the model behind it."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vlmbench.api.conversion import recipe_file
from vlmbench.domain import Model
from vlmbench.engine.cluster.ray_cluster import Devices, devices_of, visible
from vlmbench.engine.status import RunProgress
from vlmbench.errors import UsageError
from vlmbench.model_files.picture_options import AS_PUBLISHED, PictureOptions, picture_line
from vlmbench.models.engine_args import check_engine_args
from vlmbench.models.loading import SERVED
from vlmbench.terminal.screen import doing

SHARDED = ("vllm",)
"""Backends that can spread one replica over several accelerators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """A model by name, how it is loaded, and on how many devices. The defaults are the command line's."""

    name: str
    """What follows `--model`."""
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | Literal["auto"] = "auto"
    trust_remote_code: bool = False
    rpm: int | None = None
    """Requests a minute, for a server."""
    batch: bool = False
    """Whether a server is sent all questions as batch jobs."""
    concurrency: int | None = None
    """Requests at a time, for a server; None: found out."""
    llm: str | None = None
    vision: str | None = None
    template: str | None = None
    recipe: str | None = None
    thinking: str | None = None
    """`on`, `off` or `budget=N`, for a family that has a switch."""
    pictures: PictureOptions = AS_PUBLISHED
    devices: str | None = None
    nodes: str | None = None
    tensor_parallel: int = 1
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    """Settings by the names of the engine that loads the model."""
    hung_after: float = 900.0
    """Seconds without an answer after which a worker is replaced."""

    def for_loading(self) -> dict[str, Any]:
        """The options of `load_model`."""
        parts: dict[str, Any] = {"llm": self.llm, "vision": self.vision, "template": self.template}
        parts["recipe"] = None if self.recipe is None else str(recipe_file(self.recipe))
        parts |= {"thinking": self.thinking, "concurrency": self.concurrency}
        return {
            "device": self.device,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "trust_remote_code": self.trust_remote_code,
            "requests_per_minute": self.rpm,
            **{name: value for name, value in parts.items() if value is not None},
            **({"pictures": self.pictures} if self.pictures.given else {}),
            **({"engine_args": dict(self.engine_args)} if self.engine_args else {}),
        }


def requested_devices(options: ModelOptions) -> Devices:
    """The devices, refused where the model cannot use them."""
    devices = devices_of(options.devices, options.nodes, options.tensor_parallel)
    kind = options.name.partition(":")[0].lower()
    if options.tensor_parallel > 1 and kind not in SHARDED:
        raise UsageError(
            "only vllm: models spread one replica over several accelerators.",
            key="--tensor-parallel",
            fix="`--devices N` makes N whole replicas.",
        )
    if devices.several and kind in SERVED:
        raise UsageError(
            "vlmbench cannot choose the devices of a server.",
            key="--devices",
            fix="`--concurrency N` sends it N requests at a time.",
        )
    if devices.several and ":" in options.device:
        raise UsageError(
            f"`{options.device}` is one device.", key="--device", fix="Name them as in `--devices 0,2,3`."
        )
    return devices


def check_batch(options: ModelOptions) -> None:
    """Refuse what only a server takes where none answers, and flags that say how single requests are sent."""
    kind = options.name.partition(":")[0].lower()
    if kind not in SERVED and options.rpm is not None:
        raise UsageError("only a server gets requests.", key="--rpm", fix="Leave --rpm out.")
    if not options.batch:
        return
    if kind not in SERVED:
        raise UsageError(
            f"batch jobs are for models of a server, and `{options.name}` is none.",
            key="--batch",
            fix="Leave --batch out.",
        )
    paces = {"--batch-size": options.batch_size != "auto", "--rpm": options.rpm is not None}
    for key, given in {**paces, "--concurrency": options.concurrency is not None}.items():
        if given:
            raise UsageError(
                "has no effect on batch jobs: the server decides how fast it answers.",
                key=key,
                fix=f"Leave {key} or --batch out.",
            )


def open_model(options: ModelOptions, progress: RunProgress) -> Model:
    """The model, reached and ready; `progress` shows how long it took and learns of its workers."""
    check_batch(options)
    _check_engine_args(options)
    started = time.perf_counter()
    model = _open(options, progress)
    reach = getattr(model, "reach", None)
    if reach is not None:  # a server that does not answer fails here, once, and not for every benchmark
        with doing(f"connecting to {model.name}"):
            reach(progress.say)
    seconds = f"{time.perf_counter() - started:.1f}"
    place = getattr(model, "placed", "")
    said = f"loaded {model.name} {place} in {seconds} s" if place else f"loaded {model.name} in {seconds} s"
    progress.say(said)
    if threads := getattr(model, "threads", None):
        progress.say(str(threads))
    if settings := getattr(model, "picture_settings", None):
        progress.say(f"pictures: {picture_line(settings)}")
    return model


def _check_engine_args(options: ModelOptions) -> None:
    """Refuse settings of an engine before a worker is started for them."""
    kind = options.name.partition(":")[0].lower()
    check_engine_args(options.engine_args, kind, trust_remote_code=options.trust_remote_code)
    for key, given in {
        "--device": options.device != "auto",
        "--devices": options.devices is not None,
    }.items():
        if given and "device_map" in options.engine_args:
            raise UsageError(
                f"`device_map` and {key} both say where the model goes.",
                key=key,
                fix="Leave out one of them.",
            )


def _open(options: ModelOptions, progress: RunProgress) -> Model:
    """The model in this process, or replicas of it in several."""
    devices = requested_devices(options)
    loading = options.for_loading()
    if devices.tensor_parallel > 1:
        loading["tensor_parallel"] = devices.tensor_parallel
    if devices.several:
        from vlmbench.engine.cluster.model import open_cluster

        return open_cluster(
            options.name,
            devices,
            loading,
            say=progress.say,
            opened=getattr(progress, "of", _ignore),
            deadline=float(options.hung_after),
        )
    from vlmbench.models.loading import load_model

    if devices.indices:
        # Before torch is imported: it reads the variable once.
        os.environ["CUDA_VISIBLE_DEVICES"] = visible(devices.indices)
        loading["device"] = "cuda" if options.device == "auto" else options.device
    return load_model(options.name, **loading)


def _ignore(_model: object) -> None:
    """Only a run with a status file shows its workers."""


def release_models(models: dict[str, Model]) -> None:
    """End what models have started and free what they hold, so that another finds room on the device."""
    close_models(models.values())
    models.clear()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def close_models(models: Iterable[Model]) -> None:
    """End the processes that models have started."""
    for model in models:
        close = getattr(model, "close", None)
        if close is not None:
            close()
