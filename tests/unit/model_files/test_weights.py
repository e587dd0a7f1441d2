"""Weights are read lazily from every kind of file, and a bad file is refused by name."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vlmbench.errors import ModelError
from vlmbench.model_files.pickles import load_pickle
from vlmbench.model_files.weights import loaded, open_weights

TENSORS = {f"layers.{n}.weight": torch.arange(6.0).reshape(2, 3) + n for n in range(4)}


def sharded(folder: Path, suffix: str) -> Path:
    """Two shards and their index."""
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    folder.mkdir()
    names = list(TENSORS)
    where = {}
    for number, part in enumerate((names[:2], names[2:]), 1):
        file = folder / f"{stem}-{number:05}-of-00002.{suffix}"
        held = {name: TENSORS[name] for name in part}
        save_file(held, file) if suffix == "safetensors" else torch.save(held, file)
        where |= dict.fromkeys(part, file.name)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": where}), "utf-8")
    return folder


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[n], TENSORS[n]) for n in TENSORS)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_one_file_and_shards_are_read_alike(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"any.{suffix}"
    save_file(TENSORS, whole) if suffix == "safetensors" else torch.save(TENSORS, whole)
    assert same(loaded(open_weights(whole)))
    assert same(loaded(open_weights(sharded(tmp_path / "folder", suffix))))


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    torch.save(OrderedDict(TENSORS), tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert same(loaded(open_weights(tmp_path / "old.bin")))


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_missing_shard_is_named(tmp_path: Path, suffix: str) -> None:
    folder = sharded(tmp_path / "folder", suffix)
    last = max(folder.glob(f"*-of-*.{suffix}"))
    last.unlink()
    with pytest.raises(ModelError, match=last.name):
        open_weights(folder)


def test_an_index_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    index = sharded(tmp_path / "folder", "safetensors") / "model.safetensors.index.json"
    document = json.loads(index.read_text("utf-8"))
    document["weight_map"]["layers.9.weight"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ModelError, match=r"names 1 weights that no shard holds \(layers.9.weight\)"):
        open_weights(index.parent)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    file = tmp_path / f"any.{suffix}"
    save_file(TENSORS, file) if suffix == "safetensors" else torch.save(TENSORS, file)
    os.truncate(file, int(file.stat().st_size * kept))
    with pytest.raises(ModelError, match=r"cut off|damaged"):
        open_weights(file)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_pointer_of_git_lfs_is_no_weights(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"any.{suffix}"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "utf-8")
    with pytest.raises(ModelError, match="git lfs pull"):
        open_weights(file)


class Bomb:
    """A pickle of it would make a folder."""

    def __init__(self, mark: Path, how: Any = os.mkdir) -> None:
        self.mark, self.how = mark, how

    def __reduce__(self) -> Any:
        return self.how, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("how", [os.mkdir, eval, os.system])
def test_a_pickle_that_wants_to_run_code_is_refused_and_nothing_runs(
    tmp_path: Path, zipped: bool, how: Any
) -> None:
    mark, file = tmp_path / "executed", tmp_path / "pytorch_model.bin"
    torch.save({**TENSORS, "x": Bomb(mark, how)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"program and not only weights.*Nothing of it was run"):
        open_weights(tmp_path)
    assert not mark.exists()


def test_a_plain_pickle_is_refused_too(tmp_path: Path) -> None:
    mark, file = tmp_path / "executed", tmp_path / "bare.pth"
    file.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(ModelError):
        open_weights(file)
    assert not mark.exists()


def test_notes_of_the_training_tools_are_left_out(tmp_path: Path) -> None:
    """As mmengine writes its history: an array, and methods spelled `getattr` in protocol 2."""
    import numpy as np

    class Notes:
        def __reduce__(self) -> Any:
            return getattr, (np.ndarray, "min")

    file = tmp_path / "iter_1.pth"
    torch.save({"state_dict": TENSORS, "message_hub": {"array": np.arange(3.0), "min": Notes()}}, file)
    held = load_pickle(file)
    assert type(held["message_hub"]["min"]).__name__ == "InertObject"
    assert same(loaded(open_weights(file)))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.bin")
    (tmp_path / "b.bin").write_text("hello", "utf-8")
    (tmp_path / "c.safetensors").write_text("hello hello hello", "utf-8")
    for name in ("a.bin", "b.bin", "c.safetensors"):
        with pytest.raises(ModelError, match=name):
            open_weights(tmp_path / name)
    with pytest.raises(ModelError, match="missing"):
        open_weights(tmp_path / "nowhere.bin")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/hostname", "a/../../b.bin", 3, [], ""])
def test_a_shard_outside_the_folder_is_refused(tmp_path: Path, name: Any) -> None:
    save_file(TENSORS, tmp_path / "outside.safetensors")
    index = sharded(tmp_path / "folder", "safetensors") / "model.safetensors.index.json"
    document = json.loads(index.read_text("utf-8"))
    document["weight_map"]["layers.0.weight"] = name
    index.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ModelError, match=r"index.json, `weight_map`: .*(outside the model's folder|no)"):
        open_weights(index.parent)


def test_a_shard_may_be_a_link_out_of_the_folder_as_in_the_hubs_cache(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "folder", "safetensors")
    for shard in folder.glob("*.safetensors"):
        shard.rename(tmp_path / f"blob-{shard.name}")
        shard.symlink_to(tmp_path / f"blob-{shard.name}")
    assert same(loaded(open_weights(folder)))


@pytest.mark.parametrize("ends", ['"x"', "[]", "null", "1e999"])
def test_a_safetensors_header_of_other_types_is_refused(tmp_path: Path, ends: str) -> None:
    head = f'{{"a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, {ends}]}}}}'.encode()
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    with pytest.raises(ModelError, match=r"a.safetensors: (this is not a safetensors file|the file)"):
        open_weights(file)


def test_a_header_longer_than_the_format_allows_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes((4_000_000_000).to_bytes(8, "little"))
    os.truncate(file, 5_000_000_000)  # sparse
    with pytest.raises(ModelError, match="this is not a safetensors file"):
        open_weights(file)


def test_a_pth_that_unpacks_to_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    file, bomb = tmp_path / "a.pth", tmp_path / "bomb.pth"
    torch.save(TENSORS, file)
    with zipfile.ZipFile(file) as sound, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sound.infolist():
            content = bytes(2_000_000) if part.filename.endswith("data.pkl") else sound.read(part)
            archive.writestr(part.filename, content)
    with pytest.raises(ModelError, match=r"bomb.pth: its parts are compressed or overlap"):
        open_weights(bomb)
