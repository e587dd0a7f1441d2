"""What a run logs: a line of JSON each time, and the same for TensorBoard."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlmbench.data.disk import writing
from vlmbench.files.json_files import append_line, as_line, whole_lines

METRICS, TALKS, BOARD = "metrics.jsonl", "samples.jsonl", "tensorboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """How training goes, after an optimizer step."""

    step: int
    epoch: float
    loss: float
    """Mean over the tokens since the metrics before."""
    grad_norm: float | None
    """Of the last step, before clipping."""
    learning_rate: dict[str, float]
    """By part, of the last step."""
    rows: int
    """Since the metrics before, over all ranks."""
    rows_per_second: float
    tokens_per_second: float
    """With pictures' positions, without padding."""
    memory: int
    """Peak bytes on this device so far."""
    skipped: int
    """Records so far whose pictures could not be read, over all ranks."""
    seconds: float
    """Since this process started or resumed the run."""
    at: float
    """Unix time."""


class Metrics:
    """The files of one work folder; what a killed run logged after its checkpoint is removed."""

    def __init__(self, work_dir: Path, after: int, *, writes: bool = True) -> None:
        self._file = work_dir / METRICS
        self._board: Any = None
        if writes:
            with written(self._file):
                _cut(work_dir / METRICS, after)
                # The sample conversation after that step is held again.
                _cut(work_dir / TALKS, after - 1)
                self._board = _board(work_dir / BOARD, after)

    def add(self, reading: StepMetrics) -> None:
        """One line, flushed."""
        with written(self._file):
            append_line(self._file, asdict(reading))
            if self._board is not None:
                for name, value in _scalars(reading).items():
                    self._board.add_scalar(name, value, reading.step)

    def close(self) -> None:
        """Flush to disk."""
        if self._board is not None:
            # `add` reported a full disk.
            with contextlib.suppress(OSError):
                self._board.close()


def written(file: Path) -> contextlib.AbstractContextManager[None]:
    """Report a full disk as a UserError about this file."""
    fix = "Free some space there; then --resume continues from the last checkpoint."
    return writing(file, "how the training goes", None, fix)


def read_metrics(work_dir: Path) -> list[dict[str, Any]]:
    """Every line so far, without those of evaluations, which are in the same file."""
    return [line for line in whole_lines(work_dir / METRICS) if "loss" in line]


def _scalars(reading: StepMetrics) -> dict[str, float]:
    rates = {f"learning rate/{part}": rate for part, rate in reading.learning_rate.items()}
    norm = {} if reading.grad_norm is None else {"gradient norm": reading.grad_norm}
    speed = {"rows per second": reading.rows_per_second, "tokens per second": reading.tokens_per_second}
    return {"loss": reading.loss, **norm, **rates, **speed}


def _board(folder: Path, after: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter
    return writer(str(folder), purge_step=after + 1)


def _cut(file: Path, after: int) -> None:
    if file.is_file():
        kept = [as_line(line) for line in whole_lines(file) if line["step"] <= after]
        file.write_bytes(b"".join(kept))


class Throughput:
    """Rows and tokens since the last metrics."""

    def __init__(self, world: int, *, cpu: bool) -> None:
        self._world, self._cpu = world, cpu
        self._began = self._since = time.monotonic()
        self._rows = self._tokens = 0

    def add(self, rows: int, tokens: int) -> None:
        """Add a micro-batch of this rank; those of other ranks are assumed to be like it."""
        self._rows += rows
        self._tokens += tokens

    def take(self) -> dict[str, Any]:
        """The metrics that are about time; counting starts again."""
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        found = {
            "rows": self._rows * self._world,
            "rows_per_second": self._rows * self._world / seconds,
            "tokens_per_second": self._tokens * self._world / seconds,
            "memory": memory(cpu=self._cpu),
            "seconds": now - self._began,
            "at": time.time(),
        }
        self._since, self._rows, self._tokens = now, 0, 0
        return found


def memory(*, cpu: bool) -> int:
    """Peak bytes of the device, or on a CPU of this process."""
    if not cpu:
        import torch

        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)
