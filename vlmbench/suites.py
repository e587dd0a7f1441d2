"""Several benchmarks under one name.

shipped     `suites.yaml` of vlmbench.benchmarks: the columns of published tables
the user's  `suites.yaml` in VLMBENCH_HOME: a mapping from names to lists of benchmarks
a file      `--bench FILE.yaml`: a list of benchmarks; paths in it are seen from where it lies
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from vlmbench.data.disk import home_folder
from vlmbench.data.hub.reference import is_hub_reference
from vlmbench.data.sources.files import is_data
from vlmbench.errors import UsageError, UserError
from vlmbench.files.json_files import read_yaml

FILE = "suites.yaml"


def suites() -> dict[str, tuple[str, ...]]:
    """Every named suite; the user's own win over shipped ones of the same name."""
    shipped = Path(str(files("vlmbench.benchmarks") / FILE))
    own = home_folder() / FILE
    return _named(shipped) | (_named(own) if own.is_file() else {})


def expand(names: Iterable[str]) -> list[str]:
    """Suites in place of their names, each benchmark once, in the order of first mention."""
    found: dict[str, None] = {}
    known: dict[str, tuple[str, ...]] | None = None
    for name in names:
        if name.endswith((".yaml", ".yml")):
            found |= dict.fromkeys(_listed(Path(name)))
            continue
        known = suites() if known is None else known
        found |= dict.fromkeys(known.get(name, (name,)))
    return list(found)


def _named(path: Path) -> dict[str, tuple[str, ...]]:
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise UserError("must be a mapping from names to lists of benchmarks.", file=path)
    return {str(name): _names(path, members, str(name)) for name, members in document.items()}


def _listed(path: Path) -> tuple[str, ...]:
    document = read_yaml(path, raises=UsageError)
    if isinstance(document, dict):
        table = path.with_suffix(".tsv")
        fix = f"Run the benchmark beside it with `--bench {table}`." if table.is_file() else None
        raise UsageError("a suite is a list of benchmarks, and this is a mapping.", file=path, fix=fix)
    return _names(path, document)


def _names(path: Path, members: Any, key: str | None = None) -> tuple[str, ...]:
    if not isinstance(members, list) or not members or not all(isinstance(m, str) for m in members):
        raise UserError("must be a list of benchmark names, one at least.", file=path, key=key)
    return tuple(str(path.parent / m) if is_data(m) and not is_hub_reference(m) else m for m in members)
