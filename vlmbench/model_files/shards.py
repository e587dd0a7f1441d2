"""The weights of a folder or a file, in one piece or in many, safetensors or torch's own."""

from __future__ import annotations

from pathlib import Path

from vlmbench.errors import ModelError
from vlmbench.model_files.folder import check_safetensors, read_json, weight_files
from vlmbench.model_files.pickles import open_pickle
from vlmbench.model_files.silence import first_line
from vlmbench.model_files.weights import Stored, Weights, open_safetensors


def open_weights(folder_or_file: Path) -> Weights:
    """Every tensor by name; only headers are read. Whatever is wrong with the files is told here."""
    if not folder_or_file.is_dir():
        return _open_one(folder_or_file)
    found: dict[str, Stored] = {}
    files = weight_files(folder_or_file)
    for file in files:
        part = _open_one(file)
        if twice := found.keys() & part.keys():
            raise ModelError(f"two shards hold `{min(twice)}`.", file=file, fix="Copy the folder again.")
        found |= part
    if "-of-" in files[0].name:
        _check_index(
            files[0].parent / f"{files[0].name.partition('-')[0]}{files[0].suffix}.index.json", found
        )
    return found


def _open_one(file: Path) -> Weights:
    if not file.is_file():
        raise ModelError("the weights are missing.", file=file, fix="Copy or download them again.")
    if file.suffix != ".safetensors":
        return open_pickle(file)
    from safetensors import SafetensorError

    check_safetensors(file)
    try:
        return open_safetensors(file)
    except SafetensorError as error:
        raise ModelError(
            f"the file is damaged ({first_line(error)}).", file=file, fix="Copy or download it again."
        ) from None
    except KeyError as error:
        raise ModelError(
            f"the weights are in a number format that is not read here ({error}).",
            file=file,
            fix="Save them as float16 or bfloat16.",
        ) from None


def _check_index(index: Path, found: Weights) -> None:
    """What an index promises has to be in the shards."""
    absent = sorted(read_json(index)["weight_map"].keys() - found.keys()) if index.is_file() else []
    if absent:
        more = f" and {len(absent) - 8} more" if len(absent) > 8 else ""
        raise ModelError(
            f"the index names {len(absent)} weights that no shard holds ({', '.join(absent[:8])}{more}).",
            file=index,
            fix="Copy or download the folder again.",
        )
