"""The benchmarks that a command line names: their objects, their files, and answers published elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.domain import Benchmark, Card, DataFile, Joined, Row
from vlmbench.errors import DataError

if TYPE_CHECKING:
    from vlmbench.data.table import Table


def find_benchmarks(args: argparse.Namespace, names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks of these names, plugins included; every rotation of them with `--circular`."""
    from vlmbench.registry import Registry, circular

    registry = Registry(args.plugin)
    found = [registry.benchmark(name) for name in names]
    return [circular(b) for b in found] if getattr(args, "circular", False) else found


def find_benchmark(args: argparse.Namespace, name: str) -> Benchmark:
    """The benchmark of that name."""
    return find_benchmarks(args, [name])[0]


def open_benchmark(benchmark: Benchmark, args: argparse.Namespace) -> Table:
    """The benchmark's file, found, verified and opened."""
    from vlmbench.data.locate import require_file

    path = require_file(benchmark.card.file, args.data_dir, accept_changed=args.accept_local_data)
    return open_file(benchmark.card, path)


def open_file(card: Card, path: Path) -> Table:
    """A file in the layout of this benchmark."""
    from vlmbench.data.table import open_table

    return open_table(path, need_integer_index=card.circular)


def add_answers_argument(parser: argparse.ArgumentParser) -> None:
    """For benchmarks whose own file has no answers."""
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="for a benchmark whose file has no answers: take them from this TSV (another version of "
        "it, joined "
        "by picture and question) or JSON (by id)",
    )


def answered_rows(
    args: argparse.Namespace, card: Card, table: Table, *, to_ask: bool = True
) -> tuple[Iterable[Row], Joined | None]:
    """The benchmark's rows with the answers of `--answers`; without the flag, as they are in its file."""
    from vlmbench.answers.joined import join_answers, join_by_id
    from vlmbench.data.answer_key import read_key

    ours = table.rows(to_ask=to_ask)
    if args.answers is None:
        return ours, None
    path = _find(args.answers, card, args.data_dir)
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
    raise DataError(f"there is no such file{searched}.", file=named, fix=_how_to_get(named.name, card))


def _no_answers(path: Path, card: Card) -> DataError:
    return DataError("this file has no column `answer` either.", file=path, fix=_how_to_get(path.name, card))


def _how_to_get(name: str, card: Card) -> str | None:
    file = card.answers_file
    return f"The file with the answers is at {file.url}." if file and file.url and file.name == name else None
