"""From an object to a model: what a notebook or a training script has in its hands.

(model, processor)          both loaded by transformers; also a pipeline, which holds both
function                    (messages, images) -> str
an object                   with name, style, facts, render and generate: the protocol of a model
"""

from __future__ import annotations

import inspect
from typing import Any, Literal

from vlmbench.domain import Model
from vlmbench.errors import ModelError

PROTOCOL = ("name", "style", "facts", "render", "generate")
ACCEPTED = (
    "A model is a name or a path, a pair (model, processor) of transformers, a function "
    f"(messages, images) -> str, or an object with {', '.join(PROTOCOL)}."
)


def model_of(given: Any, *, name: str | None = None, batch_size: int | Literal["auto"] = "auto") -> Model:
    """The model that an object stands for; `name` is what tables and folders call it.

    Weights are neither loaded nor copied.
    """
    missing = [part for part in PROTOCOL if inspect.getattr_static(given, part, None) is None]
    if not missing:
        asked: Model = given
        return asked
    pair = _pair(given)
    if pair is not None:
        from vlmbench.models.hf.in_memory import in_memory_model

        return in_memory_model(*pair, name=name, batch_size=batch_size)
    if hasattr(given, "named_parameters"):  # a model of torch; it can be called, but not with messages
        raise ModelError(
            f"a {type(given).__name__} alone does not say how to word a question.",
            fix="Give its processor too: (model, processor).",
        )
    if callable(given) and not isinstance(given, type):
        from vlmbench.models.function import FunctionModel

        return FunctionModel(given, name)
    lacks = f" It lacks {', '.join(missing)}." if len(missing) < len(PROTOCOL) else ""
    raise ModelError(f"a value of type {type(given).__name__} is not a model.{lacks}", fix=ACCEPTED)


def _pair(given: Any) -> tuple[Any, Any] | None:
    """Model and processor of a pair or of a pipeline."""
    if isinstance(given, (tuple, list)):
        if len(given) != 2 or not hasattr(given[0], "named_parameters"):
            types = ", ".join(type(part).__name__ for part in given)
            raise ModelError(f"({types}) is not a pair of model and processor.", fix=ACCEPTED)
        return given[0], given[1]
    # Not by its attributes: a user's own object, to be called, may have a model and a processor too.
    if any(kind.__module__.startswith("transformers.pipelines.") for kind in type(given).__mro__):
        return given.model, given.processor
    return None
