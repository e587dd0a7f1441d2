"""What the first of several ranks does while the others wait, hours if need be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from vlmbench.errors import UserError

_PATIENCE = timedelta(days=365)
"""A benchmark may take longer than a training's collectives may; a rank that dies ends the wait at once."""


class RankZero:
    """Waits in a gloo group of its own, so that the training's timeout does not count."""

    def __init__(self) -> None:
        self._group: Any = None

    def open(self) -> None:
        """Called on every rank; nothing where there is one process."""
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def close(self) -> None:
        """Called on every rank."""
        import torch.distributed as dist

        if self._group is not None:
            dist.destroy_process_group(self._group)
            self._group = None

    def do(self, work: Callable[[], object]) -> None:
        """Do it on rank 0. Every rank returns once it is done there, or raises if it failed there."""
        import torch.distributed as dist

        if self._group is None:
            work()
            return
        failure: Exception | None = None
        if dist.get_rank() == 0:
            try:
                work()
            except Exception as error:  # raised below, once the other ranks know
                failure = error
        outcome = [None if failure is None else f"{type(failure).__name__}: {failure}"]
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        if failure is not None:
            raise failure
        if outcome[0] is not None:
            raise UserError(f"rank 0 could not evaluate: {outcome[0]}")
