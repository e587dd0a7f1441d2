"""A model in somebody else's hands, asked between two of its training steps and given back as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def attributes_kept(model: Any) -> Iterator[None]:
    """Every attribute of every submodule is afterwards what it was: mode, buffers, what `forward` noted.

    Weights are not copied, since nothing in an evaluation writes into one. What transformers adds to a module
    at its first call (hooks, and the mark that they are there) stays: a training step adds the same.
    """
    before = [(module, dict(vars(module)), dict(module._buffers)) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes, buffers in before:
            vars(module).update(attributes)
            module._buffers.update(buffers)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Python's, numpy's and torch's random numbers go on afterwards where they stood, on every device."""
    import numpy as np
    import torch

    # Asking a CUDA that nobody uses for its state would start it, which takes memory on the device.
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
