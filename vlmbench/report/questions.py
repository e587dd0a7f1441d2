"""The questions of a finished run: from the benchmark's file, else from the tables in the run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from vlmbench.domain import Benchmark, DataFile, Sample
from vlmbench.errors import DataError, RunFolderError, UnknownName, UserError
from vlmbench.files.json_files import line_object
from vlmbench.finished import Questions
from vlmbench.report.results import AGAIN, PICTURES, PREDICTIONS

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
    if not table.exists():
        raise RunFolderError(f"the questions cannot be read: {missing}", file=folder)
    shown = _pictures(folder / PICTURES)
    samples = tuple(_from_table(table, asked))
    if shown is not None:
        samples = tuple(replace(sample, images=shown.get(sample.id, ())) for sample in samples)
    benchmark = None
    with contextlib.suppress(UserError):
        benchmark = _benchmark(folder, about, data_dir, plugins)
    return Questions(samples=samples, benchmark=benchmark, missing=missing, shown=shown is not None)


def _pictures(file: Path) -> Mapping[str, tuple[str, ...]] | None:
    """Picture digests by row; None for a run of a version that did not write pictures.jsonl."""
    if not file.exists():
        return None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        row: dict[str, Any] = line_object(line) or {}
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
    from vlmbench.data.table import open_table

    locked = _locked(about)
    benchmark = _benchmark(folder, about, data_dir, plugins)
    # The published file if it is here; else any file of its name, for runs with --accept-local-data.
    for path in _files(benchmark.card.file, data_dir):
        table = open_table(path, need_integer_index=benchmark.card.circular)
        if (table.md5, table.digest) == (locked.get("md5"), locked.get("with pictures")):
            samples = tuple(s for s in benchmark.samples(table.rows()) if s.id in asked)
            return Questions(samples=samples, benchmark=benchmark, images=table.images)
    raise RunFolderError(f"{benchmark.card.file.name} here is not the file that this run used.")


def _locked(about: Mapping[str, Any]) -> dict[str, Any]:
    locked = about["facts"].get("dataset")
    if not isinstance(locked, dict):
        raise RunFolderError("run.json does not name its dataset.")
    return locked


def _benchmark(
    folder: Path, about: Mapping[str, Any], data_dir: Path | None, plugins: Sequence[Path]
) -> Benchmark:
    from vlmbench.registry import CIRCULAR, Registry, circular

    registry, name, locked = Registry(plugins), str(about["spec"].get("benchmark")), _locked(about)
    try:
        return registry.benchmark(name)
    except UnknownName:
        if (path := _bare_file(folder, about, locked, data_dir)) is None:
            raise _nowhere(name, str(locked.get("file"))) from None
        benchmark = registry.benchmark(str(path))
        return circular(benchmark) if name == benchmark.card.name + CIRCULAR else benchmark


def _files(file: DataFile, data_dir: Path | None) -> Iterator[Path]:
    from vlmbench.data.locate import require_file

    with contextlib.suppress(DataError):
        yield require_file(file, data_dir)
    yield require_file(file, data_dir, accept_changed=True)


def _nowhere(name: str, file: str) -> DataError:
    if not file.endswith(".tsv"):
        return DataError(f"there is no benchmark `{name}` here.", fix="Name its file with --plugin FILE.py.")
    return DataError(
        f"{file}, which the questions of {name} come from, is not found.",
        fix="Name its folder with --data-dir DIR, or the benchmark's code with --plugin FILE.py.",
    )


def _bare_file(
    folder: Path, about: Mapping[str, Any], locked: Mapping[str, Any], data_dir: Path | None
) -> Path | None:
    """The file of a benchmark without code: its path stands in the run's command line.

    A relative path starts where the run was started, usually above the run folder.
    """
    from vlmbench.data.disk import file_digest

    file = str(locked.get("file"))
    commands = [sitting.get("command") for sitting in about["sittings"]]
    words = [str(word) for command in commands if isinstance(command, list) for word in command]
    named = [Path(word) for word in words if word.endswith(".tsv") and Path(word).name == file]
    here = [data_dir / file] if data_dir and file.endswith(".tsv") else []
    above = [parent / path for path in named for parent in folder.resolve().parents]
    found = [path for path in dict.fromkeys((*here, *named, *above)) if path.is_file()]
    same = (path for path in found if file_digest(path) == locked.get("md5"))
    return next(same, found[0] if found else None)


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
