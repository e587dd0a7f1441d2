"""The shipped benchmarks, one module each; found by name, imported only when asked for.

For a plugin the families are here too:

    from vlmbench.benchmarks import MultipleChoice, ShortAnswer, YesNo
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._choice import MultipleChoice
    from ._open import ShortAnswer
    from ._yes_no import YesNo

__all__ = ["MultipleChoice", "ShortAnswer", "YesNo"]

_WHERE = {"MultipleChoice": "_choice", "ShortAnswer": "_open", "YesNo": "_yes_no"}


def __getattr__(name: str) -> Any:
    """A family, imported when first asked for: whoever wants one benchmark should not wait for all."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
