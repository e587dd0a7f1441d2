"""Which files of a dataset's repository hold a config's split.

The rules are those of `datasets`: `configs` in the card, else names of folders and files. Its own functions
apply them to the list of the repository's files: nothing is downloaded and no code of the dataset runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vlmbench.data.hub.reference import HubReference
from vlmbench.errors import DataError, UnknownName
from vlmbench.files.json_files import parse_yaml
from vlmbench.plain_text import visible

READABLE = ("parquet", "arrow", "json", "csv", "imagefolder", "webdataset")
"""Formats, as `datasets` calls them, that vlmbench reads."""
CARDS = ("README.md", ".huggingface.yaml")
"""Where a dataset may say which files belong to which config and split."""

_PARQUET_COPY = "refs/convert/parquet"
Patterns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of one split, in order, and their format (one of `READABLE`)."""

    config: str
    format: str
    files: tuple[str, ...]


def read_card(texts: Mapping[str, str]) -> dict[str, Any]:
    """What the card files say as YAML: the front matter of README.md and the whole of .huggingface.yaml."""
    import yaml

    found: dict[str, Any] = {}
    for name in CARDS:
        text = texts.get(name, "")
        if name == "README.md":
            lines = text.lstrip("\ufeff").splitlines()
            end = lines.index("---", 1) if lines[:1] == ["---"] and "---" in lines[1:] else 0
            text = "\n".join(lines[1:end])
        try:
            document = parse_yaml(text)
        except (yaml.YAMLError, ValueError) as error:
            raise DataError("the dataset's card is not YAML.", file=name) from error
        found |= document if isinstance(document, dict) else {}
    return found


def rows_of(card: Mapping[str, Any], config: str, split: str) -> int | None:
    """How many rows `dataset_info` of the card says that a split has."""
    infos = card.get("dataset_info")
    for info in infos if isinstance(infos, list) else [infos]:
        if isinstance(info, dict) and str(info.get("config_name", "default")) == config:
            for known in info.get("splits") or []:
                count = known.get("num_examples") if isinstance(known, dict) else None
                if isinstance(count, int) and count >= 0 and known.get("name") == split:
                    return count
    return None


def find_split(reference: HubReference, paths: Sequence[str], card: Mapping[str, Any]) -> SplitFiles:
    """The files of the split; an error lists the configs or splits that are there."""
    _refuse_script(reference, paths)
    with _listing(paths) as root:
        config, splits = _splits(reference, paths, card, root)
        if reference.split not in splits:
            raise UnknownName(
                f"split of {reference.repository}" + (f" (config {config})" if config != "default" else ""),
                reference.split,
                splits,
            )
        files = _matching(splits[reference.split], root, reference)
        return SplitFiles(config, *_of_one_format(files, reference))


def _refuse_script(reference: HubReference, paths: Sequence[str]) -> None:
    script = f"{PurePosixPath(reference.repository).name}.py"
    if script in paths:
        copy = f"{reference.hub}:{reference.repository}@{_PARQUET_COPY}/{reference.split}"
        raise DataError(
            f"{reference.repository} is read by a Python script of its own, {script}; "
            "vlmbench runs no code of a dataset.",
            fix=f"Where the hub keeps a copy in parquet, `{copy}` reads that."
            if reference.hub == "hf"
            else "Convert it to parquet and give that folder's path.",
        )


@contextmanager
def _listing(paths: Sequence[str]) -> Iterator[str]:
    """A file system in memory with these names and no contents, for `datasets` to search."""
    import fsspec

    memory, root = fsspec.filesystem("memory"), f"/vlmbench-{uuid.uuid4().hex}"
    try:
        for path in paths:
            memory.pipe_file(f"{root}/{path}", b"")
        yield f"memory:/{root}"
    finally:
        if memory.exists(root):
            memory.rm(root, recursive=True)


def _splits(
    reference: HubReference, paths: Sequence[str], card: Mapping[str, Any], root: str
) -> tuple[str, Patterns]:
    """The name of the config, and the patterns of each of its splits."""
    if reference.revision == _PARQUET_COPY:
        return _splits_of_the_parquet_copy(reference, paths)
    configs, default = _configs(card)
    if configs:
        name = reference.config or default
        if name is None or name not in configs:
            raise _unknown_config(reference, configs)
        declared = configs[name].get("data_files")
        if declared is not None:
            return name, _declared_patterns(declared)
        return name, _conventional_patterns(reference, root, str(configs[name].get("data_dir") or ""))
    folders = {path.split("/")[0] for path in paths if "/" in path and not path.startswith(".")}
    if reference.config in (None, "default"):
        return "default", _conventional_patterns(reference, root, "")
    if reference.config not in folders:
        raise _unknown_config(reference, ["default", *folders])
    return str(reference.config), _conventional_patterns(reference, root, str(reference.config))


def _configs(card: Mapping[str, Any]) -> tuple[Mapping[str, Mapping[str, Any]], str | None]:
    from datasets.utils.metadata import MetadataConfigs

    try:
        # A plain mapping is enough: of the card it asks only `configs`, by `get`.
        found = MetadataConfigs.from_dataset_card_data(dict(card))
        return found, found.get_default_config_name()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = visible(str(error), 200)
        raise DataError(
            f"the dataset's card has `configs` that cannot be read: {why}", file=CARDS[0]
        ) from error


def _declared_patterns(declared: Any) -> Patterns:
    from datasets.data_files import sanitize_patterns

    return {str(split): [str(p) for p in patterns] for split, patterns in sanitize_patterns(declared).items()}


def _conventional_patterns(reference: HubReference, root: str, folder: str) -> Patterns:
    from datasets.data_files import EmptyDatasetError, get_data_patterns

    inside = folder.strip("/")
    try:
        found = get_data_patterns(f"{root}/{inside}".rstrip("/"))
    except (EmptyDatasetError, ValueError) as error:
        raise _no_data(reference) from error
    return {str(split): [f"{inside}/{p}".lstrip("/") for p in patterns] for split, patterns in found.items()}


def _splits_of_the_parquet_copy(reference: HubReference, paths: Sequence[str]) -> tuple[str, Patterns]:
    """The hub lays its copies out as CONFIG/SPLIT/NUMBER.parquet."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        if path.count("/") == 2 and path.endswith(".parquet"):
            config, split, _ = path.split("/")
            found.setdefault(config, {}).setdefault(split, [f"{config}/{split}/*.parquet"])
    name = reference.config or (next(iter(found)) if len(found) == 1 else "default")
    if name not in found:
        raise _unknown_config(reference, found)
    return name, found[name]


def _unknown_config(
    reference: HubReference, known: Sequence[str] | Mapping[str, Any]
) -> UnknownName | DataError:
    names = list(known)
    if reference.config is not None:
        return UnknownName(f"config of {reference.repository}", reference.config, names)
    shown = f"{reference.hub}:{reference.repository}:{names[0] if names else 'CONFIG'}/{reference.split}"
    return DataError(
        f"{reference.repository} has several configs and no default: {', '.join(sorted(names)[:12])}.",
        fix=f"Name one, such as `{shown}`.",
    )


def _matching(patterns: Sequence[str], root: str, reference: HubReference) -> list[str]:
    """The paths that the patterns match; nothing outside the repository is looked at."""
    from datasets.data_files import resolve_pattern
    from datasets.packaged_modules import _ALL_ALLOWED_EXTENSIONS

    found: dict[str, None] = {}
    for pattern in patterns:
        if "://" in pattern or "::" in pattern or pattern.startswith("/") or ".." in pattern.split("/"):
            raise DataError(
                f"the card of {reference.repository} names data outside its repository: {visible(pattern)}.",
                fix="Download that yourself and give its path.",
            )
        try:
            matched = resolve_pattern(pattern, root, allowed_extensions=list(_ALL_ALLOWED_EXTENSIONS))
        except FileNotFoundError:
            continue  # of several alternative patterns only some match
        found |= dict.fromkeys(path.partition(root.partition("://")[2])[2].lstrip("/") for path in matched)
    if not found:
        raise _no_data(reference)
    return list(found)


def _of_one_format(files: Sequence[str], reference: HubReference) -> tuple[str, tuple[str, ...]]:
    """The format that most of the files have, and those files."""
    from datasets.data_files import DataFilesList
    from datasets.load import infer_module_for_data_files_list
    from datasets.packaged_modules import _MODULE_TO_EXTENSIONS, _MODULE_TO_METADATA_FILE_NAMES

    # Of an archive `datasets` would look at the contents, which are not here.
    plain = DataFilesList([path for path in files if not path.endswith(".zip")], [])
    name, _ = infer_module_for_data_files_list(plain)
    if name not in READABLE:
        held = sorted({PurePosixPath(path).suffix or path for path in files})
        raise DataError(
            f"{reference} is made of {', '.join(held[:6])} files, which vlmbench does not read.",
            fix=f"It reads {', '.join(READABLE)}: convert the dataset and give that folder's path.",
        )
    kept = plain.filter(
        extensions=_MODULE_TO_EXTENSIONS[name], file_names=_MODULE_TO_METADATA_FILE_NAMES[name]
    )
    return name, tuple(kept)


def _no_data(reference: HubReference) -> DataError:
    return DataError(
        f"{reference.repository} has no data files that belong to {reference}.",
        fix=f"See its files on the hub; vlmbench reads {', '.join(READABLE)}.",
    )
