"""The YAML of a benchmark without code: family, prompt, how answers are compared, and what the columns are.

It is `mine.yaml` beside `mine.tsv` or `mine.parquet`, `map.yaml` in a folder, or the file that `--map` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.answers.scores import Match
from vlmbench.answers.short import match_anls, match_any, match_contained, match_relaxed
from vlmbench.answers.vqa import match_consensus, match_equal
from vlmbench.errors import NoSuchData, UnknownName, UserError
from vlmbench.files.json_files import read_yaml

FAMILIES = ("multiple-choice", "yes-no", "short-answer")
SCORING = ("name", "family", "prompt", "metric", "splits", "circular")
"""Keys beside those of `vlmbench/data/sources/column_map.py`."""
METRICS: dict[str, Match] = {
    "equal": match_equal,
    "exact": match_any,
    "consensus": match_consensus,
    "relaxed": match_relaxed,
    "edit-distance": match_anls,
    "contains": match_contained,
}
"""For short answers: equal after normalising (the default), equal as written, VQA's consensus of ten
people, numbers within 5 %, edit distance, or found anywhere in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the YAML holds."""

    file: Path
    """Where it is, or would be."""
    name: str = ""
    """What tables and run folders call the benchmark; empty: the name of its data."""
    family: str = ""
    """Empty: what the columns show."""
    prompt: str = ""
    metric: str = ""
    splits: tuple[str, ...] = ()
    circular: bool | None = None
    """None: what the rows show."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What the columns are, as it stands in the YAML."""


def read_settings(name: str | Path, given: Mapping[str, Any] | Path | None = None) -> Settings:
    """The settings of a file or dataset, each checked; the defaults where there is no YAML.

    `given` are the settings, or a YAML with them, where the one beside the data does not count.
    """
    from vlmbench.data.hub.reference import is_hub_reference

    if isinstance(given, Mapping):
        return settings_of(dict(given), Path("mapping"))
    if given is not None and not given.is_file():
        raise NoSuchData("there is no such file.", file=given, key="--map")
    if given is None and is_hub_reference(str(name)):
        return Settings(file=Path("map.yaml"))
    beside = [given] if given else _beside(Path(name).expanduser().absolute())
    found = [path for path in beside if path.is_file()]
    return settings_of(read_yaml(found[0]) or {}, found[0]) if found else Settings(file=beside[0])


def settings_of(document: Any, file: Path) -> Settings:
    """The settings in a mapping; `file` is named in errors."""
    from vlmbench.data.sources.column_map import KEYS, read_map

    if not isinstance(document, dict):
        raise UserError(
            f"must be a mapping with some of {', '.join((*SCORING, *KEYS))}.",
            file=file,
            fix="A line is `KEY: VALUE`, with a colon of ASCII and a blank behind it.",
        )
    found = {str(key): value for key, value in document.items()}
    for key in found:
        if key not in (*SCORING, *KEYS):
            known = (*SCORING, *KEYS)
            raise UnknownName("key of a benchmark's YAML", key, known, fix=f"It stands in {file}.")
    columns = {key: value for key, value in found.items() if key in KEYS}
    read_map(columns, file=file)
    scoring = {key: _checked(file, key, value) for key, value in found.items() if key in SCORING}
    return Settings(file=file, columns=columns, **scoring)


def _checked(file: Path, key: str, value: Any) -> Any:
    """A value of the kind its key takes."""
    where = f"It stands in {file}."
    if key == "family" and value not in FAMILIES:
        raise UnknownName("family", str(value), FAMILIES, fix=where)
    if key == "metric" and value not in METRICS:
        raise UnknownName("metric", str(value), METRICS, fix=where)
    if key == "circular" and not isinstance(value, bool):
        raise UserError(f"must be true or false, not `{value}`.", file=file, key=key)
    if key in ("name", "prompt") and not isinstance(value, str):
        raise UserError(f"must be a text, not `{value}`.", file=file, key=key)
    if key == "splits":
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
    return value


def _beside(data: Path) -> list[Path]:
    """Where the YAML may be: `mine.yaml` beside a file, then `map.yaml` in the folder."""
    if data.suffix == ".tsv":
        return [data.with_suffix(".yaml")]
    if data.is_file():
        return [data.with_suffix(".yaml"), data.with_name("map.yaml")]
    return [(data if data.is_dir() else data.parent) / "map.yaml"]
