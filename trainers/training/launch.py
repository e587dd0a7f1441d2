"""Starts the processes of a run by torchrun's own machinery, and says how they ended."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.topology import World, slurm_process
from vlmbench.trainers.training.rendezvous import meet

INSIDE = ("TORCHELASTIC_RUN_ID", "LOCAL_RANK")
_TORCHRUNS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""Signals that torchrun answers; Ctrl-C is answered here."""


def launched(environ: Mapping[str, str]) -> bool:
    """Whether this process is one of a run already, however that was started."""
    return any(name in environ for name in INSIDE)


def adopt(environ: MutableMapping[str, str]) -> None:
    """A task of `srun`, one for each device, becomes a process of the run, as under torchrun."""
    if not launched(environ):
        environ.update(slurm_process(environ))


def needed(recipe: Recipe, world: World) -> bool:
    """Whether processes have to be started: for several, and for DeepSpeed."""
    return world.size > 1 or recipe.parallelism.deepspeed is not None


def launch(command: Sequence[str], world: World, *, cpu: bool) -> int:
    """Run the command on this machine, once a process; the exit code is that of the first that failed."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if world.nnodes > 1:
        meet(world, _port(world))
    if cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("OMP_NUM_THREADS", str(_threads(world)))
    # DeepSpeed calls what torch has renamed, in every step of every process.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning:torch.distributed.c10d_logger")
    config = LaunchConfig(
        min_nodes=world.nnodes,
        max_nodes=world.nnodes,
        nproc_per_node=world.nproc,
        run_id="vlmbench",
        max_restarts=0,
        monitor_interval=0.2,
        **_meeting(world),
        **_answered(LaunchConfig),
    )
    try:
        with _signals():
            elastic_launch(config, entrypoint=sys.executable)(*command)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return _code(failure.exitcode)
    except SignalException as error:
        if error.sigval in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt from None
        return 128 + int(error.sigval)
    return 0


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """While processes run, Ctrl-C reaches them as a polite kill; afterwards all signals are as before.

    torchrun would hand SIGINT on as it is: a process that is just starting answers that with a traceback.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException

    def stop(_signal: int, _frame: object) -> None:
        # Each process that is told to stop would be worth a warning.
        logging.disable(logging.WARNING)
        raise SignalException("interrupted", sigval=signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in signal.Signals if name.name in ("SIGINT", *_TORCHRUNS)]
    before = {name: signal.getsignal(name) for name in names}
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for name, handler in before.items():
            signal.signal(name, handler)


def _answered(config: type) -> dict[str, Any]:
    """Older ones answer Ctrl-C whatever they are told."""
    known = any(field.name == "signals_to_handle" for field in dataclasses.fields(config))
    return {"signals_to_handle": ",".join(_TORCHRUNS)} if known else {}


def _meeting(world: World) -> dict[str, Any]:
    """Where the processes find each other: alone, at any free port; on several machines, at the first's."""
    if world.nnodes == 1 and world.port is None:
        return {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1"}
    return {
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{world.addr}:{_port(world)}",
        "rdzv_configs": {"rank": world.node_rank, "timeout": 900},
    }


def _port(world: World) -> int:
    return 29500 if world.port is None else world.port


def _threads(world: World) -> int:
    """Of the processors, each process's share."""
    return max(1, (os.cpu_count() or 1) // world.nproc)


def _code(code: int) -> int:
    """A process that was killed has the negative of the signal; a shell adds 128 to it."""
    return 128 - code if code < 0 else code or 1
