"""From a name to a benchmark, importing only when asked.

Built-in benchmarks are modules of `vlmbench.benchmarks`; each ends in a tuple `BENCHMARKS`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from vlmbench.domain import Benchmark
from vlmbench.errors import UnknownName


@cache
def benchmarks() -> dict[str, Benchmark]:
    """Every shipped benchmark by name."""
    found: dict[str, Benchmark] = {}
    package = importlib.import_module("vlmbench.benchmarks")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        for benchmark in importlib.import_module(f"vlmbench.benchmarks.{module.name}").BENCHMARKS:
            found[benchmark.card.name] = benchmark
    return found


def load_benchmark(name: str) -> Benchmark:
    """The benchmark of that name; case does not matter where it is unambiguous."""
    known = benchmarks()
    if name in known:
        return known[name]
    folded = [known_name for known_name in known if known_name.lower() == name.lower()]
    if len(folded) == 1:
        return known[folded[0]]
    raise UnknownName("benchmark", name, known, fix="See `vlmbench list`.")
