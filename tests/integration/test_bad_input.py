"""Bad files through the whole program: a clear paragraph or a recorded row, and nothing lost."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from vlmbench.cli.main import main
from vlmbench.store import read_responses

NUL, CAFE = "c\x00t", "caf\xe9"
HEADER = "index\tquestion\tA\tB\tanswer\tcategory\timage"


def picture() -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def claiming(side: int) -> str:
    """A picture whose header names this width and height; no pixel is read after such a header."""
    data = bytearray(base64.b64decode(picture()))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return base64.b64encode(data).decode()


def row(index: object, *, answer: str = "A", a: str = "cat", b: str = "dog", image: str | None = None) -> str:
    return f"{index}\tWhich?\t{a}\t{b}\t{answer}\tpets\t{picture() if image is None else image}"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "CCBench.tsv"
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def run(folder: Path, *more: str) -> int:
    local = ["--data-dir", str(folder), "--accept-local-data"]
    return main(["run", "--model", "echo", "--bench", "CCBench", *local, "--out", str(folder / "run"), *more])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(1, image="bm8gcGljdHVyZSBhdCBhbGwsIGp1c3QgdGV4dCBpbiBiYXNlNjQsIGxvbmcgZW5vdWdo" * 2), "picture"),
        (row(1, image="99"), "99"),
        (row(1, a="", b=""), "no options"),
        (row(1, answer="D"), "names no option"),
        (row(1, image=claiming(30_000)), "900,000,000 pixels"),
    ],
    ids=["no picture", "dangling reference", "no options", "answer without option", "huge picture"],
)
def test_a_bad_row_is_recorded_and_the_others_are_answered(
    tmp_path: Path, bad: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table(
        tmp_path,
        row(0),
        row(1_000_000, answer="B", a="dog", b="cat"),
        bad,
    )
    assert run(tmp_path) == 4
    answers = read_responses(tmp_path / "run")
    assert reason in (answers["1"].error or "")
    assert answers["0"].finish == answers["1000000"].finish == "stop"
    assert "1 rows with errors" in capsys.readouterr().err
    headline = json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["headline"]
    assert headline["n"] == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"{HEADER}\n{row(0)}\n1\tWhich?\tca".encode(), "cut off"),
        (b"index\tA\tB\n0\tcat\tdog\n", "question"),
        (f"{HEADER}\n{row(0)}\n{row(0)}\n".encode(), "row"),
        (f"{HEADER}\n{row('first')}\n".encode(), "first"),
        (f"{HEADER}\n{row(0)}\n{row(1, a=NUL)}\n".encode(), "NUL"),
        (f"{HEADER}\n{row(0, a=CAFE)}\n".encode("latin-1"), "UTF-8"),
        (b"", "empty"),
        (f"{HEADER}\n".encode(), "no rows"),
    ],
    ids=["truncated", "missing column", "duplicate", "text index", "NUL", "encoding", "empty", "header only"],
)
def test_a_bad_file_is_explained_in_one_paragraph(
    tmp_path: Path, content: bytes, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "CCBench.tsv").write_bytes(content)
    assert run(tmp_path) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert "CCBench.tsv" in error
    assert "Traceback" not in error


def test_another_file_than_the_published_one_names_both_sums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(tmp_path, row(0))
    command = ["run", "--model", "echo", "--bench", "CCBench", "--data-dir", str(tmp_path)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "f5dde47f24dc5a6fb6e595b409b466ac" in error
    assert "--accept-local-data" in error


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([0], "1000000"),
        ([0, 1_000_000, 7], "7"),
        ([0, 1_000_000, 0], "0"),
    ],
    ids=["missing", "extra", "duplicate"],
)
def test_predictions_must_be_those_of_the_benchmark(
    tmp_path: Path, lines: list[int], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path, row(0), row(1_000_000, answer="B", a="dog", b="cat"))
    predictions = tmp_path / "answers.jsonl"
    predictions.write_text("".join(f'{{"index": {i}, "prediction": "A"}}\n' for i in lines), "utf-8")
    assert main(["score", "--bench", "CCBench", "--data", str(data), "--predictions", str(predictions)]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert "answers.jsonl" in error


def test_a_disk_that_takes_no_more_keeps_the_answers(tmp_path: Path) -> None:
    """The system refuses to let a file grow past a limit, as a full disk does; then there is room again."""
    plain = ["--model", "echo", "--bench", "Shapes_DEV_EN", "--out"]
    assert main(["run", *plain, str(tmp_path / "whole")]) == 0
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
        "from vlmbench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "run", *plain, str(tmp_path / "full")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot write here" in done.stderr
    assert "the same command continues" in done.stderr
    kept = read_responses(tmp_path / "full")
    assert len(kept) > 50
    assert main(["run", *plain, str(tmp_path / "full")]) == 0
    results = json.loads((tmp_path / "full" / "results.json").read_text("utf-8"))
    assert results["timing"]["kept_from_before"] == len(kept)
    for name in ("responses.jsonl", "scores.jsonl", "predictions.xlsx"):
        assert (tmp_path / "full" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
