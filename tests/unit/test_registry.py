"""Names: shipped, catalogued, aliased, rotated, plugged in, contested."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from vlmbench.benchmarks import catalogue
from vlmbench.benchmarks.catalogue import aliases, entries, is_circular
from vlmbench.cli.main import main
from vlmbench.errors import UnknownName, UsageError
from vlmbench.registry import Registry

ONE = """
from vlmbench.benchmarks import MultipleChoice
from vlmbench.domain import Card, DataFile
benchmark = MultipleChoice(
    Card(name="{name}", measures="x", family="multiple-choice", file=DataFile(name="{name}.tsv"))
)
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def plugin(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_every_name_of_the_catalogue_is_a_benchmark_with_one_owner(registry: Registry) -> None:
    names = [name for name, entry in entries().items() if entry["family"] != "caption"]
    assert len(names) > 90
    for name in names:
        card = registry.benchmark(name).card
        assert card.name == name
        assert card.circular == (card.family == "multiple-choice" and is_circular(name))


def test_modules_agree_with_the_catalogue_on_file_and_checksum(registry: Registry) -> None:
    for name, entry in entries().items():
        if name in registry.owners:
            file = registry.owners[name][0][1].card.file
            assert (file.name, file.url) == (f"{name}.tsv", entry["url"])
            assert file.md5[:1] == ((entry["md5"],) if "md5" in entry else ())


def test_names_and_aliases_are_at_least_110(registry: Registry) -> None:
    assert len(registry.benchmarks) + len(registry.aliases) >= 110
    assert set(registry.aliases.values()) <= set(registry.benchmarks)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("mmbench_en_dev", "MMBench_DEV_EN"),
        ("scienceqa_img", "ScienceQA_TEST"),
        ("scienceqa", "ScienceQA_TEST_ALL"),
        ("POPE", "POPE"),
        ("mmstar", "MMStar"),
        ("seedbench_img", "SEEDBench_IMG"),
        ("SEEDBench_IMG_circular", "SEEDBench_IMG_circular"),
        ("mmstar_circular", "MMStar_circular"),
        ("BLINK_circular", "BLINK_circular"),
    ],
)
def test_names_of_other_toolkits_and_rotated_names_are_understood(
    registry: Registry, typed: str, name: str
) -> None:
    assert registry.benchmark(typed).card.name == name


def test_aliases_are_in_lower_case() -> None:
    assert all(alias == alias.lower() for alias in aliases())


def test_two_names_that_differ_by_case_alone_must_be_written_out(registry: Registry) -> None:
    with pytest.raises(
        UsageError, match=r"MMBench_DEV_EN or MMBench_dev_en|MMBench_dev_en or MMBench_DEV_EN"
    ):
        registry.benchmark("mmbench_dev_en")


@pytest.mark.parametrize("name", ["POPE_circular", "MMBench_DEV_EN_circular"])
def test_what_cannot_be_rotated_has_no_circular_name(registry: Registry, name: str) -> None:
    with pytest.raises(UsageError, match="--circular"):
        registry.benchmark(name)


def test_an_unknown_name_is_answered_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(UnknownName, match="ScienceQA_TEST"):
        registry.benchmark("ScienceQA_TETS")


@pytest.mark.parametrize("typed", ["MMBench-DEV-EN", "MMBench_DEV"])
def test_of_names_that_differ_only_in_case_both_are_offered(registry: Registry, typed: str) -> None:
    with pytest.raises(UnknownName, match="MMBench_DEV_EN or MMBench_dev_en"):
        registry.benchmark(typed)


@pytest.mark.slow
def test_list_takes_less_than_half_a_second() -> None:
    def seconds() -> float:
        """Of the processor, which other work on the machine does not take."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "vlmbench", "list"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.5


def test_list_shows_family_languages_rows_file_and_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--format", "tsv"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    table = {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}
    assert table["CCBench"]["family"] == "multiple-choice (circular)"
    assert table["MMMB_ar"]["languages"] == "ar"
    assert table["AI2D_TEST"]["rows"] == "3088"
    assert table["Shapes_DEV_EN"]["file"] == "here"
    assert "mmbench_en_dev" in table["MMBench_DEV_EN"]["also"]


def test_a_number_of_rows_that_nobody_published_is_a_question_mark_until_the_file_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*form: str) -> tuple[str, str]:
        assert main(["list", "MMCR", *form]) == 0
        return capsys.readouterr()

    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    table, note = shown()
    assert "  ?  " in table
    assert "`vlmbench data check NAME` counts" in note
    assert json.loads(shown("--format", "json")[0])[0]["rows"] is None

    read = tmp_path / "tables" / entries()["MMCR"]["md5"] / "facts.json"
    read.parent.mkdir(parents=True)
    read.write_text('{"rows": 276}', "utf-8")
    table, note = shown()
    assert ("  276  " in table, note) == (True, "")


def test_every_number_of_rows_in_the_catalogue_names_its_source() -> None:
    text = Path(catalogue.__file__).with_name("catalogue.yaml").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("  rows:")]
    assert len(lines) == sum("rows" in entry for entry in entries().values()) > 20
    assert [line for line in lines if not re.fullmatch(r"  rows: \d+  # \S.+", line)] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["mmbench", "ZH", "dev"], {"MMBench_DEV_CN", "MMBench_DEV_CN_V11"}),
        (["*_MINI"], {"AI2D_MINI", "MathVista_MINI"}),
        (["benchmarks", "shapes", "en"], {"Shapes_DEV_EN", "Shapes_TEST_EN"}),
        (["rules", "xtuner's"], {"vlmevalkit-2024"}),
    ],
)
def test_list_finds_rows_by_words(
    words: list[str], found: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", *words, "--format", "json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} >= found


def test_words_that_stand_nowhere_are_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "suitess"]) == 2
    assert "Did you mean suites" in capsys.readouterr().err


def test_a_plugin_file_offers_a_benchmark(tmp_path: Path) -> None:
    assert Registry([plugin(tmp_path, ONE.format(name="Pets"))]).benchmark("pets").card.name == "Pets"


def test_a_name_with_two_owners_names_both(tmp_path: Path) -> None:
    mine = Registry([plugin(tmp_path, ONE.format(name="POPE"))])
    with pytest.raises(UsageError, match=r"vlmbench\.benchmarks\.pope and .*mine\.py"):
        mine.benchmark("POPE")
    assert mine.benchmark("MME").card.name == "MME"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_that_name", "nothing_of_that_name"),
        ("1 +", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "offers neither"),
        ("BENCHMARKS = [3]", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_one_row_with_its_reason_and_breaks_nothing_else(
    tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, whole = plugin(tmp_path, text), plugin(tmp_path, ONE.format(name="Pets"), "whole.py")
    argv = ["list", "plugins", "--format", "tsv", "--plugin", str(broken), "--plugin", str(whole)]
    assert main(argv) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 3
    assert reason in rows[1]
    assert rows[2].split("\t")[1] == "Pets"
    assert main(["show", "nope", "--plugin", str(broken)]) == 2
    assert "list plugins" in capsys.readouterr().err


def test_a_plugin_that_is_not_there_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "plugins", "--plugin", str(tmp_path / "no.py")]) == 2
    assert "`--plugin`: there is no such file" in capsys.readouterr().err


def test_plugins_can_stand_in_a_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"plugin: {plugin(tmp_path, ONE.format(name='Pets'))}\n", "utf-8")
    assert main(["list", "--config", str(config)]) == 0
    assert "\nPets " in capsys.readouterr().out
