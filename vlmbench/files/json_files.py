"""JSON and YAML from files: what cannot be read is refused with the file, the line and the reason.

`read_object` is for files that must be whole. `object_or_none` is for notes that vlmbench writes for itself
and can do without. `line_object` and `as_line` are for JSON Lines, where a killed process may leave half
a line. Those of a run folder, which a stranger may have made, are read with `own=True`: regular files only,
of bounded length, with numbers that are numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError, RunFolderError, UserError
from vlmbench.files.regular import open_regular, read_whole

DEEPEST = 100
"""Lists and objects inside each other; what walks through them later would not reach the end of more."""
MOST_NODES = 100_000
"""Values of a YAML file, each counted as often as an alias stands for it."""


def parse_json(text: str | bytes, *, finite: bool = False) -> Any:
    """The value of a JSON text. ValueError also where it is nested too deeply, or, `finite`, has a NaN."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant if finite else None)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer if type(outer) is list else ())
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return value
    raise ValueError(TOO_DEEP)


TOO_DEEP = "lists or objects are nested too deeply"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def read_json(
    file: Path,
    *,
    raises: type[UserError] = DataError,
    fix: str | None = None,
    encoding: str = "utf-8",
    half_characters: bool = False,
    own: bool = False,
) -> Any:
    """The value in a JSON file, or `raises`. `half_characters` allows the surrogates that models write."""
    try:
        content = read_whole(file) if own else file.read_bytes()
        text = content.decode(encoding, "surrogatepass" if half_characters else "strict")
        return parse_json(text, finite=own)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
    except UnicodeDecodeError as error:
        what = f"cannot be read as JSON: byte {error.start} is not UTF-8."
    except json.JSONDecodeError as error:
        what = f"cannot be read as JSON: {error.msg}, line {error.lineno}, column {error.colno}."
    except ValueError as error:  # too deep, or a number of thousands of digits
        what = f"cannot be read as JSON: {error}."
    raise raises(what, file=file, fix=fix)


def read_object(
    file: Path,
    *,
    raises: type[UserError] = DataError,
    fix: str | None = None,
    half_characters: bool = False,
    own: bool = False,
) -> dict[str, Any]:
    """The same where the file must hold a JSON object."""
    document = read_json(file, raises=raises, fix=fix, half_characters=half_characters, own=own)
    if not isinstance(document, dict):
        raise raises(f"cannot be read as a JSON object: it holds {kind_of(document)}.", file=file, fix=fix)
    return document


def object_or_none(file: Path, *, own: bool = False) -> dict[str, Any] | None:
    """The JSON object in a file; None where the file is missing, cut off or holds something else."""
    try:
        return line_object(read_whole(file) if own else file.read_bytes(), own=own)
    except (OSError, RunFolderError):
        return None


def line_object(line: bytes | str, *, own: bool = False) -> dict[str, Any] | None:
    """The JSON object on a line; None where it is cut off, damaged or something else."""
    try:
        text = line.decode("utf-8", "surrogatepass") if isinstance(line, bytes) else line
        document = parse_json(text, finite=own)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def as_line(document: Mapping[str, Any]) -> bytes:
    """One line of JSON Lines; half a character, as a model may write one, stays what it is."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def append_line(file: Path, document: Mapping[str, Any]) -> None:
    """Add one line to a file of JSON Lines; the file is closed again, so that the line is with the system."""
    with open_regular(file, "ab") as lines:
        lines.write(as_line(document))


def whole_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON Lines, damaged lines left out; none where there is no file."""
    lines = file.read_bytes().split(b"\n") if file.is_file() else []
    return [document for line in lines if (document := line_object(line)) is not None]


def read_yaml(file: Path, *, raises: type[UserError] = UserError) -> Any:
    """The value in a YAML file; None where it is empty."""
    import yaml

    try:
        return parse_yaml(file.read_text("utf-8"))
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
    except (yaml.YAMLError, ValueError) as error:
        what = f"is not YAML: {_yaml_problem(error)}."
    raise raises(what, file=file)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text. YAMLError, or ValueError where it is too deep or its aliases too many."""
    import yaml

    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=yaml.SafeLoader):  # loading takes minutes for what is deep enough
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(TOO_DEEP)
    return bounded(yaml.safe_load(text))


def bounded(value: Any) -> Any:
    """The value that YAML gave; ValueError where it is too deep or its aliases stand for too much."""
    _count_nodes(value, {}, ())
    return value


def _count_nodes(value: Any, known: dict[int, int], inside: tuple[int, ...]) -> int:
    """How many values it has with all aliases written out; each part is counted once."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) in known:
        return known[id(value)]
    if id(value) in inside:
        raise ValueError("an alias stands inside the part that it is for")
    if len(inside) >= DEEPEST:
        raise ValueError(TOO_DEEP)
    inner = value.values() if isinstance(value, dict) else value
    count = 1 + sum(_count_nodes(part, known, (*inside, id(value))) for part in inner)
    if count > MOST_NODES:
        raise ValueError(f"its aliases stand for more than {MOST_NODES:,} values")
    known[id(value)] = count
    return count


def _yaml_problem(error: Exception) -> str:
    """The parser's problem with its line, without its quotation of the file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "a bare value")
