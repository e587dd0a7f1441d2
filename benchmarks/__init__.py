"""The shipped benchmarks, found by name and imported only when asked for. Called, their table.

For a plugin the families are here too:

    from vlmbench.benchmarks import MultipleChoice, ShortAnswer, YesNo
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vlmbench.domain import DataFile

if TYPE_CHECKING:
    from .families.choice import MultipleChoice
    from .families.open_answers import ShortAnswer, YesNo

__all__ = ["MultipleChoice", "ShortAnswer", "YesNo"]

_WHERE = {"MultipleChoice": "choice", "ShortAnswer": "open_answers", "YesNo": "open_answers"}


def __getattr__(name: str) -> Any:
    """A family, imported when first asked for, so that one benchmark does not wait for all of them."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".families.{_WHERE[name]}", __name__), name)


def served(name: str, *md5: str, under: str = "VLMEval") -> DataFile:
    """NAME.tsv where VLMEvalKit serves it; `md5` holds every checksum that the published file has had."""
    url = f"https://opencompass.openxlab.space/utils/{under}/{name}.tsv"
    entry = import_module(".catalogue", __name__).entries().get(name, {})
    return with_hub(DataFile(name=f"{name}.tsv", url=url, md5=md5), entry)


def with_hub(file: DataFile, entry: Mapping[str, Any]) -> DataFile:
    """The file with the dataset that its entry in `catalogue.yaml` names beside it, if any."""
    return replace(
        file, dataset=entry.get("hub", ""), columns=entry.get("columns", {}), words=entry.get("words", "")
    )


class _CallablePackage(ModuleType):
    """`vlmbench.benchmarks()` is the table of benchmarks, though the name is also this package's."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `vlmbench.api.catalogue.benchmarks`."""
        return import_module("vlmbench.api.catalogue").benchmarks(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
