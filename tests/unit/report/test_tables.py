"""The table for the eye: right numbers, whole at every width, harmless whatever the names are."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from samples import metric, rotated, run

from vlmbench.answers.scores import NO_RULE
from vlmbench.domain import RULE_SETS, Metric, Run
from vlmbench.report.results import results_document
from vlmbench.report.tables import results_table

SAMPLES = rotated(3, answer="A")
CATEGORIES = [
    metric("dev", level="split"),
    metric("coarse_perception", 0.93, level="l2-category", n=33, ci95=(0.8, 0.99)),
    metric("finegrained_perception (instance-level)", 0.2, level="l2-category"),
    metric("素描推理与文化遗产", 0.0, level="category", ci95=(0.0, 0.05)),
    metric("relation", 1.0, level="category", ci95=(0.7, 1.0)),
    metric("row accuracy", 0.66, level="row"),
]
WHOLE = [metric("circular accuracy"), *CATEGORIES]


def printed(
    what: Run | list[Metric], width: int = 80, *, terminal: bool = False, encoding: str = "utf-8"
) -> str:
    """What appears on a console of this width."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=width, highlight=False, force_terminal=terminal, legacy_windows=False)
    results_table(results_document(what if isinstance(what, Run) else run(SAMPLES, what)), console=console)
    file.seek(0)
    return file.read()


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_the_headline_has_its_interval() -> None:
    assert line_of(printed(WHOLE), "circular") == "circular accuracy  61.4 % (95 %: ± 2.8, 58.6 – 64.2)"


def test_an_interval_with_unequal_sides_is_given_by_its_ends_alone() -> None:
    text = printed([metric("circular accuracy", 0.0, ci95=(0.0, 0.021))])
    assert line_of(text, "circular") == "circular accuracy  0.0 % (95 %: 0.0 – 2.1)"


def test_counts_stand_below_it() -> None:
    text = printed(run(SAMPLES, WHOLE, {"0": "A", "1": "?", "2": None}))
    assert "1164 groups · 6 rows · 1 unparsed (50.0 %) · 1 error\n" in text


def test_a_rule_set_without_an_evaluator_has_no_line() -> None:
    made = run(SAMPLES, WHOLE)
    none = (metric(NO_RULE["original"], None, ci95=None),)
    text = printed(replace(made, metrics={**made.metrics, "original": none}))
    assert "original" not in text
    assert "vlmevalkit-2024" in text


def test_every_rule_set_has_a_line() -> None:
    text = printed(WHOLE)
    assert all("61.4 %" in line_of(text, f"{rules} ") for rules in RULE_SETS)


def test_categories_stand_under_their_level_with_interval_and_bar() -> None:
    text = printed(WHOLE)
    assert text.index("l2-category") < text.index("coarse_perception") < text.index("素描")
    assert line_of(text, "coarse_perception").split() == [
        "coarse_perception", "33", "93.0", "%", "80.0", "–", "99.0", "━━━━━━━━━━━━━━━━├─┼┤",
    ]  # fmt: skip


def test_points_are_no_percentages() -> None:
    figures = [metric("score", 1234.5, unit="points", ci95=(1184.5, 1284.5)), *CATEGORIES]
    assert line_of(printed(figures), "score  ") == "score  1234.5 (95 %: ± 50.0, 1184.5 – 1284.5)"


def test_withheld_answers_are_called_withheld() -> None:
    figures = [metric("circular accuracy", None), metric("relation", None, level="category")]
    text = printed(run(rotated(3), figures))
    assert line_of(text, "circular accuracy") == "circular accuracy  withheld"
    assert "withheld" in line_of(text, "xtuner")
    assert "relation" not in text


def test_nothing_scored_is_not_called_withheld() -> None:
    assert "not scored" in printed(run(SAMPLES, [metric("circular accuracy", None)], {}))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (run(SAMPLES, WHOLE, limit=3), "partial: only some of the questions were asked (--limit 3)"),
        (run(SAMPLES, WHOLE, blind=True), "blind: every picture was grey"),
        (run(SAMPLES, WHOLE, {"0": None}), "incomplete: 1 error, 5 not answered"),
    ],
)
def test_what_makes_it_another_number_is_marked(what: Run, said: str) -> None:
    assert f"\n{said}\n" in printed(what)
    assert said not in printed(WHOLE)


@pytest.mark.parametrize("width", [20, 40, 60, 76, 80, 120, 200])
def test_no_line_is_longer_than_the_console(width: int) -> None:
    what = run(SAMPLES, WHOLE, model="/a/very/long/path/" * 6, limit=3, blind=True)
    assert max(cell_len(line) for line in printed(what, width).splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_numbers_are_whole_and_aligned_at_usual_widths(width: int) -> None:
    text = printed(WHOLE, width)
    ends = {
        cell_len(line_of(text, word).split(" %")[0]) for word in ("素描", "coarse", "relation", "row acc")
    }
    assert len(ends) == 1
    assert "…" not in text


def test_bars_appear_where_there_is_room() -> None:
    assert "━" not in printed(WHOLE, 60)
    assert len(line_of(printed(WHOLE, 120), "coarse")) > len(line_of(printed(WHOLE, 80), "coarse"))


def test_a_pipe_gets_no_control_characters() -> None:
    assert "\x1b" not in printed(WHOLE)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    what = run(SAMPLES, WHOLE, limit=3)
    assert "\x1b[1;33m" in printed(what, terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;33m" not in printed(what, terminal=True)


def test_ascii_alone_is_enough() -> None:
    text = printed(WHOLE, encoding="ascii")
    assert "61.4 % (95 %: +/- 2.8, 58.6 - 64.2)" in text
    assert "================[-+]" in text


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", ":smile:", "a\x1b[2J", "a\rb", "\u202ea", "\ud800"])
def test_names_are_shown_and_never_obeyed(name: str) -> None:
    figures = [metric("accuracy"), metric(name, level="category")]
    text = printed(run(SAMPLES, figures, name=name, model=name))
    assert not set(text) & set("\x1b\r\u202e")
    assert ("[" in name) == ("[" in text)
    assert ":smile:" not in name or ":smile:" in text


@settings(max_examples=40)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(30, 140))
def test_any_figure_fits_its_bar(first: float, second: float, third: float, width: int) -> None:
    low, value, high = sorted([first, second, third])
    text = printed([metric("a"), metric("b", value, level="category", ci95=(low, high))], width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
