"""`--answers FILE`: the answers to a benchmark whose own file has none, from where they were published."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.flags import open_file
from vlmbench.domain import Card, DataFile, Joined, Row
from vlmbench.errors import DataError

if TYPE_CHECKING:
    from vlmbench.data.table import Table


def add_answers_argument(parser: argparse.ArgumentParser) -> None:
    """Where the answers are."""
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="the benchmark's file has no answers: take those of this TSV (another version of it, joined by "
        "picture and question) or JSON (by id)",
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
            f"it answers none of the {joined.of_questions} questions of {table.path.name}: {reasons}.",
            file=path,
            fix="Is it another benchmark's, or in another language?",
        )
    return rows, joined


def where_answers_are(card: Card) -> str | None:
    """What scores a test whose answers were published apart; None where they are withheld."""
    if card.answers_file is None:
        return None
    name = card.answers_file.name
    return f"its answers were published in {name}; the same command with `--answers {name}` scores it"


def _find(named: Path, card: Card, data_dir: Path | None) -> Path:
    """The file of that path; a bare name is looked for where benchmark files are."""
    from vlmbench.data.locate import find_file, folders

    if named.is_file():
        return named
    bare = named.parent == Path()
    found = find_file(DataFile(name=named.name), data_dir) if bare else None
    if found is not None:
        return found
    looked = f" here or in {', '.join(map(str, folders(data_dir)))}" if bare else ""
    raise DataError(f"there is no such file{looked}.", file=named, fix=_how_to_get(named.name, card))


def _no_answers(path: Path, card: Card) -> DataError:
    return DataError("it has no column `answer` itself.", file=path, fix=_how_to_get(path.name, card))


def _how_to_get(name: str, card: Card) -> str | None:
    file = card.answers_file
    return f"The file with the answers is at {file.url}." if file and file.url and file.name == name else None
