"""Files are found in a fixed order, and only the published bytes count unless one says otherwise."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vlmbench.data.disk import home_folder
from vlmbench.data.locate import checksum_state, find_file, folders, require_file
from vlmbench.domain import DataFile
from vlmbench.errors import DataError


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


FILE = DataFile(name="Set_DEV.tsv", url="https://example.org/Set_DEV.tsv", md5=(md5("new"), md5("old")))


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The three places, empty; the user's own home is out of sight."""
    found = {"data_dir": tmp_path / "mine", "lmu": tmp_path / "LMU", "home": tmp_path / "cache" / "data"}
    for folder in found.values():
        folder.mkdir(parents=True)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LMUData", str(found["lmu"]))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return found


def put(folder: Path, text: str) -> Path:
    path = folder / FILE.name
    path.write_text(text)
    return path


def test_the_given_folder_comes_first_then_lmudata_then_home(places: dict[str, Path]) -> None:
    assert find_file(FILE, places["data_dir"]) is None
    for name in ("home", "lmu", "data_dir"):
        path = put(places[name], "new")
        assert find_file(FILE, places["data_dir"]) == path
        assert require_file(FILE, places["data_dir"]) == path


def test_home_is_the_variable_or_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", "~/elsewhere")
    assert home_folder() == tmp_path / "user" / "elsewhere"
    monkeypatch.delenv("VLMBENCH_HOME")
    assert home_folder() == tmp_path / "user" / ".cache" / "vlmbench"


def test_lmudata_that_names_no_folder_counts_as_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMUData", str(tmp_path / "nowhere"))
    assert folders() == [tmp_path / "cache" / "data"]
    (tmp_path / "user" / "LMUData").mkdir(parents=True)
    assert folders() == [tmp_path / "user" / "LMUData", tmp_path / "cache" / "data"]


def test_bundled_files_come_from_the_package_alone(places: dict[str, Path]) -> None:
    (places["data_dir"] / "Shapes_DEV_EN.tsv").write_text("not this one")
    path = require_file(DataFile(name="Shapes_DEV_EN.tsv", bundled=True), places["data_dir"])
    assert path.parent.name == "data"
    assert path.stat().st_size > 1000


def test_a_missing_file_says_which_from_where_to_where_and_how(places: dict[str, Path]) -> None:
    with pytest.raises(DataError) as raised:
        require_file(FILE, places["data_dir"])
    said = str(raised.value)
    for part in (
        FILE.name,
        FILE.url,
        str(places["data_dir"]),
        str(places["home"]),
        "`vlmbench data get Set_DEV`",
    ):
        assert str(part) in said


def test_a_missing_file_without_an_address_says_so(places: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"Nobody offers it for download.*`vlmbench show "):
        require_file(DataFile(name="Own.tsv"), None)


def test_a_wrong_checksum_names_both_sums_and_the_flag(places: dict[str, Path]) -> None:
    path = put(places["lmu"], "edited")
    with pytest.raises(DataError) as raised:
        require_file(FILE)
    said = str(raised.value)
    assert all(part in said for part in (str(path), md5("edited"), md5("new"), "--accept-local-data"))
    assert require_file(FILE, accept_changed=True) == path


def test_the_published_version_wins_over_an_edited_or_older_one(places: dict[str, Path]) -> None:
    edited, older = put(places["data_dir"], "edited"), put(places["lmu"], "old")
    assert require_file(FILE, places["data_dir"]) == older
    current = put(places["home"], "new")
    assert require_file(FILE, places["data_dir"]) == current
    assert require_file(FILE, places["data_dir"], accept_changed=True) == edited


@pytest.mark.parametrize(("text", "state"), [("new", "current"), ("old", "older"), ("edited", "different")])
def test_the_state_of_a_checksum_is_told(places: dict[str, Path], text: str, state: str) -> None:
    assert checksum_state(FILE, put(places["home"], text)) == state
    assert checksum_state(DataFile(name=FILE.name), places["home"] / FILE.name) == "unknown"
