"""The questions of a finished run: from the benchmark's file, else from the tables in the run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from vlmbench.data.hub.reference import is_hub_reference
from vlmbench.data.sources.files import find_files, is_data, is_dataset
from vlmbench.domain import Benchmark, ImageSource, Sample
from vlmbench.errors import DataError, RunFolderError, UnknownName, UserError
from vlmbench.files.json_files import line_object
from vlmbench.files.regular import is_there, whole_lines_of
from vlmbench.finished import Questions
from vlmbench.report.results import AGAIN, PICTURES, PREDICTIONS

if TYPE_CHECKING:
    from vlmbench.data.table import Table

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LEVELS = ("l2-category", "category")


def read_questions(
    folder: Path,
    about: Mapping[str, Any],
    asked: Mapping[str, str],
    *,
    data_dir: Path | None,
    plugins: Sequence[Path],
) -> Questions:
    """The rows whose ids are in `asked`, with pictures where the benchmark's file is here unchanged.

    `about` is the folder's run.json; `asked` maps a row to its group.
    """
    try:
        return _from_data(folder, about, asked, data_dir, plugins)
    except UserError as error:
        missing = str(error)
    table = folder / PREDICTIONS
    if not is_there(table):
        raise RunFolderError(f"the questions cannot be read: {missing}", file=folder)
    shown = _pictures(folder / PICTURES)
    samples = tuple(_from_table(table, asked))
    if shown is not None:
        samples = tuple(replace(sample, images=shown.get(sample.id, ())) for sample in samples)
    benchmark = images = None
    with contextlib.suppress(UserError):
        images = _kept_images(_locked(about))
        benchmark = benchmark_of_run(folder, about, data_dir, plugins)
    return Questions(
        samples=samples, benchmark=benchmark, images=images, missing=missing, shown=shown is not None
    )


def _kept_images(locked: Mapping[str, Any]) -> ImageSource | None:
    """The pictures of a dataset that was an object of the process which evaluated it."""
    from vlmbench.data.sources.opening import open_kept

    key = locked.get("object")
    return open_kept(key, str(locked.get("file"))).images if isinstance(key, str) else None


def _pictures(file: Path) -> Mapping[str, tuple[str, ...]] | None:
    """Picture digests by row; None for a run of a version that did not write pictures.jsonl."""
    if not is_there(file):
        return None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(whole_lines_of(file), 1):
        row: dict[str, Any] = line_object(line, own=True) or {}
        index, digests = row.get("id"), row.get("pictures")
        if not isinstance(index, str) or not _are_texts(digests) or index in found:
            what = "this line does not give the pictures of a row; the file was edited or damaged."
            raise RunFolderError(what, file=file, row=number, fix=AGAIN)
        found[index] = tuple(digests)
    return found


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _from_data(
    folder: Path,
    about: Mapping[str, Any],
    asked: Collection[str],
    data_dir: Path | None,
    plugins: Sequence[Path],
) -> Questions:
    locked = _locked(about)
    benchmark = benchmark_of_run(folder, about, data_dir, plugins)
    for table in _tables(benchmark, data_dir, about["spec"], locked):
        if (table.md5, table.digest) == (locked.get("md5"), locked.get("with pictures")):
            samples = tuple(s for s in benchmark.samples(table.rows()) if s.id in asked)
            return Questions(samples=samples, benchmark=benchmark, images=table.images)
    raise RunFolderError(f"{benchmark.card.file.name} here is not the file that this run used.")


def _locked(about: Mapping[str, Any]) -> dict[str, Any]:
    locked = about["facts"].get("dataset")
    if not isinstance(locked, dict):
        raise RunFolderError("run.json does not name its dataset.")
    return locked


def benchmark_of_run(
    folder: Path, about: Mapping[str, Any], data_dir: Path | None, plugins: Sequence[Path]
) -> Benchmark:
    """The benchmark that a run answered; a user's own TSV or dataset is found by the run's command line."""
    from vlmbench.registry import CIRCULAR, Registry, circular

    registry, name, locked = Registry(plugins), str(about["spec"].get("benchmark")), _locked(about)
    limited = isinstance(about["spec"].get("limit"), int)
    try:
        return registry.benchmark(name)
    except UnknownName:
        if (data := _bare_data(folder, about, locked, data_dir)) is None:
            raise _nowhere(name, str(locked.get("file"))) from None
        benchmark = Registry(plugins, _map(folder, about), limited=limited).benchmark(data)
        return circular(benchmark) if name == benchmark.card.name + CIRCULAR else benchmark


def _tables(
    benchmark: Benchmark, data_dir: Path | None, spec: Mapping[str, Any], locked: Mapping[str, Any]
) -> Iterator[Table]:
    """The published file if it is here; the dataset beside it, if that is; else any file of its name."""
    from vlmbench.data.locate import HUB
    from vlmbench.data.opening import has_hub_copy, open_data_file
    from vlmbench.engine.limited import rows_of_limit

    limit, seed, file = spec.get("limit"), spec.get("seed", 0), benchmark.card.file
    choose = rows_of_limit(benchmark, limit, seed) if isinstance(limit, int) else None
    with contextlib.suppress(DataError):
        yield open_data_file(file, data_dir, choose=choose)
    if has_hub_copy(file) or (choose and file.dataset == locked.get("file")):
        with contextlib.suppress(DataError):
            yield open_data_file(file, HUB, choose=choose)
    yield open_data_file(file, data_dir, accept_changed=True, choose=choose)


def _nowhere(name: str, file: str) -> DataError:
    if not is_dataset(file):
        return DataError(f"there is no benchmark `{name}` here.", fix="Name its file with --plugin FILE.py.")
    return DataError(
        f"{file}, which the questions of {name} come from, is not found.",
        fix="Name its folder with --data-dir DIR, or the benchmark's code with --plugin FILE.py.",
    )


def _bare_data(
    folder: Path, about: Mapping[str, Any], locked: Mapping[str, Any], data_dir: Path | None
) -> str | None:
    """The data of a benchmark without code: its name or path stands in the run's command line."""
    from vlmbench.data.disk import file_digest

    file = str(locked.get("file"))
    if is_hub_reference(file):
        return file
    words = [word for word in _words(about) if Path(word).name == file or Path(word).parent.name == file]
    here = [data_dir / file] if data_dir and is_data(file) else []
    found = [path for path in (*here, *_places(folder, words)) if path.is_file() or _is_split(path)]
    same = (p for p in found if p.is_file() and file_digest(p) == locked.get("md5"))
    chosen = next(same, found[0] if found else None)
    return str(chosen) if chosen else None


def _is_split(path: Path) -> bool:
    """Whether a path is a folder of a dataset, or a split in one."""
    try:
        return bool(find_files(str(path)).files)
    except UserError:
        return False


def _map(folder: Path, about: Mapping[str, Any]) -> Path | None:
    """The YAML that the run's command line names."""
    words = _words(about)
    named = [words[place + 1] for place, word in enumerate(words[:-1]) if word == "--map"]
    return next((path for path in _places(folder, named) if path.is_file()), None)


def _words(about: Mapping[str, Any]) -> list[str]:
    commands = [sitting.get("command") for sitting in about["sittings"]]
    return [str(word) for command in commands if isinstance(command, list) for word in command]


def _places(folder: Path, words: Sequence[str]) -> list[Path]:
    """Where a path may be: a relative one starts where the run was started, usually above the run folder."""
    named = [Path(word) for word in words]
    above = [parent / path for path in named for parent in folder.resolve().parents]
    return list(dict.fromkeys((*named, *above)))


def _from_table(path: Path, groups: Mapping[str, str]) -> Iterator[Sample]:
    """Samples from the run's own predictions.xlsx, by the columns of VLMEvalKit's tables."""
    from vlmbench.predictions.files import read_table
    from vlmbench.predictions.tables import index_of

    table = read_table(path)
    formulas: dict[int, dict[str, str]] = {}
    for (number, name), text in table.formulas.items():
        formulas.setdefault(number, {})[name] = text
    for row in table.rows:
        shown = {**row.cells, **formulas.get(row.number, {})}
        cells = {name: text for name, text in shown.items() if isinstance(text, str) and text}
        index = index_of(table, row, "index")
        if index not in groups:
            continue
        yield Sample(
            id=index,
            question=cells.get("question", ""),
            group=groups[index],
            hint=cells.get("hint"),
            choices={name: text for name, text in cells.items() if name in _LETTERS},
            references=(cells["answer"],) if "answer" in cells else (),
            split=cells.get("split"),
            categories={level: cells[level] for level in _LEVELS if level in cells},
            cells=cells,
        )
