"""The page shows how large each run's model saw the pictures of a row, as far as the run has recorded it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlmbench.report.page.seen import UNKNOWN, read_seen

LINE = {"picture": "a", "width": 10, "height": 20, "resized": [16, 32], "tiles": 1, "tokens": 9}


def record(folder: Path, *lines: Any) -> Any:
    file = folder / "picture_tokens.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return read_seen(file)


def test_a_picture_beside_others_has_a_line_of_its_own_where_there_is_one(tmp_path: Path) -> None:
    beside = {**LINE, "tiles": 3, "tokens": None, "resized": None, "beside_others": True}
    seen = record(tmp_path, LINE, beside, {**LINE, "picture": "b"})
    assert seen.of(["a"]) == [(10, 20, 16, 32, 1, 9)]
    assert seen.of(["a", "b"]) == [(10, 20, None, None, 3, None), (10, 20, 16, 32, 1, 9)]
    assert seen.of(["c"]) == [UNKNOWN]


def test_a_run_without_the_file_shows_nothing_and_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    assert read_seen(tmp_path / "no file").of(["a"]) == []
    hostile = {**LINE, "width": "<script>", "tokens": True}
    assert record(tmp_path, "{", hostile, {**LINE, "tiles": -1}, {**LINE, "height": None}).of(["a"]) == []
    assert len(record(tmp_path, "{", LINE).of(["a"])) == 1
