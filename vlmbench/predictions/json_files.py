"""JSON of strangers: one object a line or one document, numbers kept as the digits they are written in.

Whatever is wrong with a file (cut off, nested too deeply, a comma too many, a key twice) is a
PredictionsError that names the line.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.files.json_files import kind_of
from vlmbench.plain_text import visible

_COMMA_BEFORE = re.compile(r"^.?,\s*([\]}])")


@dataclass(frozen=True, slots=True)
class Lines:
    """A file with one object a line."""

    records: tuple[tuple[int, Mapping[str, Any]], ...]
    """Line number, as an editor counts, and object."""


def read_json(path: Path) -> Any:
    """`Lines` where every line is an object of its own, else the document.

    The suffix decides what is tried first: LLaVA names a document `…_output.jsonl`, POPE's authors name
    lines `.json`.
    """
    text = decoded(path)
    if path.suffix.lower() == ".jsonl":
        try:
            return read_lines(path, text)
        except PredictionsError:
            document = _document_over_lines(text)
            if document is None:
                raise
            return document
    try:
        return parse(path, text)
    except PredictionsError:
        if _first_line_is_an_object(text):
            return read_lines(path, text)
        raise


def read_lines(path: Path, text: str) -> Lines:
    """One object a line; blank lines do not count."""
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = parse(path, line, first_line=number)
            if not isinstance(record, dict):
                raise PredictionsError(
                    f"this line is {kind_of(record)}, not an object.",
                    file=path,
                    row=number,
                    fix='Each line is `{"index": …, "prediction": …}`.',
                )
            records.append((number, record))
    return Lines(tuple(records))


def parse(path: Path, text: str, first_line: int = 1, part: str | None = None) -> Any:
    """A JSON text; numbers are their digits, `NaN` is the word. `part` names the member of an archive."""
    where = path if part is None else f"{path}, {visible(part)}"
    try:
        return json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_no_key_twice
        )
    except json.JSONDecodeError as error:
        raise _broken(path, where, text, error, first_line) from None
    except RecursionError:
        raise PredictionsError("nested too deeply.", file=where, row=first_line) from None
    except ValueError as error:
        raise PredictionsError(f"{error}.", file=where, row=first_line) from None


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark."""
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PredictionsError(
            f"not {encoding.removesuffix('-sig').upper()} at byte {error.start}.",
            file=path,
            row=line,
            fix="Save it as UTF-8, in Excel `CSV UTF-8`.",
        ) from None


def _broken(
    path: Path, where: Path | str, text: str, error: json.JSONDecodeError, first_line: int
) -> PredictionsError:
    what, fix = f"{error.msg}, column {error.colno}", None
    before, after = text[: error.pos].rstrip(), text[error.pos :].strip()
    if error.msg == "Extra data" and after.startswith(","):
        what = "this line ends in a comma; one object a line needs none"
        fix = f"`sed -i 's/,[[:space:]]*$//' {shlex.quote(str(path))}` removes them."
    elif closing := _COMMA_BEFORE.search(f"{before[-1:]}{after[:20]}"):
        what, fix = f"a comma stands before the closing `{closing[1]}`", "Remove that comma."
    elif not after:
        what, fix = f"it is cut off ({what})", "Copy or write the file again."
    elif error.msg == "Extra data":
        fix = "One record a line? Then put each on a line of its own."
    row = first_line + error.lineno - 1
    return PredictionsError(f"broken JSON: {what}.", file=where, row=row, fix=fix)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`{visible(twice)}` stands there twice")
    return found


def _document_over_lines(text: str) -> Any:
    """The document that fills the whole file; None where there is none."""
    try:
        document = parse(Path(), text)
    except PredictionsError:
        return None
    return document if isinstance(document, dict | list) else None


def _first_line_is_an_object(text: str) -> bool:
    """Whether the file looks like one object a line rather than one document."""
    first, _, rest = text.lstrip().partition("\n")
    return bool(rest.strip()) and first.rstrip().rstrip(",").endswith("}") and rest.lstrip().startswith("{")
