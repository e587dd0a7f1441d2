"""JSON and YAML from files: what cannot be read is refused with the file, the line and the reason.

`read_object` is for files that must be whole. `object_or_none` is for notes that vlmbench writes for itself
and can do without. `line_object` and `as_line` are for JSON Lines, where a killed process may leave half
a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError, UserError


def read_json(
    file: Path,
    *,
    raises: type[UserError] = DataError,
    fix: str | None = None,
    encoding: str = "utf-8",
    half_characters: bool = False,
) -> Any:
    """The value in a JSON file, or `raises`. `half_characters` allows the surrogates that models write."""
    try:
        return json.loads(file.read_text(encoding, "surrogatepass" if half_characters else "strict"))
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
    except UnicodeDecodeError as error:
        what = f"cannot be read as JSON: byte {error.start} is not UTF-8."
    except json.JSONDecodeError as error:
        what = f"cannot be read as JSON: {error.msg}, line {error.lineno}, column {error.colno}."
    except RecursionError:
        what = "cannot be read as JSON: lists or objects are nested too deeply."
    except ValueError as error:  # a number of thousands of digits
        what = f"cannot be read as JSON: {error}."
    raise raises(what, file=file, fix=fix)


def read_object(
    file: Path,
    *,
    raises: type[UserError] = DataError,
    fix: str | None = None,
    half_characters: bool = False,
) -> dict[str, Any]:
    """The same where the file must hold a JSON object."""
    document = read_json(file, raises=raises, fix=fix, half_characters=half_characters)
    if not isinstance(document, dict):
        raise raises(f"cannot be read as a JSON object: it holds {kind_of(document)}.", file=file, fix=fix)
    return document


def object_or_none(file: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where the file is missing, cut off or holds something else."""
    try:
        return line_object(file.read_bytes())
    except OSError:
        return None


def line_object(line: bytes | str) -> dict[str, Any] | None:
    """The JSON object on a line; None where it is cut off, damaged or something else."""
    try:
        text = line.decode("utf-8", "surrogatepass") if isinstance(line, bytes) else line
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def as_line(document: Mapping[str, Any]) -> bytes:
    """One line of JSON Lines; half a character, as a model may write one, stays what it is."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def append_line(file: Path, document: Mapping[str, Any]) -> None:
    """Add one line to a file of JSON Lines; the file is closed again, so that the line is with the system."""
    with file.open("ab") as lines:
        lines.write(as_line(document))


def whole_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON Lines, damaged lines left out; none where there is no file."""
    lines = file.read_bytes().split(b"\n") if file.is_file() else []
    return [document for line in lines if (document := line_object(line)) is not None]


def read_yaml(file: Path, *, raises: type[UserError] = UserError) -> Any:
    """The value in a YAML file; None where it is empty."""
    import yaml

    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
    except (yaml.YAMLError, ValueError) as error:
        what = f"is not YAML: {_yaml_problem(error)}."
    except RecursionError:
        what = "cannot be read as YAML: lists or mappings are nested too deeply."
    raise raises(what, file=file)


def _yaml_problem(error: Exception) -> str:
    """The parser's problem with its line, without its quotation of the file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "a bare value")
