"""What runs in each worker process: one replica of the model, asked a chunk at a time.

Whatever goes wrong comes back as a value, because an exception's class need not exist, or be picklable,
where the driver runs. Only a worker's death is reported by Ray.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.domain import ImageSource, Model, Request, Response
from vlmbench.engine.asking import Budget
from vlmbench.errors import UserError
from vlmbench.installation import __version__
from vlmbench.model_files.picture_sizes import SeenPicture, ShownPicture
from vlmbench.models.vllm.engine import EngineDied
from vlmbench.prompts import ChosenStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """How a worker makes its replica."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """For `load_model`."""
    threads: int | None = None
    """Processor threads of this worker; None leaves them alone."""
    folder: str = "."
    """Where the driver runs: relative paths mean the same in the worker, if it has that folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAddress:
    """Where a worker is."""

    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A replica is loaded."""

    name: str
    style: str
    chosen_style: ChosenStyle | None = None
    """What decided the style; None of a model that has one of its own."""
    facts: Mapping[str, Any]
    files: Mapping[str, Path]
    """The files whose digests are among the facts."""
    version: str
    generation_settings: Mapping[str, Any] | None = None
    """The checkpoint's own; None where it has none."""
    picture_settings: Mapping[str, Any] | None = None
    """How its processor resizes and cuts pictures; None of a model that states nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The worker lives, and this did not work."""

    reason: str
    user: bool = False
    """Something the user can mend: the run ends with these words."""
    dead: bool = False
    """The worker lives, and what it asks does not: another one has to be started."""
    exit_code: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A message for the user."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCounts:
    """What the replica counted over one chunk; the last event of that chunk."""

    counts: Mapping[str, Any]


class Worker:
    """A Ray actor's inside. Its methods run one after the other."""

    def __init__(self) -> None:
        # Ctrl-C reaches every process of the terminal; the driver alone decides what it means.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._model: Model | None = None

    def place(self) -> WorkerAddress:
        """Host and process, before anything is loaded."""
        return WorkerAddress(host=platform.node(), pid=os.getpid())

    def load(self, setup: WorkerSetup) -> Ready | Failed:
        """Load the replica; its facts must equal those of the others."""
        from vlmbench.models.loading import load_model

        with contextlib.suppress(OSError):
            os.chdir(setup.folder)
        try:
            if setup.threads is not None:
                use_threads(setup.threads)
            self._model = load_model(setup.model, **setup.options)
            facts = dict(self._model.facts)
        except Exception as error:
            return failed(error)
        return Ready(
            name=self._model.name,
            style=self._model.style,
            chosen_style=getattr(self._model, "chosen_style", None),
            facts=facts,
            files=getattr(self._model, "files", {}),
            version=__version__,
            generation_settings=getattr(self._model, "generation_settings", None),
            picture_settings=getattr(self._model, "picture_settings", None),
        )

    def sees(self, images: ImageSource, digest: str) -> bool:
        """Whether this worker can open the pictures itself."""
        try:
            return bool(images[digest])
        except Exception:
            return False

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> Iterator[Response | Remark | ChunkCounts | Failed]:
        """Every answer as it comes, and what was counted."""
        assert self._model is not None  # noqa: S101 - the driver loads before it asks
        budget = Budget(self._model)
        try:
            # No `yield from`: Ray sends measurements of its own into the generator, not meant for the model.
            for response in self._model.generate(requests, images):
                yield response
                if text := budget.remark():
                    yield Remark(text=text)
            if counts := getattr(self._model, "timing", None):
                yield ChunkCounts(counts=dict(counts))
        except Exception as error:
            yield failed(error)

    def render(self, request: Request) -> str:
        """The exact text the model sees."""
        assert self._model is not None  # noqa: S101
        return self._model.render(request)

    def seen_pictures(self, shown: Sequence[ShownPicture]) -> list[SeenPicture] | None:
        """The pictures as the model sees them; None where it does not state that."""
        measure = getattr(self._model, "seen_pictures", None)
        return None if measure is None else measure(shown)


def failed(error: BaseException) -> Failed:
    """An exception as a value."""
    if isinstance(error, EngineDied):
        return Failed(reason=error.what, dead=True)
    if isinstance(error, UserError):
        return Failed(reason=str(error), user=True, exit_code=error.exit_code)
    return Failed(reason=f"{type(error).__name__}: {error}")


def use_threads(count: int) -> None:
    """Share the machine; otherwise every replica starts a thread a core, and they wait for each other."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    # Tokenizers start threads of their own, one a core, whatever the variables above say.
    os.environ.setdefault("RAYON_NUM_THREADS", str(count))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
