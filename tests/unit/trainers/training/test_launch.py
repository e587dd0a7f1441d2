"""Machines meet before anything that cannot be interrupted: whoever comes first waits for the others."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from vlmbench.errors import UserError
from vlmbench.trainers.topology import Topology
from vlmbench.trainers.training.launch import rendezvous

FIRST = Topology(nproc=1, nnodes=3, addr="127.0.0.1")


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
    return number


def torch_is_there(port: int, seen: threading.Event) -> None:
    """What the first machine does once all are there."""
    with socket.create_server(("127.0.0.1", port)):
        seen.wait(10)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_three_machines_meet_in_whatever_order_they_come(port: int, order: tuple[int, ...]) -> None:
    went: list[int] = []
    over = threading.Event()

    def machine(rank: int) -> None:
        rendezvous(replace(FIRST, node_rank=rank), port, 20)
        went.append(rank)
        if rank == 0:
            torch_is_there(port, over)

    with ThreadPoolExecutor(3) as machines:
        started = []
        for rank in order:
            assert not went
            started.append(machines.submit(machine, rank))
            time.sleep(0.3)
        for rank, one in zip(order, started, strict=True):
            if rank:
                one.result(20)
        over.set()
    assert sorted(went) == [0, 1, 2]


def test_strangers_and_machines_that_leave_again_are_not_counted(port: int) -> None:
    def others() -> None:
        time.sleep(0.3)
        for said in (b"GET / HTTP/1.1\r\n", b"vlmbench 7\n", b"vlmbench 1\n"):
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(said)
                time.sleep(0.2)

    lost = r"2 of 3 machines did not connect to 127\.0\.0\.1:\d+: NODE_RANK 1, 2\."
    with ThreadPoolExecutor(1) as pool:
        pool.submit(others)
        with pytest.raises(UserError, match=lost):
            rendezvous(FIRST, port, 2)


def test_who_waits_in_vain_for_the_first_is_told(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"1 of 3 machines did not connect .* NODE_RANK 0"):
        rendezvous(replace(FIRST, node_rank=1), port, 0.6)
    assert f"waiting for 127.0.0.1:{port}, the first machine" in capfd.readouterr().err


def test_a_port_that_another_program_has_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.trainers.training.launch._FREED", 0)
    with socket.create_server(("", port)), pytest.raises(UserError, match=f"cannot listen at port {port}"):
        rendezvous(FIRST, port, 1)
