"""Several machines meet at the first's address before torchrun's machinery, whose wait no signal can end.

The first listens at ADDR:PORT until each of the others has said its rank there, tells them to go, and leaves
the port to torch.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import sys
import time
from collections.abc import Iterable

from vlmbench.errors import UserError
from vlmbench.trainers.topology import World

PATIENCE = 900.0
"""Seconds that one machine waits for the others."""
_FREED = 10.0
"""Seconds in which the port of the stage before should be free again."""
_PAUSE = 0.5
_HELLO, _GO = b"vlmbench ", b"go\n"


def meet(world: World, port: int, patience: float = PATIENCE) -> None:
    """Return once all machines are there; Ctrl-C and a polite kill end it at once."""
    until = time.monotonic() + patience
    if world.node_rank == 0:
        others = f"{world.nnodes - 1} other machine{'s' * (world.nnodes > 2)}"
        _say(f"waiting for {others} at {world.addr}:{port}")
        _gather(world, port, until)
    else:
        _say(f"waiting for {world.addr}:{port}, the first machine")
        _report(world, port, until)


def _gather(world: World, port: int, until: float) -> None:
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
                # One that was stopped meanwhile has to come again.
                there = {rank: one for rank, one in there.items() if not _gone(one)}
        # The port is free before anyone looks for torch there.
        for connection in there.values():
            with contextlib.suppress(OSError):
                connection.sendall(_GO)
                # Who closes first keeps the port for a while: let it be the other.
                connection.settimeout(_FREED)
                connection.recv(1)


def _report(world: World, port: int, until: float) -> None:
    while not _told_to_go(world, port, until):
        if time.monotonic() > until:
            raise _late(world, port, {0})
        time.sleep(_PAUSE)
    # torch would say at length that nobody listens there yet.
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((world.addr, port), _PAUSE):
            return
        time.sleep(_PAUSE / 5)


def _told_to_go(world: World, port: int, until: float) -> bool:
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
    # What torch opened for the stage before is closed when it is let go.
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
                says = f"cannot listen at port {port}: {error.strerror}."
                raise UserError(says, fix="Set PORT to a free one, on every machine.") from None
            time.sleep(_PAUSE)
        else:
            listener.settimeout(_PAUSE)
            return listener


def _rank_of(connection: socket.socket) -> int | None:
    """None for a stranger."""
    connection.settimeout(5 * _PAUSE)
    try:
        said = connection.makefile("rb").readline(32)
    except OSError:
        return None
    number = said.removeprefix(_HELLO).strip()
    return int(number) if said.startswith(_HELLO) and number.isdigit() else None


def _gone(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _late(world: World, port: int, ranks: Iterable[int]) -> UserError:
    named = ", ".join(str(rank) for rank in sorted(ranks))
    return UserError(
        f"of {world.nnodes} machines these have not come to {world.addr}:{port}: NODE_RANK {named}.",
        fix="Start the same command on each, with its own NODE_RANK, the first's ADDR and one PORT; "
        "look at what it told there.",
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
