"""`vlmbench data tokens`: the ids of each record, and exactly which of them are learned.

Learned ids stand in brackets, green on a terminal; a picture is the one id -200.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import stdout
from vlmbench.cli._shared.flags import positive
from vlmbench.cli.data.training import source_named
from vlmbench.errors import UsageError
from vlmbench.plain_text import json_text, one_line
from vlmbench.templates import template
from vlmbench.terminal.output import write

if TYPE_CHECKING:
    from rich.text import Text

    from vlmbench.trainers.data.token_file import TokenisedRecord
    from vlmbench.trainers.data.tokenise import RecordNote
    from vlmbench.trainers.data.tokenizer import PieceTokenizer

_CHUNK = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data tokens`."""
    group = parser.add_argument_group("tokens FILE.json: which tokens are learned")
    group.add_argument("--template", metavar="NAME", help="chat template: vicuna, llama3_chat, …, or `none`")
    group.add_argument("--tokenizer", metavar="DIR", help="a model folder with a tokenizer")
    group.add_argument(
        "--max-length", type=positive, metavar="N", help="longest sample in ids, of which a picture is one"
    )
    group.add_argument("--limit", type=positive, metavar="N", help="only the first N records")
    group.add_argument(
        "--placement",
        choices=("first", "as_written", "image_only"),
        help="where pictures go in a question, for `check` as well (default: one each, first; of a "
        "recipe, its own)",
    )


def print_tokens(names: list[str], args: argparse.Namespace) -> int:
    """Print every record of the files."""
    if args.template is None or args.tokenizer is None:
        raise UsageError(
            "`data tokens` needs --template and --tokenizer.",
            fix="Example: vlmbench data tokens --template vicuna --tokenizer DIR FILE.json",
        )
    from vlmbench.trainers.data.dataset import files_of
    from vlmbench.trainers.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(args.tokenizer)
    records = (
        record for name in names for record in _records(files_of(source_named(name))[0], tokenizer, args)
    )
    if args.format == "json":
        _print_json(records)
        return 0
    console = stdout()
    for record in records:
        console.print(_shown(record, tokenizer), soft_wrap=True)
    return 0


def _records(file: Path, tokenizer: PieceTokenizer, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from vlmbench.trainers.data.encoding import Encoder, Limit, Style
    from vlmbench.trainers.data.json_stream import raw_records
    from vlmbench.trainers.data.tokenise import Rules, tokenised

    style = Style(template=None if args.template == "none" else template(args.template))
    rules = Rules(
        encoder=Encoder(tokenizer=tokenizer, style=style),
        limit=Limit(ids=args.max_length),
        placement=args.placement or "first",
        file=file,
    )
    raw = islice(raw_records(file), args.limit)
    while some := [(record.row, record.text) for record in islice(raw, _CHUNK)]:
        yield from _in_order(*tokenised(rules, some))


def _in_order(
    rows: Sequence[TokenisedRecord], notes: Sequence[RecordNote], bad: Sequence[tuple[int, str]]
) -> Iterator[dict[str, Any]]:
    """Records kept and records left out, in the order of the file."""
    remarks: dict[int, list[str]] = {}
    for note in notes:
        if not note.left_out:
            remarks.setdefault(note.row, []).append(note.what)
    kept: list[dict[str, Any]] = [
        {
            "row": row.record.row,
            "id": row.record.id,
            "input_ids": row.encoded.ids,
            "labels": row.encoded.labels,
            "learned": row.encoded.targets,
            "images": list(row.images),
            "notes": remarks.get(row.record.row, []),
        }
        for row in rows
    ]
    out = [{"row": note.row, "id": note.id, "left_out": note.what} for note in notes if note.left_out]
    wrong = [{"row": row, "id": f"row {row}", "left_out": complaint} for row, complaint in bad]
    yield from sorted([*kept, *out, *wrong], key=lambda record: int(record["row"]))


def _print_json(records: Iterator[dict[str, Any]]) -> None:
    """A JSON list with one record a line, so that any number of records takes little memory."""
    write("[")
    last = ""
    for record in records:
        if last:
            write(f"{last},")
        last = json_text(record, "ascii")
    if last:
        write(last)
    write("]")


def _shown(record: dict[str, Any], tokenizer: PieceTokenizer) -> Text:
    from rich.text import Text

    head = Text(one_line(f"{record['id']} (row {record['row']}): "), style="bold")
    if "left_out" in record:
        return head.append(one_line(f"left out: {record['left_out']}"), style="not bold yellow").append("\n")
    ids, pictures = record["input_ids"], len(record["images"])
    notes = "".join(f"; {note}" for note in record["notes"])
    head.append(
        f"{len(ids)} ids, {record['learned']} learned, {pictures} picture{'s' * (pictures != 1)}{notes}\n",
        style="not bold",
    )
    numbers, words = Text(), Text()
    for learned, run in _runs(ids, record["labels"]):
        style = "bold green" if learned else "dim"
        shown = " ".join(map(str, run))
        numbers.append(f"[{shown}]" if learned else shown, style=style).append(" ")
        text = one_line(_decoded(run, tokenizer))
        words.append(f"[{text}]" if learned else text, style=style)
    return head + numbers + Text("\n") + words + Text("\n")


def _runs(ids: list[int], labels: list[int]) -> Iterator[tuple[bool, list[int]]]:
    for learned, run in groupby(zip(ids, labels, strict=True), key=lambda pair: pair[1] >= 0):
        yield learned, [number for number, _ in run]


def _decoded(ids: list[int], tokenizer: PieceTokenizer) -> str:
    text, run = "", list[int]()
    for number in [*ids, None]:
        if number is None or number < 0:
            text += tokenizer.decode(run) if run else ""
            text += "" if number is None else f"<{number}>"
            run = []
        else:
            run.append(number)
    return text
