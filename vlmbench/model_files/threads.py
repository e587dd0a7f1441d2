"""How many processor threads compute, chosen once by measuring, where a model is on the CPU.

Torch takes a thread for each core. On a machine whose cores are busy with other work, each small product then
waits for the slowest of them: on two busy cores a training took 189 s with two threads and 33 s with one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from vlmbench.cores import cores

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Whoever sets one of them has chosen."""
_ROWS, _WIDEST = 64, 4096
_ROUNDS, _TURN = 3, 0.05
"""Turns of each count, and seconds of one: longer than a scheduler leaves a busy core to somebody else."""
_WORTH = 0.9
"""Fewer threads must take less than this share of the time of more: equal ones leave the rest idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadChoice:
    """The number of threads, and milliseconds of one product of the model's size by number of threads."""

    count: int
    measured: Mapping[int, float]

    def __str__(self) -> str:
        """One line for the start."""
        times = ", ".join(f"{taken:.3g} ms with {count}" for count, taken in self.measured.items())
        return f"processor threads: {self.count}, measured ({times}); OMP_NUM_THREADS sets another number"


def choose_threads(device: str, config: Any) -> ThreadChoice | None:
    """Measure, and have torch use so many threads; None where nothing is to be chosen.

    `config` is the model's, in whose sizes is measured.
    """
    if device != "cpu" or cores() == 1 or any(os.environ.get(name) for name in VARIABLES):
        return None
    import torch

    text = config.get_text_config(decoder=True)
    sizes = [widest(text, name) or _WIDEST for name in ("hidden_size", "intermediate_size")]
    hidden, inner = (min(size, _WIDEST) for size in sizes)
    choice = _measured(hidden, inner)
    torch.set_num_threads(choice.count)
    return choice


def widest(config: Any, name: str) -> int | None:
    """A size of a model, of its widest layer where each has its own (Gemma 3n); None where none is given."""
    size = getattr(config, name, None)
    return max(map(int, size), default=None) if isinstance(size, (list, tuple)) else size and int(size)


@cache
def _measured(hidden: int, inner: int) -> ThreadChoice:
    import torch

    rows, weights = torch.ones(_ROWS, hidden), torch.ones(inner, hidden)
    counts = sorted({1, max(1, cores() // 2), cores()})
    taken: dict[int, list[float]] = {count: [] for count in counts}
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            for count in counts:
                torch.set_num_threads(count)
                torch.nn.functional.linear(rows, weights)  # wakes the threads
                taken[count].append(_turn(lambda: torch.nn.functional.linear(rows, weights)))
    measured = {count: 1e3 * sum(times) / len(times) for count, times in taken.items()}
    return ThreadChoice(count=fastest(measured), measured=measured)


def _turn(compute: Callable[[], object]) -> float:
    """Seconds of one computation, on average over a turn."""
    started, calls = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < _TURN or not calls:
        compute()
        calls += 1
    return passed / calls


def fastest(measured: Mapping[int, float]) -> int:
    """The number of threads whose time is least; of nearly equal ones the largest."""
    chosen = max(measured)
    for count in sorted(measured, reverse=True):
        if measured[count] < _WORTH * measured[chosen]:
            chosen = count
    return chosen
