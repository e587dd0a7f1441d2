"""Starts the ranks of a run on this machine with torchrun's machinery, and returns how they ended.

Several machines first meet at the address of the first: torchrun's own wait for them obeys no signal. The
first listens at ADDR:PORT until each of the others has sent its rank, then sends "go" and frees the port.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.cores import cores
from vlmbench.errors import UserError
from vlmbench.terminal.screen import note
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.topology import Topology, slurm_process

INSIDE = ("TORCHELASTIC_RUN_ID", "LOCAL_RANK")
_TORCHRUNS = ("SIGTERM", "SIGHUP", "SIGQUIT")
"""Signals that torchrun handles; Ctrl-C is handled here."""
PATIENCE = 900.0
"""Seconds that one machine waits for the others."""
_FREED = 10.0
"""Seconds until the port of the previous stage should be free again."""
_PAUSE = 0.5
_HELLO, _GO = b"vlmbench ", b"go\n"


def launched(environ: Mapping[str, str]) -> bool:
    """Whether this process is a rank of a run already, however it was started."""
    return any(name in environ for name in INSIDE)


def adopt(environ: MutableMapping[str, str]) -> None:
    """Make a task of `srun`, one for each device, a rank of the run, as under torchrun."""
    if not launched(environ):
        environ.update(slurm_process(environ))


def needed(recipe: Recipe, world: Topology) -> bool:
    """Whether ranks have to be started: for several, and for DeepSpeed."""
    return world.size > 1 or recipe.parallelism.deepspeed is not None


def launch(command: Sequence[str], world: Topology, *, cpu: bool, logs: Path | None = None) -> int:
    """Run the command on this machine as each rank; the exit code of the first that failed.

    What they write goes into the folder `logs`, a file for each rank; None: to this process's stderr.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if world.nnodes > 1:
        rendezvous(world, _port(world))
    if cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("OMP_NUM_THREADS", str(_threads(world)))
    # DeepSpeed calls a name that torch has deprecated, in every step of every rank.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning:torch.distributed.c10d_logger")
    config = LaunchConfig(
        min_nodes=world.nnodes,
        max_nodes=world.nnodes,
        nproc_per_node=world.nproc,
        run_id="vlmbench",
        max_restarts=0,
        monitor_interval=0.2,
        logs_specs=_output(logs),
        **_rendezvous_settings(world),
        **_signal_settings(LaunchConfig),
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
    """While ranks run, Ctrl-C reaches them as SIGTERM; afterwards all handlers are as before.

    torchrun would pass SIGINT on: a process that is just starting answers it with a traceback.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException

    def stop(_signal: int, _frame: object) -> None:
        # torchrun warns once for each process that it stops.
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


def _output(logs: Path | None) -> Any:
    """Where the ranks' stdout and stderr go."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, Std

    return DefaultLogsSpecs() if logs is None else DefaultLogsSpecs(str(logs), redirects=Std.ALL)


def _signal_settings(config: type) -> dict[str, Any]:
    """Older versions of torch have no such setting, and handle Ctrl-C always."""
    known = any(field.name == "signals_to_handle" for field in dataclasses.fields(config))
    return {"signals_to_handle": ",".join(_TORCHRUNS)} if known else {}


def _rendezvous_settings(world: Topology) -> dict[str, Any]:
    """Where ranks meet: on one machine at any free port, on several at the first one's address."""
    if world.nnodes == 1 and world.port is None:
        return {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1"}
    return {
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{world.addr}:{_port(world)}",
        "rdzv_configs": {"rank": world.node_rank, "timeout": 900},
    }


def _port(world: Topology) -> int:
    return 29500 if world.port is None else world.port


def _threads(world: Topology) -> int:
    """CPU threads of each rank."""
    return max(1, cores() // world.nproc)


def _code(code: int) -> int:
    """As a shell gives it: 128 plus the signal that killed the process."""
    return 128 - code if code < 0 else code or 1


def rendezvous(world: Topology, port: int, patience: float = PATIENCE) -> None:
    """Return once all machines have connected; Ctrl-C and SIGTERM end it at once."""
    until = time.monotonic() + patience
    if world.node_rank == 0:
        others = f"{world.nnodes - 1} other machine{'s' * (world.nnodes > 2)}"
        note(f"waiting for {others} at {world.addr}:{port}")
        _gather(world, port, until)
    else:
        note(f"waiting for {world.addr}:{port}, the first machine")
        _report(world, port, until)


def _gather(world: Topology, port: int, until: float) -> None:
    there: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as held:
        with _listener(port) as listener:
            while len(there) < world.nnodes - 1:
                if time.monotonic() > until:
                    raise _late(world, port, set(range(1, world.nnodes)) - there.keys())
                with contextlib.suppress(TimeoutError):
                    connection = held.enter_context(listener.accept()[0])
                    rank = _rank_of(connection)
                    if rank is not None and 0 < rank < world.nnodes:
                        there[rank] = connection
                # A machine whose command was stopped meanwhile must connect again.
                there = {rank: one for rank, one in there.items() if not _gone(one)}
        # The port must be free before a machine looks for torch there.
        for connection in there.values():
            with contextlib.suppress(OSError):
                connection.sendall(_GO)
                # The side that closes first keeps the port in TIME_WAIT: let the other close.
                connection.settimeout(_FREED)
                connection.recv(1)


def _report(world: Topology, port: int, until: float) -> None:
    while not _received_go(world, port, until):
        if time.monotonic() > until:
            raise _late(world, port, {0})
        time.sleep(_PAUSE)
    # torch prints a long C++ trace while nobody listens there yet.
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((world.addr, port), _PAUSE):
            return
        time.sleep(_PAUSE / 5)


def _received_go(world: Topology, port: int, until: float) -> bool:
    try:
        with socket.create_connection((world.addr, port), 10 * _PAUSE) as connection:
            connection.sendall(_HELLO + f"{world.node_rank}\n".encode())
            connection.settimeout(_PAUSE)
            while time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    return connection.recv(len(_GO)) == _GO
    except OSError:
        pass
    return False


def _listener(port: int) -> socket.socket:
    # torch closes the socket of the previous stage when its object is collected.
    gc.collect()
    until = time.monotonic() + _FREED
    both = socket.has_dualstack_ipv6()
    while True:
        try:
            listener = socket.create_server(
                ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                what = f"cannot listen at port {port}: {error.strerror}."
                raise UserError(what, fix="Set PORT to a free one, on every machine.") from None
            time.sleep(_PAUSE)
        else:
            listener.settimeout(_PAUSE)
            return listener


def _rank_of(connection: socket.socket) -> int | None:
    """The NODE_RANK that it sent; None for any other program."""
    connection.settimeout(5 * _PAUSE)
    try:
        line = connection.makefile("rb").readline(32)
    except OSError:
        return None
    number = line.removeprefix(_HELLO).strip()
    return int(number) if line.startswith(_HELLO) and number.isdigit() else None


def _gone(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _late(world: Topology, port: int, ranks: Collection[int]) -> UserError:
    named = ", ".join(str(rank) for rank in sorted(ranks))
    return UserError(
        f"{len(ranks)} of {world.nnodes} machines did not connect to {world.addr}:{port}: NODE_RANK {named}.",
        fix="Start the same command on each, with its own NODE_RANK, the first's ADDR and one PORT; "
        "look at its output there.",
    )
