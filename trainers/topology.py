"""How many processes on how many machines, by flags and well-known environment variables.

A flag wins over NPROC_PER_NODE, NNODES, NODE_RANK, ADDR and PORT (or torch's MASTER_ADDR and MASTER_PORT);
these win over Slurm's variables for a job with one task a machine; else it is the recipe's own number of
devices on one machine. Slurm's usual launch, one task a device, has started the processes already:
`slurm_process` makes this process a rank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vlmbench.errors import UsageError

PORTS = (20000, 10000)
"""The first, and how many: one for each Slurm job, the same on all its machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The machines and processes of a training."""

    nproc: int
    nnodes: int = 1
    node_rank: int = 0
    addr: str = "127.0.0.1"
    port: int | None = None
    """None: any that is free."""

    @property
    def size(self) -> int:
        """Processes in all."""
        return self.nproc * self.nnodes


def read_topology(
    environ: Mapping[str, str], *, processes: int, nproc: int | None = None, nnodes: int | None = None
) -> Topology:
    """The topology of this command line; `processes` is the number that the recipe was published for."""
    machines = nnodes or _number(environ, "NNODES") or _number(environ, "SLURM_JOB_NUM_NODES") or 1
    each = nproc or _number(environ, "NPROC_PER_NODE") or _slurm_devices(environ)
    if each is None and machines > 1:
        each = max(1, processes // machines)
    rank = _number(environ, "NODE_RANK", least=0)
    if rank is None:
        rank = _number(environ, "SLURM_NODEID", least=0) or 0
    if rank >= machines:
        raise UsageError(f"NODE_RANK is {rank}, and there are {machines} machines, counted from 0.")
    return Topology(
        nproc=each or processes,
        nnodes=machines,
        node_rank=rank,
        addr=_address(environ, machines) or "127.0.0.1",
        port=_number(environ, "PORT")
        or (_number(environ, "MASTER_PORT") if machines > 1 else None)
        or _slurm_port(environ),
    )


def check_addresses(environ: Mapping[str, str], machines: int) -> None:
    """Raise where one of several machines does not know the first one's address, or its own rank."""
    unknown = {
        "ADDR": "the address of the first machine" if not _address(environ, machines) else None,
        "NODE_RANK": f"0 on that one, up to {machines - 1} on the others"
        if _number(environ, "NODE_RANK", least=0) is None
        and _number(environ, "SLURM_NODEID", least=0) is None
        else None,
    }
    wanted = [f"{name} ({what})" for name, what in unknown.items() if what]
    if machines > 1 and wanted:
        raise UsageError(f"With {machines} machines, {' and '.join(wanted)} must be set on each.")


def _address(environ: Mapping[str, str], machines: int) -> str | None:
    """Of the first machine; the word that torch has for it is left over from anything on a single one."""
    named = environ.get("ADDR") or (environ.get("MASTER_ADDR") if machines > 1 else None)
    return named or first_host(environ.get("SLURM_JOB_NODELIST", ""))


def slurm_process(environ: Mapping[str, str]) -> dict[str, str]:
    """torchrun's variables for this process, where `srun` started several on a machine; else none."""
    tasks, machines = _slurm_tasks(environ)
    rank = _number(environ, "SLURM_PROCID", least=0)
    local = _number(environ, "SLURM_LOCALID", least=0)
    if rank is None or local is None or tasks <= machines:
        return {}
    hosts = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST", "")
    # A task that is given one device alone sees it as its first.
    alone = len([name for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]) == 1
    return {
        "RANK": str(rank),
        "LOCAL_RANK": "0" if alone else str(local),
        "WORLD_SIZE": str(tasks),
        "LOCAL_WORLD_SIZE": str(-(-tasks // machines)),
        "MASTER_ADDR": environ.get("ADDR") or first_host(hosts) or "127.0.0.1",
        "MASTER_PORT": str(_number(environ, "PORT") or _slurm_port(environ) or PORTS[0]),
    }


def _slurm_tasks(environ: Mapping[str, str]) -> tuple[int, int]:
    """Of this step, and on how many machines; a batch script itself is one, whatever its job asks for."""
    batch = environ.get("ENVIRONMENT") == "BATCH"
    tasks = _number(environ, "SLURM_STEP_NUM_TASKS") or (0 if batch else _number(environ, "SLURM_NTASKS"))
    machines = _number(environ, "SLURM_STEP_NUM_NODES") or _number(environ, "SLURM_JOB_NUM_NODES")
    return tasks or 1, machines or 1


def first_host(hosts: str) -> str | None:
    """The first of Slurm's compressed list: `gpu[03-05,09],login1` begins with gpu03."""
    found = re.match(r"([^,\[\]]+)(?:\[([^\],-]+)[^\]]*\])?([^,\[\]]*)", hosts)
    return "".join(part or "" for part in found.groups()) if found else None


def _slurm_devices(environ: Mapping[str, str]) -> int | None:
    named = environ.get("SLURM_GPUS_ON_NODE", "")
    return int(named) if named.isdigit() and int(named) > 0 else None


def _slurm_port(environ: Mapping[str, str]) -> int | None:
    job = environ.get("SLURM_JOB_ID", "")
    return PORTS[0] + int(job) % PORTS[1] if job.isdigit() else None


def _number(environ: Mapping[str, str], name: str, least: int = 1) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not text.isdigit() or int(text) < least:
        raise UsageError(f"must be a whole number from {least}, not `{text}`.", key=name)
    return int(text)
