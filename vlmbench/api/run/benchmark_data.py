"""A benchmark by name, path or object; its file, verified and opened, with answers published elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from vlmbench.domain import Benchmark, Card, DataFile, Joined, Row
from vlmbench.errors import DataError, NoSuchData, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from vlmbench.data.sources.limited.split import Choose
    from vlmbench.data.table import Table


class LoadedDataset(Protocol):
    """A `datasets.Dataset`, which has no types of its own."""

    @property
    def column_names(self) -> list[str]: ...  # noqa: D102
    def select_columns(self, column_names: list[str]) -> Any: ...  # noqa: D102


AnyBenchmark: TypeAlias = "str | Path | Benchmark | LoadedDataset | pd.DataFrame"
"""A name, hf:OWNER/NAME/SPLIT, the path of a TSV or a dataset, a dataset or table itself, or an object of the
Benchmark protocol."""
AnyMap: TypeAlias = Mapping[str, Any] | str | Path
"""What a dataset's columns are: the keys of the YAML, or its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Where a benchmark's file is, and what stands in for it."""

    data_dir: Path | None = None
    """Searched first."""
    accept_local_data: bool = False
    """Take a local file although its checksum is not the published one."""
    file: Path | None = None
    """Take this file as the benchmark's, whatever its checksum."""
    answers: Path | None = None
    """A TSV or JSON with the answers that the benchmark's own file lacks."""


@dataclass(frozen=True, slots=True)
class OpenedData:
    """A benchmark's table and its rows, with the answers of another file where one was named."""

    table: Table
    rows: Iterable[Row]
    joined: Joined | None
    """None: no other file was named."""
    without_code: bool = False
    """Nothing but the names of the columns says what they are."""

    @property
    def note(self) -> str | None:
        """Where a dataset's rows come from, what its columns were taken for, and which may be misspelt."""
        return "; ".join(filter(None, (self._map(), self._misspelt()))) or None

    def _map(self) -> str | None:
        from vlmbench.data.sources.column_map import in_words

        columns = self.table.facts.get("map")
        if columns is None:
            return None
        place = f"rows of {self.table.origin}; " if self.table.lock.get("revision") else ""
        return f"{place}{in_words(columns)}"

    def _misspelt(self) -> str | None:
        from vlmbench.data.column_names import TEXTS, did_you_mean, missing_columns

        missing = missing_columns(self.table.columns, TEXTS) if self.without_code else {}
        return did_you_mean(missing) if missing else None


def find_benchmarks(
    names: Sequence[str],
    plugins: Sequence[Path] = (),
    *,
    in_rotations: bool = False,
    mapping: Mapping[str, Any] | Path | None = None,
    limited: bool = False,
) -> list[Benchmark]:
    """The benchmarks of these names, plugins included; every rotation of their options on request.

    `mapping` says what the columns of a dataset are: a YAML, or its contents. `limited`: not all questions
    will be asked, so a hub's dataset need not come whole.
    """
    from vlmbench.registry import Registry, circular

    registry = Registry(plugins, mapping, limited=limited)
    found = [registry.benchmark(name) for name in names]
    return [circular(b) for b in found] if in_rotations else found


def benchmarks_of(
    named: AnyBenchmark | Sequence[AnyBenchmark],
    plugins: Sequence[Path],
    *,
    in_rotations: bool = False,
    mapping: AnyMap | None = None,
    limited: bool = False,
) -> list[Benchmark]:
    """The benchmarks that these names, paths and objects stand for; suites only in a list."""
    from vlmbench.registry import benchmark_of_object, circular
    from vlmbench.suites import expand

    mapping = Path(mapping).expanduser() if isinstance(mapping, str) else mapping
    found: list[Benchmark] = []
    for one in as_list(named):
        if not isinstance(one, (str, Path)):
            known = hasattr(one, "card")
            benchmark = cast("Benchmark", one) if known else benchmark_of_object(one, mapping)
            found.append(circular(benchmark) if in_rotations else benchmark)
            continue
        names = expand([str(one)])
        if len(names) > 1 and not is_list(named):
            raise UsageError(f"`{one}` is a suite of {len(names)} benchmarks.", fix=f'Write ["{one}"].')
        found += find_benchmarks(names, plugins, in_rotations=in_rotations, mapping=mapping, limited=limited)
    if not found:
        raise UsageError("names no benchmark.", key="benchmark", fix="See vlmbench.benchmarks().")
    called = [benchmark.card.name for benchmark in found]
    if twice := next((name for name in called if called.count(name) > 1), None):
        raise UsageError(f"`{twice}` is named twice.", key="benchmark")
    return found


def is_list(named: object) -> bool:
    """Whether several benchmarks were named, or one in a list."""
    return isinstance(named, (list, tuple))


def as_list(named: AnyBenchmark | Sequence[AnyBenchmark]) -> Iterable[AnyBenchmark]:
    """What was named, one by one."""
    return named if isinstance(named, (list, tuple)) else [cast("AnyBenchmark", named)]


def optional_path(given: str | Path | None) -> Path | None:
    """A path as a user writes it, `~` included."""
    return None if given is None else Path(given).expanduser()


def require_data(
    benchmarks: Sequence[Benchmark], options: DataOptions, *, download: bool, limited: bool
) -> None:
    """Download the benchmarks' data that is not here; a DataError where that is not allowed.

    `limited`: of a hub's dataset not everything is needed, so it comes while it is read.
    """
    from vlmbench.data.fetch.lacking import download_folder, lacking, with_sizes

    missing = [one for one in lacking((b.card for b in benchmarks), options.data_dir) if one.source]
    if not missing:
        return
    if not download:
        raise _not_here([one.benchmark for one in missing], ", or call evaluate with download=True")
    from vlmbench.data.fetch.fetching import fetch

    into = download_folder(options.data_dir)
    whole = [one for one in missing if not (limited and one.as_dataset)]
    for one in fetch(with_sizes(whole, into), into) if whole else ():
        if one.error is not None:
            raise one.error


def check_data_is_here(benchmarks: Sequence[Benchmark]) -> None:
    """A DataError that names the benchmarks whose data is not on this machine."""
    from vlmbench.data.fetch.lacking import lacking

    missing = [one.benchmark for one in lacking(b.card for b in benchmarks) if one.source]
    if missing:
        raise _not_here(missing)


def _not_here(names: Sequence[str], otherwise: str = "") -> DataError:
    return DataError(
        f"not on this machine: {', '.join(names)}.",
        fix=f"Get with `vlmbench data get {' '.join(names)}`{otherwise}.",
    )


def open_data(
    benchmark: Benchmark,
    options: DataOptions,
    *,
    to_ask: bool = True,
    limit: int | None = None,
    seed: int = 0,
) -> OpenedData:
    """The file, verified and opened, and its rows; to score answers, a broken picture is no problem.

    Of a hub's dataset that is not here, only the pictures come that a run with this limit and seed shows.
    """
    from vlmbench.engine.limited import rows_of_limit

    # The answers of another file are joined by pictures, so it needs them all.
    whole = limit is None or options.answers is not None
    table = open_benchmark(benchmark, options, None if whole else rows_of_limit(benchmark, limit, seed))
    rows, joined = _answered_rows(benchmark.card, table, options, to_ask=to_ask)
    card = benchmark.card
    # A benchmark without code has no source but its file.
    return OpenedData(table, rows, joined, without_code=card.source == card.file.name)


def open_benchmark(benchmark: Benchmark, options: DataOptions, choose: Choose | None = None) -> Table:
    """The benchmark's file, found, verified and opened; see `open_data_file` for `choose`."""
    from vlmbench.data.opening import open_data_file

    card = benchmark.card
    if options.file is not None:
        return open_file(card, options.file)
    table = open_data_file(
        card.file, options.data_dir, accept_changed=options.accept_local_data, choose=choose
    )
    if card.circular:
        table.require_integer_index()
    return table


def open_file(card: Card, path: Path) -> Table:
    """A file in the layout of this benchmark."""
    from vlmbench.data.table import open_table

    return open_table(path, need_integer_index=card.circular)


def _answered_rows(
    card: Card, table: Table, options: DataOptions, *, to_ask: bool
) -> tuple[Iterable[Row], Joined | None]:
    """The rows with the answers of the other file; without one, as they are in their own."""
    from vlmbench.answers.joined import join_answers, join_by_id
    from vlmbench.data.answer_key import read_key

    ours = table.rows(to_ask=to_ask)
    if options.answers is None:
        return ours, None
    path = _find(options.answers, card, options.data_dir)
    if path.suffix.lower() == ".json":
        rows, joined = join_by_id(ours, read_key(path), circular=card.circular, source=path.name)
    else:
        others = open_file(card, path)
        if "answer" not in others.columns:
            raise _no_answers(path, card)
        rows, joined = join_answers(ours, others.rows(to_ask=False), circular=card.circular, source=path.name)
    if not joined.rows + joined.own:
        reasons = ", ".join(f"{why} ({count})" for why, count in joined.not_joined.items())
        raise DataError(
            f"this file answers none of the {joined.of_questions} questions of {table.path.name}: {reasons}.",
            file=path,
            fix="Check that it belongs to this benchmark and has the same language.",
        )
    return rows, joined


def where_answers_are(card: Card) -> str | None:
    """How to score a benchmark whose answers were published in another file; None where they are withheld."""
    if card.answers_file is None:
        return None
    name = card.answers_file.name
    return f"the answers were published in {name}: add `--answers {name}` to score them"


def _find(named: Path, card: Card, data_dir: Path | None) -> Path:
    """The file of that path; a bare name is looked for where benchmark files are."""
    from vlmbench.data.locate import find_file, folders

    if named.is_file():
        return named
    bare = named.parent == Path()
    found = find_file(DataFile(name=named.name), data_dir) if bare else None
    if found is not None:
        return found
    searched = f" here or in {', '.join(map(str, folders(data_dir)))}" if bare else ""
    raise NoSuchData(f"there is no such file{searched}.", file=named, fix=_how_to_get(named.name, card))


def _no_answers(path: Path, card: Card) -> DataError:
    from vlmbench.data.column_names import did_you_mean, missing_columns
    from vlmbench.data.tsv import read_header

    near = missing_columns(read_header(path), ["answer"])
    what = did_you_mean(near) if near else "this file has no column `answer` either."
    return DataError(what, file=path, fix=_how_to_get(path.name, card))


def _how_to_get(name: str, card: Card) -> str | None:
    file = card.answers_file
    return f"The file with the answers is at {file.url}." if file and file.url and file.name == name else None
