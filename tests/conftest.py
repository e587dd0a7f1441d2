"""Fixtures of more than one test file."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Who starts the tests in the background of a script lets them ignore Ctrl-C; what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests run side by side: torch would take every core for each, and for each process that they start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Wordings are asserted on in English, wherever the tests run.
os.environ["VLMBENCH_LANG"] = "en"

# Nothing here is compiled; bitsandbytes, which comes with peft, would load torch's compiler in every process.
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

# Tests share a home; a model that is asked in one of them is asked in the next, too.
os.environ["VLMBENCH_CACHE"] = "off"

# What collection makes (modules, test items) lives to the end: no need to look through it again and again.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and only in what the tests make."""
    gc.freeze()
    gc.enable()


# The lanes with environments of their own have no property tests.
with contextlib.suppress(ImportError):
    from hypothesis import settings

    # How long an example takes says what else the machine does; the suite has a limit of its own.
    settings.register_profile("ours", deadline=None)
    settings.load_profile("ours")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model of an architecture, written once a session; copy before changing it."""
    import torch
    from tiny_models import save_model

    # Tests run side by side, and torch would take every core for each of them.
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("tiny")
    return functools.cache(lambda architecture: save_model(architecture, root / architecture))


@pytest.fixture
def llava(tiny_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A tiny LLaVA's folder of the test's own, to be changed or broken."""
    return shutil.copytree(tiny_model("llava"), tmp_path / "model")
