"""From a name to a benchmark: shipped modules, installed plugins, plugin files, a TSV or a dataset.

    shipped    modules of `vlmbench.benchmarks`, each ending in a tuple `BENCHMARKS`
    installed  entry points of the group `vlmbench.benchmarks`, each a benchmark or a tuple of them
    files      `--plugin FILE.py`, ending in `BENCHMARKS` or `benchmark`
    no code    a TSV, a dataset's file or folder, or hf:OWNER/NAME/SPLIT (see
               `vlmbench.benchmarks.families.without_code`)

All four give the same object. A plugin that cannot be imported is remembered with its reason and breaks
nothing else; a name with two owners is an error only when it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from vlmbench.data.sources.files import is_data, is_dataset
from vlmbench.domain import RULE_SETS, Benchmark, RuleSet
from vlmbench.errors import UnknownName, UsageError, UserError

GROUP = "vlmbench.benchmarks"
CIRCULAR = "_circular"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSource:
    """One place that offers benchmarks."""

    origin: str
    """Shown in errors and in `vlmbench list plugins`."""
    benchmarks: tuple[Benchmark, ...] = ()
    error: str | None = None
    """Why it could not be imported."""
    shipped: bool = False
    fallback: bool = False
    """Gives way to every other shipped module: the catalogue, which names all."""


class Registry:
    """Everything that answers to a name."""

    def __init__(
        self,
        plugin_files: Sequence[Path] = (),
        mapping: Mapping[str, Any] | Path | None = None,
        *,
        limited: bool = False,
    ) -> None:
        """`limited`: not all questions will be asked, so a hub's dataset need not come whole."""
        self._files = tuple(plugin_files)
        for file in self._files:
            if not file.is_file():
                raise UsageError("there is no such file.", file=file, key="--plugin")
        self._map = mapping
        self._limited = limited

    @cached_property
    def sources(self) -> tuple[BenchmarkSource, ...]:
        """Every source, imported once."""
        shipped = [_shipped(name) for name in _module_names()]
        installed = [
            _load(f"{point.value} (entry point `{point.name}`)", point.load)
            for point in entry_points(group=GROUP)
        ]
        files = [_load(str(path), partial(_offered_by, path)) for path in self._files]
        return (*shipped, *installed, *files)

    @property
    def plugins(self) -> tuple[BenchmarkSource, ...]:
        """The sources that do not ship with vlmbench."""
        return tuple(source for source in self.sources if not source.shipped)

    @cached_property
    def owners(self) -> dict[str, list[tuple[BenchmarkSource, Benchmark]]]:
        """Every name with all who claim it."""
        found: dict[str, list[tuple[BenchmarkSource, Benchmark]]] = {}
        for source in sorted(self.sources, key=lambda s: (not s.shipped, s.fallback)):
            for benchmark in source.benchmarks:
                claims = found.setdefault(benchmark.card.name, [])
                if not (source.fallback and claims):
                    claims.append((source, benchmark))
        return found

    @property
    def benchmarks(self) -> dict[str, Benchmark]:
        """Every benchmark by name; of a contested name the first owner."""
        return {name: owners[0][1] for name, owners in self.owners.items()}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names that users of other toolkits type."""
        aliases = importlib.import_module("vlmbench.benchmarks.catalogue").aliases()
        return {alias: name for alias, name in aliases.items() if name in self.owners}

    def benchmark(self, name: str) -> Benchmark:
        """The benchmark of that name, alias or path; `NAME_circular` for any plain multiple choice."""
        if is_data(name):
            return self._without_code(name)
        known = self._known(name)
        if known is None and name.lower().endswith(CIRCULAR) and self._known(name[: -len(CIRCULAR)]):
            return circular(self.benchmark(name[: -len(CIRCULAR)]))
        if known is None and is_dataset(name):
            return self._without_code(name)
        if self._map is not None:
            raise UsageError(
                f"`{name}` is not a dataset's file, folder or name, so there is nothing to map.", key="--map"
            )
        owners = self.owners[known or self._nearest(name)]
        if len(owners) > 1:
            origins = " and ".join(source.origin for source, _ in owners)
            raise UsageError(
                f"two sources offer a benchmark named `{known}`: {origins}.",
                fix="Rename one of them, or uninstall the plugin that is not meant.",
            )
        return owners[0][1]

    def _without_code(self, name: str) -> Benchmark:
        module = importlib.import_module("vlmbench.benchmarks.families.without_code")
        benchmark: Benchmark = module.benchmark_of(name, self._map, limited=self._limited)
        return benchmark

    def _known(self, name: str) -> str | None:
        if name in self.owners:
            return name
        if name.lower() in self.aliases:
            return self.aliases[name.lower()]
        folded = [known for known in self.owners if known.lower() == name.lower()]
        if len(folded) > 1:
            raise UsageError(f"`{name}` may be {' or '.join(folded)}.", fix="Write it as one of them.")
        return folded[0] if folded else None

    def _nearest(self, name: str) -> NoReturn:
        broken = [s.origin for s in self.plugins if s.error]
        note = (
            f" A plugin could not be imported ({', '.join(broken)}): see `vlmbench list plugins`."
            if broken
            else ""
        )
        raise UnknownName("benchmark", name, [*self.owners, *self.aliases], fix=f"See `vlmbench list`.{note}")


def rule_set(name: str) -> RuleSet:
    """The rule set of that name."""
    for rules in RULE_SETS:
        if rules == name:
            return rules
    raise UnknownName("rule set", name, RULE_SETS)


def circular(benchmark: Benchmark) -> Benchmark:
    """A plain multiple-choice benchmark in every rotation of its options."""
    choice = importlib.import_module("vlmbench.benchmarks.families.choice")
    rotated: Benchmark = choice.rotated(benchmark)
    return rotated


def benchmark_of_object(given: object, mapping: Mapping[str, Any] | Path | None = None) -> Benchmark:
    """A `datasets.Dataset` or a DataFrame as a benchmark; `mapping` says what its columns are."""
    module = importlib.import_module("vlmbench.benchmarks.families.without_code")
    benchmark: Benchmark = module.benchmark_of_object(given, mapping)
    return benchmark


def load_benchmark(name: str, plugin_files: Sequence[Path] = ()) -> Benchmark:
    """The benchmark of that name."""
    return Registry(plugin_files).benchmark(name)


def _module_names() -> list[str]:
    package = importlib.import_module("vlmbench.benchmarks")
    return [m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg]


def _shipped(name: str) -> BenchmarkSource:
    module = importlib.import_module(f"vlmbench.benchmarks.{name}")
    return BenchmarkSource(
        origin=f"vlmbench.benchmarks.{name}",
        benchmarks=tuple(module.BENCHMARKS),
        shipped=True,
        fallback=getattr(module, "FALLBACK", False),
    )


def _load(origin: str, load: Callable[[], Any]) -> BenchmarkSource:
    """What a stranger's code offers, or why it offers nothing. It may raise whatever it likes."""
    try:
        offered = load()
        benchmarks = (offered,) if hasattr(offered, "card") else tuple(offered)
        for benchmark in benchmarks:
            if not isinstance(benchmark.card.name, str):
                raise TypeError(f"{benchmark!r} has no card with a name")
    except UserError as error:
        return BenchmarkSource(origin=origin, error=str(error))
    except (Exception, SystemExit) as error:
        return BenchmarkSource(origin=origin, error=f"{type(error).__name__}: {error}")
    return BenchmarkSource(origin=origin, benchmarks=benchmarks)


def _offered_by(path: Path) -> Benchmark | Iterable[Benchmark]:
    return _offered(_import_file(path))


class _AsItIsNow(SourceFileLoader):
    """Compiles the file each time: Python's own cache is blind to a change of equal size within a second."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError(path)


def _import_file(path: Path) -> ModuleType:
    name = f"vlmbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsItIsNow(name, str(path)))
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError("this is not a Python file.", file=path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _offered(module: ModuleType) -> Benchmark | Iterable[Benchmark]:
    for name in ("BENCHMARKS", "benchmark"):
        if hasattr(module, name):
            offered: Benchmark | Iterable[Benchmark] = getattr(module, name)
            return offered
    raise UserError("offers neither `BENCHMARKS` nor `benchmark`.", file=module.__file__)
