"""Several benchmarks under one name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vlmbench.cli.main import main
from vlmbench.errors import UserError
from vlmbench.registry import Registry
from vlmbench.suites import expand, suites


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    return tmp_path


def test_every_shipped_suite_names_benchmarks_that_exist() -> None:
    registry = Registry()
    for members in suites().values():
        assert [registry.benchmark(name).card.name for name in members] == list(members)


def test_the_table_of_the_llava_papers_has_all_its_columns() -> None:
    table = suites()["all-llava-table"]
    assert set(suites()["llava-llama-3-table"]) | set(suites()["llava-internlm-table"]) == set(table)
    assert len(table) == 15


def test_suites_and_names_mix_and_each_benchmark_comes_once() -> None:
    assert expand(["CCBench", "llava-internlm-table", "POPE"])[:2] == ["CCBench", "MMBench_TEST_EN"]
    assert len(expand(["CCBench", "llava-internlm-table", "POPE"])) == 6


def test_a_file_is_a_list_whose_paths_are_seen_from_where_it_lies(home: Path) -> None:
    (home / "quick.yaml").write_text("- POPE\n- mine.tsv\n", "utf-8")
    assert expand([str(home / "quick.yaml")]) == ["POPE", str(home / "mine.tsv")]


def test_the_users_own_suites_have_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "suites.yaml").write_text("quick: [POPE, MME]\n", "utf-8")
    assert expand(["quick"]) == ["POPE", "MME"]
    assert main(["list", "suites"]) == 0
    assert re.search(r"^quick +POPE, MME$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("[]", "one at least"), ("- 3", "benchmark names"), ("a: [", "not YAML"), ("family: yes-no", "mapping")],
)
def test_a_wrong_file_is_explained(home: Path, text: str, complaint: str) -> None:
    (home / "bad.yaml").write_text(text, "utf-8")
    with pytest.raises(UserError, match=complaint):
        expand([str(home / "bad.yaml")])


def test_a_benchmarks_own_yaml_is_no_suite(home: Path) -> None:
    (home / "mine.yaml").write_text("family: yes-no\n", "utf-8")
    (home / "mine.tsv").write_text("index\tquestion\n", "utf-8")
    with pytest.raises(UserError, match=r"--bench .*mine\.tsv"):
        expand([str(home / "mine.yaml")])
