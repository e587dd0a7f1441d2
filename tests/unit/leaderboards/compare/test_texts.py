"""Comparisons as Markdown, JUnit, JSON and on a terminal, whatever strangers wrote into them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from finished_runs import circular_run, finished, row_run
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from samples import metric, rotated
from samples import run as made_run

from vlmbench.cli.compare.text import print_comparisons
from vlmbench.finished import FinishedRun, Questions
from vlmbench.leaderboards.compare.compare import compare, regressions, with_holm
from vlmbench.leaderboards.compare.document import comparison_document, junit_xml
from vlmbench.leaderboards.compare.markdown import comparison_markdown
from vlmbench.leaderboards.compare.nouns import Comparison, Page, Refusal
from vlmbench.leaderboards.compare.text import interval
from vlmbench.plain_text import markdown, visible

HOSTILE = "<script>alert(1)</script>|`x`\x00\x1b[31m\u202e\ud800=cmd()\r\n![i](http://e.vil/i.png)\ufffe]]>"


def hostile_run(answer: str, name: str = HOSTILE) -> FinishedRun:
    """Eight questions, every text of which means harm."""
    samples = [
        replace(s, question=HOSTILE, categories={"category": HOSTILE, "l2-category": "=1+1"})
        for s in rotated(8, answer="A")
    ]
    value = float(answer == "A")
    texts = {s.id: answer for s in samples}
    run = made_run(samples, [metric("circular accuracy", value, n=8)], texts, name=name, model=name)
    return finished(run, f"runs/{'good' if answer == 'A' else 'bad'}")


@pytest.fixture(scope="module")
def hostile() -> Comparison:
    return compare(hostile_run("A"), hostile_run(HOSTILE), names=(HOSTILE, f"{HOSTILE}2"))


def shown(comparisons: list[Comparison], width: int = 80, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_comparisons(comparisons, [], console=Console(file=file, width=width, highlight=False), flips=3)
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined, no-any-return]


def test_junit_is_well_formed_and_counts_right(hostile: Comparison) -> None:
    refusal = Refusal(benchmark=HOSTILE, runs=HOSTILE, reason=HOSTILE)
    suite = ET.fromstring(junit_xml([hostile], [refusal], [hostile]).encode()).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "2", "failures": "1", "errors": "1",
    }  # fmt: skip
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "100.0 % to 0.0 %" in failure.get("message", "")


def test_a_passing_comparison_says_what_it_found() -> None:
    found = compare(circular_run([True] * 20), circular_run([True] * 20))
    case = ET.fromstring(junit_xml([found], [], regressions([found])).encode()).find("testsuite/testcase")
    assert case is not None
    assert case.find("failure") is None
    assert "cannot be told apart" in (case.findtext("system-out") or "")


def test_markdown_holds_nothing_but_text(hostile: Comparison) -> None:
    page = comparison_markdown([hostile], [Refusal(benchmark=HOSTILE, runs="", reason=HOSTILE)])
    assert "<script" not in page
    assert "![" not in page
    assert not set("\x00\x1b\u202e\ud800\r\ufffe") & set(page)
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables[:3]}) == 1
    page.encode()


def test_the_terminal_gets_no_control_characters(hostile: Comparison) -> None:
    for encoding in ("utf-8", "ascii", "gbk"):
        text = shown([hostile], encoding=encoding)
        assert not set("\x00\x1b\u202e\r") & set(text)


def test_json_can_be_written_whatever_was_said(hostile: Comparison) -> None:
    document = comparison_document([hostile], [], [hostile], 1.0)
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    (only,) = document["comparisons"]
    assert (only["verdict"], only["regression"], len(only["worse"])) == ("worse", True, 8)


def test_three_runs_are_a_matrix() -> None:
    runs = [circular_run([i < n for i in range(40)], folder=f"runs/{n}") for n in (40, 20, 19)]
    pairs = [compare(runs[a], runs[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    text = shown(pairs)
    assert "-50.0*" in text
    assert "+52.5*" in text
    assert "-2.5\n" in text
    assert interval(pairs[0], pairs[0].difference) in text.split("column less row")[0]
    assert "B against A" in text
    assert "C against A" in text
    assert "C against B" not in text
    assert "2 comparisons with the first run as one family, the 1" in " ".join(text.split())
    page = comparison_markdown(pairs, [])
    assert page.count("**worse**") == 2
    ends = interval(pairs[0], pairs[0].difference)
    assert f"| **A** | 100.0 % |  | \\-50\\.0\\*<br>{ends} |" in page
    assert page.count("| category: kind 0 | 14 |") == 2
    assert page.count("<summary>") == 2


def test_the_p_of_several_comparisons_is_called_holms_and_intervals_are_said_to_be_unadjusted() -> None:
    one = compare(circular_run([True] * 20), circular_run([False] * 6 + [True] * 14))
    alone, several = (comparison_markdown(with_holm([one] * n), []) for n in (1, 2))
    assert "| 95 % | p | verdict |" in alone
    assert "Intervals are not adjusted" not in alone
    assert "| 95 % | p (Holm) | verdict |" in several
    assert "Intervals are not adjusted" in several


def test_another_headline_than_the_mean_compared_has_the_same_unit() -> None:
    whole, part = circular_run([True] * 30 + [False] * 10), circular_run([True] * 20)
    text = shown([compare(whole, part, common=True)])
    assert "A: 100.0 % (circular accuracy of the whole run: 75.0 %)" in text


def test_a_category_without_end_is_cut_and_its_rows_and_clusters_are_told_apart() -> None:
    sides = [row_run([value] * 8, [i // 4 for i in range(8)]) for value in (1.0, 0.5)]
    for run in sides:
        samples = tuple(replace(s, categories={"category": "long " * 120}) for s in run.questions.samples)
        object.__setattr__(run, "read_questions", lambda samples=samples: Questions(samples=samples))
        vars(run).pop("questions")
    found = compare(*sides)
    wide, narrow = shown([found], width=100), shown([found])
    assert "rows   clusters" in wide
    assert "clusters   " not in narrow
    for text in (wide, narrow):
        assert text.count("long") == 12
        assert "95 %   p (Holm)\n" in text
    for word in ("| rows | clusters |", "long… | 8 | 2 |"):
        assert word in comparison_markdown([found], [])


def test_an_anchor_names_any_row_as_an_address_may() -> None:
    page = Page(path="a b.html", command=None)
    found = compare(circular_run([True]), circular_run([False]))
    (flip,) = found.worse
    odd = replace(found, page=page, worse=(replace(flip, row="a]b(c) <ü>"),))
    assert "(<a%20b.html#row-a%5Db%28c%29%20%3C%C3%BC%3E>)" in comparison_markdown([odd], [])
    assert "with pictures: a b.html#row-a%5Db%28c%29%20%3C%C3%BC%3E" in shown([odd])


def test_intervals_show_where_there_is_room() -> None:
    found = compare(circular_run([True] * 20), circular_run([False] * 20))
    assert "95 %" in shown([found], width=120).split("kind 0")[0].splitlines()[-2]
    assert all(len(line) <= 80 for line in shown([found]).splitlines())


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_one_visible_line(text: Any) -> None:
    line = visible(text)
    assert len(line) <= 200
    assert "\n" not in line
    line.encode()
    ET.fromstring(f"<a>{line.replace('&', '').replace('<', '').replace('>', '')}</a>")
    assert "<" not in markdown(text)


def test_a_text_without_end_is_cut() -> None:
    assert visible("x" * 10_000_000) == "x" * 199 + "…"
    assert visible(" " * 10_000_000 + "x") == "…"
