"""The published tables: every figure as printed, sources that disagree kept and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_runs import skilled, write_run

from vlmbench.cli.main import main
from vlmbench.domain import RuleSet
from vlmbench.errors import UserError
from vlmbench.leaderboards.board.published import figures_printed, is_column_of, published_tables


def test_every_table_says_where_when_and_under_which_rules() -> None:
    tables = published_tables()
    assert len(tables) == 9
    for table in tables:
        assert table.source.startswith("https://")
        assert table.dated
        assert table.rules
    assert [table.title for table in tables if table.date is None] == [
        "Models that others trained with xtuner on InternLM2-1.8B"
    ]
    assert sum(len(table.rows) for table in tables) == 29
    assert sum(figure is not None for table in tables for row in table.rows for figure in row.figures) == 297


def test_figures_stand_as_printed() -> None:
    tables = {table.title: table for table in published_tables()}
    llama = tables["LLaVA-Llama-3-8B"]
    row = {row.model: dict(zip(llama.benchmarks, row.figures, strict=True)) for row in llama.rows}
    assert row["LLaVA-Llama-3-8B-v1.1"]["MME_parts"] == "1469/349"
    assert row["LLaVA-v1.5-7B"]["GQA"] == "62.0"


def test_sources_that_disagree_are_both_kept_and_said() -> None:
    tables = {table.title: table for table in published_tables()}
    for title, figure, other in (
        ("LLaVA-Llama-3-8B", "36.8", "37.1 in “LLaVA-Phi-3-mini”"),
        ("LLaVA-Phi-3-mini", "37.1", "36.8 in “LLaVA-Llama-3-8B”"),
    ):
        table = tables[title]
        place = table.benchmarks.index("MMMU_VAL")
        row = next(row for row in table.rows if row.model == "LLaVA-Llama-3-8B-v1.1")
        assert (row.figures[place], row.notes[place]) == (figure, other)


def rule_set_of(title: str, model: str, benchmark: str) -> RuleSet | None:
    table = next(table for table in published_tables() if table.title == title)
    row = next(row for row in table.rows if row.model == model)
    return row.rule_sets[table.benchmarks.index(benchmark)]


@pytest.mark.parametrize(
    ("title", "model", "benchmark", "rules"),
    [
        ("LLaVA-1.5, its authors' model zoo", "LLaVA-v1.5-13B", "ScienceQA", "original"),
        ("LLaVA-1.5, its authors' model zoo", "LLaVA-v1.5-13B", "MMBench", "vlmevalkit-2024"),
        ("LLaVA-1.5, its authors' model zoo", "LLaVA-v1.5-13B", "VQAv2", None),
        ("LLaVA-Llama-3-8B", "LLaVA-Llama-3-8B", "MMMU_VAL", "vlmevalkit-2024"),
        ("LLaVA-Llama-3-8B", "LLaVA-Llama-3-8B", "GQA", None),
        ("LLaVA-Llama-3-8B", "LLaVA-v1.5-7B", "GQA", "original"),
        ("LLaVA in xtuner, early Chinese guide", "LLaVA-InternLM-7B (XTuner)", "CCBench", "xtuner"),
    ],
)
def test_every_figure_has_its_rule_set_where_that_is_known(
    title: str, model: str, benchmark: str, rules: RuleSet | None
) -> None:
    assert rule_set_of(title, model, benchmark) == rules


def test_every_table_has_rule_sets_and_decoding_for_each_column_and_says_them() -> None:
    for table in published_tables():
        assert len(table.decoding) == len(table.benchmarks)
        assert all(len(row.rule_sets) == len(table.benchmarks) for row in table.rows)
        known = {rules for row in table.rows for rules in row.rule_sets if rules}
        assert all(rules in table.scored for rules in known)
    zoo = next(table for table in published_tables() if table.title == "LLaVA-1.5, its authors' model zoo")
    assert zoo.scored == (
        "Rule set: original; vlmevalkit-2024 (MMBench, MMBench_CN); not known (VQAv2, VizWiz). "
        "Decoding: greedy."
    )


@pytest.mark.parametrize(
    ("column", "benchmark", "same"),
    [
        ("MMBench", "MMBench_DEV_EN", True),
        ("MMBench_TEST_EN", "MMBench_DEV_EN", False),
        ("MMBench_CN", "MMBench_DEV_EN", False),
        ("MMBench_CN", "MMBench_DEV_CN", True),
        ("MME_parts", "MME", True),
        ("MMMU_VAL", "MMMU_DEV_VAL", True),
        ("ScienceQA", "ScienceQA_TEST_ALL", True),
        ("POPE", "MMVet", False),
    ],
)
def test_a_column_is_of_a_benchmark_of_its_set_language_and_split(
    column: str, benchmark: str, same: bool
) -> None:
    assert is_column_of(column, benchmark) == same


def test_a_printed_figure_is_found_with_the_rules_that_made_it() -> None:
    (found,) = figures_printed("67.7", "MMBench_DEV_EN", published_tables())
    assert (found.model, found.rules, found.decoding) == ("LLaVA-v1.5-13B", "vlmevalkit-2024", "greedy")
    assert {found.rules for found in figures_printed("1511/348", "MME", published_tables())} == {"original"}
    assert figures_printed("67.70", "MMBench_DEV_EN", published_tables()) == []


def test_what_is_sampled_says_so() -> None:
    table = next(table for table in published_tables() if table.title == "LLaVA in xtuner, results table")
    decoding = dict(zip(table.benchmarks, table.decoding, strict=True))
    assert (decoding["MMBench_DEV_EN"], decoding["MMVet"]) == ("greedy", "sampling at 1.0, 5 beams")


_TABLE = (
    "- {title: x, source: 'https://x', date: d, dated: d, rules: r, rule_sets: {'*': strict}, "
    "decoding: {'*': null}, benchmarks: [A], rows: [{model: m, figures: %s}]}"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be read"),
        ("a: 1", "not a list"),
        ("- {title: x}", "keys"),
        (_TABLE.replace("https", "http") % "['1']", "https"),
        (_TABLE % "[]", "1 figures, not 0"),
        (_TABLE % "[1.0]", "as printed"),
        (_TABLE.replace("'*': strict", "A: strict") % "['1']", r"`\*` for the others"),
        (_TABLE.replace("'*': strict", "'*': strict, B: strict") % "['1']", "are benchmarks of the table"),
        (_TABLE.replace("strict", "loose") % "['1']", "one of strict, original"),
        (_TABLE.replace("{'*': null}", "greedy") % "['1']", "decoding"),
        (_TABLE.replace("model: m", "model: m, rule_sets: {B: strict}") % "['1']", "are benchmarks"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "published.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        published_tables(file)


def test_a_table_without_a_date_says_so_wherever_it_is_written(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", "one", skilled(30))
    assert (
        main(["leaderboard", "build", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    )
    for name in ("leaderboard.md", "leaderboard.csv", "index.html"):
        assert "date not known" in (tmp_path / "out" / name).read_text("utf-8")
    for name in ("leaderboard.md", "leaderboard.csv", "index.html"):
        assert "vlmevalkit-2024" in (tmp_path / "out" / name).read_text("utf-8").replace("\\", "")
    quoted = json.loads((tmp_path / "out" / "leaderboard.json").read_text("utf-8"))["quoted"]
    assert [table["date"] for table in quoted].count(None) == 1
    assert all(table["dated"] for table in quoted)
