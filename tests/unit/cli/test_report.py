"""`vlmbench report` on real run folders: where pages go, and what is refused with which words."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from vlmbench.cli.main import main
from vlmbench.cli.report import page_sets, targets
from vlmbench.domain import RULE_SETS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of echo over a few questions of Shapes."""
    folder = tmp_path_factory.mktemp("runs") / "a" / "Shapes_DEV_EN"
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "6", "--out", str(folder)])
    return folder


def test_the_page_lies_in_the_run_folder_with_pictures_and_prompts(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--format", "json"]) == 0
    (written,) = json.loads(capsys.readouterr().out)
    assert written["page"] == str(run / "report.html")
    page = (run / "report.html").read_text("utf-8")
    assert 'id="picture-0"' in page
    assert "Please select the correct answer from the options above." in page


def test_two_runs_go_side_by_side_and_each_stands_alone_when_asked(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "b" / "Shapes_DEV_EN")
    assert main(["report", str(run), str(other)]) == 0
    assert (other / "report-compared.html").exists()
    assert main(["report", str(run), str(other), "--each", "--out", str(tmp_path / "pages")]) == 0
    assert sorted(p.name for p in (tmp_path / "pages").iterdir()) == [
        "a-Shapes_DEV_EN.html",
        "b-Shapes_DEV_EN.html",
    ]
    assert page_sets([run, other]) == [(run, other)]
    assert page_sets([run.parent, other.parent]) == [(run, other)]
    assert targets([(run,), (run,)], tmp_path)[1].name == "a-Shapes_DEV_EN-2.html"


def test_another_dataset_under_the_same_name_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(run, tmp_path / "b")
    about = json.loads((other / "run.json").read_text())
    about["facts"]["dataset"]["md5"] = "0" * 32
    (other / "run.json").write_text(json.dumps(about))
    assert main(["report", str(run), str(other)]) == 1
    assert "two different files of Shapes_DEV_EN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("results.json", "{", "damaged"),
        ("results.json", '{"schema_version": 99}', "newer version"),
        ("scores.jsonl", "{}\n", "not a score"),
        ("run.json", "[]", "cannot be read"),
    ],
)
def test_a_damaged_or_newer_folder_is_refused_with_the_reason(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, words: str
) -> None:
    broken = shutil.copytree(run, tmp_path / "broken", ignore=shutil.ignore_patterns("report.html"))
    (broken / file).write_text(text)
    assert main(["report", str(broken)]) == 1
    assert words in capsys.readouterr().err
    assert not (broken / "report.html").exists()


def test_a_training_and_an_evaluation_are_not_put_side_by_side(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    assert main(["report", str(run), str(tmp_path)]) == 2
    assert "--each" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists()


def test_two_runs_are_tested_under_every_rule_set(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "b" / "Shapes_DEV_EN")
    page = tmp_path / "page.html"
    assert main(["report", str(run), str(other), "--out", str(page)]) == 0
    found = re.search(r'id="data-figures">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    difference = json.loads(found[1])["difference"]
    assert list(difference) == list(RULE_SETS)
    assert "reason" in difference.pop("original")  # no evaluator of its authors: nothing to compare
    assert all(under["verdict"] == "same" and under["categories"] for under in difference.values())
