"""Workbooks that unpack to far more than they weigh, or are odd XML: one sentence, little memory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vlmbench.errors import PredictionsError
from vlmbench.predictions import read_answers
from vlmbench.report.exports.sheets import NewSheet, write_workbook

SHEET, RELATIONS = "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"
SHARED = '<Relationship Id="s" Type="…/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
MEASURED = """
import re, sys
from pathlib import Path
from vlmbench.errors import PredictionsError
from vlmbench.predictions import read_answers
import openpyxl.styles.numbers
# Not ru_maxrss: a process begins with its parent's.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
for path in sys.argv[1:]:
    before = peak()
    try:
        read_answers(Path(path))
    except PredictionsError as error:
        print(peak() - before, error)
"""


def workbook(path: Path, **parts: bytes) -> Path:
    """A sound workbook with some of its parts replaced: `sheet`, `shared`, `styles`."""
    write_workbook(path, [NewSheet("Sheet1", [["index", "prediction"], ["1", "A"]])])
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    names = {"sheet": SHEET, "shared": "xl/sharedStrings.xml", "styles": "xl/styles.xml"}
    content |= {names[name]: text for name, text in parts.items()}
    content[RELATIONS] = content[RELATIONS].replace(b"</Relationships>", SHARED.encode())
    content.setdefault("xl/sharedStrings.xml", b"<sst/>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return path


def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    far = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(1, 2400))
    bombs = {
        "more than 4,000,000 cells": workbook(
            tmp_path / "far.xlsx", sheet=b"<a><sheetData>" + far + b"</sheetData></a>"
        ),
        "one 'row' of": workbook(tmp_path / "row.xlsx", sheet=b"<a><row>" + b"<c/>" * 10_000_000),
        "one 'si' of": workbook(tmp_path / "text.xlsx", shared=b"<sst><si><t>" + b"x" * 9_000_000),
        "styles.xml has more than": workbook(tmp_path / "styles.xlsx", styles=b"<s>" + b"<x/>" * 1_200_000),
    }
    assert all(path.stat().st_size < 100_000 for path in bombs.values())
    run = [sys.executable, "-c", MEASURED, *map(str, bombs.values())]
    lines = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    for (words, _), line in zip(bombs.items(), lines, strict=True):
        assert words in line
        assert int(line.split()[0]) < 200, line


def test_what_unpacks_to_too_much_in_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.predictions.xlsx._MOST_UNPACKED", 1_000_000)
    rows = b"".join(b"<row><c><v>1</v></c></row>" for _ in range(60_000))
    with pytest.raises(PredictionsError, match="it unpacks to more than 1 MB"):
        read_answers(workbook(tmp_path / "p.xlsx", sheet=b"<a>" + rows + b"</a>"))


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (b'<?xml version="1.0" encoding="x-none"?><a/>', "unknown encoding"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "multi-byte encodings"),
        (f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><a>&a9;</a>'.encode(), "amplification"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a><row>&e;</row></a>', "undefined entity"),
        (b'<a><row><c t="s"><v>-1</v></c></row></a>', "index out of range"),
        (b'<a><row r="2"><c><v>1</v></c></row><row r="2"/></a>', "row 2 is out of order"),
        (b"<a><row>", "XML is broken"),
    ],
)
def test_odd_xml_is_one_sentence(tmp_path: Path, sheet: bytes, words: str) -> None:
    with pytest.raises(PredictionsError, match=words):
        read_answers(workbook(tmp_path / "p.xlsx", sheet=sheet))


def test_a_sheet_without_its_relation_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx")
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["xl/workbook.xml"] = b"<w><sheets><sheet name='a'/></sheets></w>"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    with pytest.raises(PredictionsError, match="a part of it is missing"):
        read_answers(path)


def test_an_archive_that_keeps_too_much_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmbench.predictions.harness_logs._MOST_KEPT", 1000)
    path = tmp_path / "p.eval"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(3):
            said = "x" * 400
            archive.writestr(f"samples/{n}.json", f'{{"id": {n}, "output": {{"completion": "{said}"}}}}')
    with pytest.raises(PredictionsError, match="more than 1,000 characters"):
        read_answers(path)
