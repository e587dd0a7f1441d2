from __future__ import annotations

import errno
import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from messages import ROOT, folders, messages

from vlmbench.chinese import explained, in_chinese, spoken_by, translated
from vlmbench.chinese.catalogue import Catalogue, catalogue, literals_of, words_of
from vlmbench.chinese.texts import chinese_of
from vlmbench.chinese.width import filled, width_of
from vlmbench.errors import UserError

FILES = sorted((ROOT / "vlmbench" / "chinese").glob("*.json"))
_GAP = re.compile(r"\{(\d*)[*~]?\}")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_LANG", "zh")


@pytest.mark.parametrize("folder", sorted(folders()))
def test_every_message_has_chinese(folder: str) -> None:
    lacking = messages(folder).keys() - words_of().keys()
    assert not lacking, f"add to vlmbench/chinese/{folder}.json: {json.dumps(sorted(lacking), indent=1)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_entry_of_a_catalogue_is_a_message_in_the_code(file: Path) -> None:
    if file.stem in folders():
        known = set(messages(file.stem))
        assert sorted(words_of(file.stem).keys() - known) == [], f"left over in {file.name}"
    elif file.stem == "system":
        assert words_of("system").keys() <= {os.strerror(number) for number in errno.errorcode}
    elif file.stem == "recipes":
        texts = {text for file in (ROOT / "trainers" / "recipes").glob("*.yaml") for text in _sentences(file)}
        assert words_of("recipes").keys() == texts
    elif file.stem == "argparse":
        import argparse
        import inspect

        source = inspect.getsource(argparse)
        words = [re.split(r"\{\}|: ?|\.|[()]", key) for key in words_of(file.stem)]
        assert not [part for parts in words for part in parts if part.strip() not in source]


def _sentences(recipes: Path) -> set[str]:
    """What recipes say of themselves and of their corrections, but for bare names."""
    found = re.findall(r"^ *(?:about|why): (.*)$", recipes.read_text("utf-8"), re.MULTILINE)
    return {text for text in found if " " in text}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_chinese_has_the_gaps_of_the_english(file: Path) -> None:
    for english, chinese in words_of(file.stem).items():
        count = len(literals_of(english)[0]) - 1
        named = [found[1] for found in _GAP.finditer(re.sub(r"\{\{|\}\}", "", chinese))]
        places = named if any(named) else [str(place) for place in range(1, len(named) + 1)]
        assert set(places) <= {str(place) for place in range(1, count + 1)}, (english, chinese)
        assert any(named) or len(named) == count, (english, chinese)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_filled_message_is_found_as_its_own_entry(file: Path) -> None:
    for english, chinese in words_of(file.stem).items():
        for literals in literals_of(english):
            gaps = [f"⟦{n}⟧" for n in range(1, len(literals))]
            text = "".join(part for pair in zip(literals, [*gaps, ""], strict=True) for part in pair)
            found = catalogue().find(text)
            assert found is not None, english
            if found.template.chinese != chinese:
                assert found.filled(str) == Catalogue({english: chinese}).find(text).filled(str)  # type: ignore[union-attr]


def test_a_message_has_one_chinese_in_all_folders() -> None:
    every = [item for file in FILES for item in words_of(file.stem).items()]
    twice = Counter(english for english, _ in set(every))
    assert not [english for english, count in twice.items() if count > 1]


def test_the_longest_template_wins_and_gaps_keep_what_fills_them() -> None:
    known = Catalogue({"{} of {}": "{2} 的 {1}", "{} row{s|} of {}": "{2} 的 {1} 行", "rows: {}": "行：{*}"})

    def shown(text: str) -> str:
        found = known.find(text)
        return text if found is None else found.filled(lambda own: f"<{own}>")

    assert shown("3 rows of a.tsv") == shown("3 row of a.tsv") == "a.tsv 的 3 行"
    assert shown("end of file of a\nb") == "end of file of a\nb"  # hardly a word of ours
    assert shown("rows: many") == "行：<many>"
    assert shown("nothing here") == "nothing here"


@pytest.mark.parametrize(
    ("environment", "is_chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8", "LC_ALL": ""}, False),
        ({"LC_ALL": "zh_TW"}, True),
        ({"LC_ALL": "zh_CN.UTF-8", "VLMBENCH_LANG": "en"}, False),
        ({}, False),
    ],
)
def test_the_language_is_that_of_the_locale(
    environment: dict[str, str], is_chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VLMBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert in_chinese() is is_chinese


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("english", "wanted"),
    [
        (
            "the header lacks `question`; it has index, qestion, answer, category.",
            "表头缺少 `question`；现有 index、qestion、answer、category。",
        ),
        ("is not YAML: line 2, column 1: expected a node.", "不是 YAML：第 2 行第 1 列：expected a node。"),
        ("left out: 2 questions of the file that X does not ask", "未采用：文件中有 2 题不在 X 的提问之列"),
        ("unscored: 1 question, see s: 1 (no option named (A, B))", None),
        ("read a.jsonl as table (jsonl): 4 answers, `prediction`, matched by index", None),
    ],
)
def test_sentences_that_hold_lists_or_other_sentences_are_chinese_to_their_end(
    english: str, wanted: str | None
) -> None:
    if wanted is None:
        assert not re.search(r"unscored|question|answers|matched|read ", translated(english))
    else:
        assert translated(english) == wanted


def test_a_language_holds_for_a_while() -> None:
    with spoken_by("zh"):
        assert in_chinese()
        with spoken_by(None):
            assert in_chinese()
    assert not in_chinese()


@pytest.mark.usefixtures("chinese")
def test_an_error_is_translated_when_printed_and_stays_english_where_it_is_stored() -> None:
    error = UserError("unrecognized arguments: of mine.", file="所有 rows.tsv", row=5, fix="No such text.")
    assert (
        error.text() == str(error) == "所有 rows.tsv, row 5: unrecognized arguments: of mine. No such text."
    )
    assert explained(error) == "所有 rows.tsv，第 5 行：无法识别的参数：of mine。No such text."


@pytest.mark.usefixtures("chinese")
def test_a_translation_takes_little_time_and_keeps_what_is_not_ours() -> None:
    text = "unrecognized arguments: a, b. " * 3 + "Somebody else's sentence, with: parts; and so on. " * 3
    start = time.process_time()
    shown = translated(text)
    assert time.process_time() - start < 0.5  # with reading the catalogues
    assert "无法识别的参数" in shown
    assert shown.count("Somebody else's sentence") == 3


def test_lines_are_as_wide_as_the_screen() -> None:
    text = "模型的回答写入运行目录（runs/NAME/BENCH），同一条命令会从中断处继续，已完成的部分不会重复。" * 3
    lines = filled(text, 40, indent="  ").split("\n")
    assert max(map(width_of, lines)) <= 40
    assert "".join(line.strip() for line in lines) == text
    assert not [line for line in lines if line.strip()[0] in "，。）"]
    assert filled("plain words", 8) == "plain\nwords"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("B is better than A.", "B 优于 A。"),
        (
            "+12.2 points (95 %: +6.1 … +18.1), p < 0.001 by McNemar exact",
            "+12.2 个百分点（95 %：+6.1 … +18.1），p < 0.001，McNemar 精确检验",
        ),
        (
            "Row by row: 73.2 % and 81.3 %, +8.0 points (95 %: +3.1 … +13.0), p 0.002 by clustered t; "
            "609 rows in 180 questions.",
            "逐行：73.2 % 与 81.3 %，+8.0 个百分点（95 %：+3.1 … +13.0），p 0.002，聚类 t 检验；"
            "609 行，180 题。",
        ),
        ("loaded A on cpu, float32 in 0.1 s", "已加载 A（cpu，float32），用时 0.1 秒"),
    ],
)
def test_the_sentences_of_a_comparison_are_whole_in_chinese(english: str, chinese: str) -> None:
    assert chinese_of(english) == chinese
