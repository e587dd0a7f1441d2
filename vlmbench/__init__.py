"""Evaluate and train vision-language models.

    import vlmbench
    run = vlmbench.evaluate("demo", "Shapes_DEV_EN", limit=50)
    run.headline, run.metrics(), run.samples()

Nothing is imported before it is used. docs/python.md shows every function.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vlmbench.installation import __version__

if TYPE_CHECKING:
    from vlmbench.api.board import BoardResult, leaderboard
    from vlmbench.api.callback import VlmbenchCallback
    from vlmbench.api.catalogue import MultipleChoice, ShortAnswer, YesNo, benchmarks
    from vlmbench.api.comparison import ComparisonResult, compare
    from vlmbench.api.conversion import convert
    from vlmbench.api.run.evaluate import evaluate
    from vlmbench.api.run_result import RunResult, load_run
    from vlmbench.api.score import score
    from vlmbench.api.training import TrainingResult, train
    from vlmbench.domain import (
        Benchmark,
        Card,
        DataFile,
        Decoding,
        ImageRef,
        ImageSource,
        Metric,
        Model,
        Request,
        Response,
        Row,
        Sample,
        Score,
    )
    from vlmbench.errors import (
        DataError,
        ModelError,
        PredictionsError,
        RunFolderError,
        SpecChanged,
        UnknownName,
        UsageError,
        UserError,
        VlmbenchError,
    )

__all__ = [
    "Benchmark",
    "BoardResult",
    "Card",
    "ComparisonResult",
    "DataError",
    "DataFile",
    "Decoding",
    "ImageRef",
    "ImageSource",
    "Metric",
    "Model",
    "ModelError",
    "MultipleChoice",
    "PredictionsError",
    "Request",
    "Response",
    "Row",
    "RunFolderError",
    "RunResult",
    "Sample",
    "Score",
    "ShortAnswer",
    "SpecChanged",
    "TrainingResult",
    "UnknownName",
    "UsageError",
    "UserError",
    "VlmbenchCallback",
    "VlmbenchError",
    "YesNo",
    "__version__",
    "benchmarks",
    "compare",
    "convert",
    "evaluate",
    "leaderboard",
    "load_run",
    "score",
    "train",
]

_WHERE = {
    "api.board": ("BoardResult", "leaderboard"),
    "api.callback": ("VlmbenchCallback",),
    "api.comparison": ("ComparisonResult", "compare"),
    "api.conversion": ("convert",),
    "api.run.evaluate": ("evaluate",),
    "api.run_result": ("RunResult", "load_run"),
    "api.score": ("score",),
    "api.training": ("TrainingResult", "train"),
    "api.catalogue": ("MultipleChoice", "ShortAnswer", "YesNo"),
    "domain": (
        "Benchmark",
        "Card",
        "DataFile",
        "Decoding",
        "ImageRef",
        "ImageSource",
        "Metric",
        "Model",
        "Request",
        "Response",
        "Row",
        "Sample",
        "Score",
    ),
    "errors": (
        "DataError",
        "ModelError",
        "PredictionsError",
        "RunFolderError",
        "SpecChanged",
        "UnknownName",
        "UsageError",
        "UserError",
        "VlmbenchError",
    ),
}
"""The module of each public name. `benchmarks` is a package, and called, its table."""


def __getattr__(name: str) -> Any:
    """A public name, imported when first used; `vlmbench.benchmarks` is a package that can be called."""
    if name == "benchmarks":
        return import_module("vlmbench.benchmarks")
    place = next((module for module, names in _WHERE.items() if name in names), None)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"vlmbench.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
