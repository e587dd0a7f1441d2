"""Training records: read from files of any size, and refused by row when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlmbench.errors import DataError, UsageError
from vlmbench.trainers.data import json_stream
from vlmbench.trainers.data.json_stream import count_records, raw_records
from vlmbench.trainers.data.records import as_record, read_record, repeat_file, repeated_name, turns_of

TEXTS = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=6)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", 7)


def rows_of(path: Path) -> list[Any]:
    return [json.loads(raw.text) for raw in raw_records(path)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, st.sampled_from([None, 1]), st.booleans())
def test_a_list_is_read_as_json_reads_it(
    tmp_path: Path, records: list[Any], indent: int | None, escaped: bool
) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps(records, indent=indent, ensure_ascii=escaped), "utf-8", errors="replace")
    assert rows_of(file) == json.loads(file.read_text("utf-8"))
    assert count_records(file) == len(records)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS)
def test_lines_are_read_one_by_one(tmp_path: Path, records: list[Any]) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("\n\n".join(json.dumps(record) for record in records), "utf-8")
    assert rows_of(file) == records


def test_a_misnamed_file_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "list.jsonl").write_text('\ufeff [{"a": 1}, {"a": 2}]', "utf-8")
    assert rows_of(tmp_path / "lines.json") == rows_of(tmp_path / "list.jsonl") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"a": 1}, {"a": }]', "row 2.*not JSON"),
        ('[{"a": 1} {"a": 2}]', "row 1.*comma"),
        ('[{"a": 1}, {"a": 2}', "row 2.*comma or the end of the list"),
        ('[{"a": 1}, {"a": "2}]', "row 2.*not JSON"),
        ('[{"a": 1}] x', "more after the end"),
        ('[{"a": 1},]', "row 2.*not JSON"),
    ],
)
def test_a_damaged_list_names_the_row(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(DataError, match=complaint):
        rows_of(tmp_path / "data.json")


def test_bytes_that_are_no_text_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(DataError, match="UTF-8"):
        rows_of(tmp_path / "data.json")
    (tmp_path / "data.csv").write_text("[]")
    with pytest.raises(DataError, match=r"\.json or \.jsonl"):
        rows_of(tmp_path / "data.csv")


SAID = [{"from": "human", "value": "<image>\na?"}, {"from": "gpt", "value": "b"}]


def test_a_record_needs_no_id_and_may_have_several_pictures() -> None:
    record = as_record({"image": ["a.png", "b.png"], "conversations": SAID}, 7)
    assert (record.id, record.images) == ("row 7", ("a.png", "b.png"))
    assert as_record({"id": 12, "conversations": SAID}, 7).id == "12"


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ([], "an object with `conversations`"),
        ({"conversations": "x"}, "must be a list"),
        ({"conversations": [{"from": "human"}]}, "needs a text"),
        ({"conversations": [{"from": "system", "value": "x"}]}, "not from `system`"),
        ({"conversations": SAID, "image": 3}, "the path of a picture"),
        ({"conversations": SAID, "id": [1]}, "a text or a whole number"),
        ({"conversations": SAID, "id": 1.5}, "a text or a whole number"),
        ({"conversations": SAID, "id": "\ud83d"}, r"`id`: has half a character, `\\ud83d`"),
        ({"conversations": SAID, "image": "a\0.png"}, "no path"),
        ({"conversations": SAID, "image": ["\ud83d.png"]}, "`image`: has half"),
        ({"conversations": [*SAID, {"from": "gpt", "value": "\ud83d"}]}, "`conversations`: has half"),
        ({"conversations": [{"from": "\ud83d", "value": ""}]}, "`conversations`: has half"),
    ],
)
def test_a_wrong_record_is_refused_by_file_and_row(raw: Any, complaint: str) -> None:
    with pytest.raises(DataError, match=f"own.json, row 7.*{complaint}"):
        as_record(raw, 7, Path("own.json"))


ANY = st.text(st.characters(), max_size=3)


@given(ANY, ANY, ANY)
def test_what_a_record_keeps_can_be_written(name: str, image: str, text: str) -> None:
    raw = {"id": name, "image": image, "conversations": [{"from": "human", "value": text}]}
    try:
        record = as_record(raw, 1)
    except DataError:
        assert not (f"{name}{image}{text}".isprintable() and image)
    else:
        assert repr(record).encode()
        (Path("/nowhere") / record.images[0]).exists()  # asking the system is no error


DEEP = '{"a": "[", "b": ' + "[" * 100_000 + '"]\\"", 1' + "]" * 100_000 + "}"
LONG = f'{{"a": {"1" * 5000}}}'


@pytest.mark.parametrize(("broken", "said"), [(DEEP, "nested too deeply"), (LONG, "thousands of digits")])
@pytest.mark.parametrize("shape", ["[{}, {}, {}]", "{}\n{}\n{}"])
def test_what_cannot_be_read_leaves_the_records_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, broken: str, said: str
) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", 50_000)
    sound = json.dumps({"conversations": SAID})
    (tmp_path / "own.json").write_text(shape.format(sound, broken, sound))
    first, second, third = raw_records(tmp_path / "own.json")
    assert read_record(first.text, 1).messages == read_record(third.text, 3).messages
    with pytest.raises(DataError, match=f"row 2.*{said}"):
        read_record(second.text, second.row)


def test_a_deep_record_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_BLOCK", 5_000)
    (tmp_path / "own.json").write_text("[" * 20_000)
    with pytest.raises(DataError, match=r"row 1.*nested too deeply"):
        rows_of(tmp_path / "own.json")


def test_pictures_can_stay_where_they_are_written() -> None:
    said = [{"from": "human", "value": "a <image> b <image>?"}, {"from": "gpt", "value": "c"}]
    record = as_record({"image": ["1", "2"], "conversations": said}, 1)
    assert [turn.question for turn in turns_of(record, "as_written")] == ["a <image> b <image>?"]
    assert [turn.question for turn in turns_of(record)] == ["<image>\na  b ?"]


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_own_data_can_be_repeated(tmp_path: Path, ending: str) -> None:
    records = [{"id": n, "conversations": SAID, "more": "\u2028"} for n in range(3)]
    file = tmp_path / "own.json"
    file.write_text(json.dumps(records, indent=2), "utf-8")
    out = tmp_path / f"many.{ending}"
    assert repeat_file(file, 4, out) == 12
    assert rows_of(out) == records * 4
    assert repeated_name(file, 4).name == "own_4x.json"
    assert sorted(tmp_path.iterdir()) == sorted([file, out])


def test_own_data_is_never_written_over_by_what_is_made_of_it(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps([{"conversations": SAID}]), "utf-8")
    (tmp_path / "same.json").symlink_to(file)
    for out in (file, tmp_path / "same.json"):
        with pytest.raises(UsageError, match="over their own file"):
            repeat_file(file, 2, out)
    assert count_records(file) == 1
