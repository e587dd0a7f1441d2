"""Reading run folders: what is sound is given whole, what is not is refused with the reason."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from repository import ROOT
from samples import metric, rotated, run
from tiny_models import picture

from vlmbench.cli.main import main
from vlmbench.errors import RunFolderError
from vlmbench.report.page.questions import prompts_of
from vlmbench.report.results import results_document, results_schema
from vlmbench.report.runs import first_problem, open_run, run_folders


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "echo" / "Shapes_DEV_EN"
    command = ["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "6", "--out", str(folder)]
    assert main(command) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_is_given_whole(finished: Path) -> None:
    found = open_run(finished)
    assert (found.model, found.benchmark, found.rules) == ("echo:B", "Shapes_DEV_EN", "strict")
    assert (found.circular, found.whole, found.results["headline"]["n"]) == (True, True, 6)
    samples = found.questions.samples
    assert {s.id for s in samples} == set(found.responses) == {s.id for s in found.scores["strict"]}
    assert found.questions.images is not None
    assert found.questions.images[samples[0].images[0]].startswith(b"\x89PNG")
    assert found.questions.card is not None


def test_without_the_same_data_the_questions_come_from_the_runs_own_table(folder: Path) -> None:
    whole = open_run(folder).questions.samples
    about = json.loads((folder / "run.json").read_text())
    about["facts"]["dataset"]["md5"] = "0" * 32
    (folder / "run.json").write_text(json.dumps(about))
    found = open_run(folder).questions
    assert found.images is None
    assert found.card is not None
    for name in ("id", "group", "question", "choices", "references", "categories"):
        assert [getattr(s, name) for s in found.samples] == [getattr(s, name) for s in whole]
    (folder / "predictions.xlsx").unlink()
    with pytest.raises(RunFolderError, match="not the file that this run used"):
        _ = open_run(folder).questions


def test_without_the_data_rows_still_name_their_pictures(folder: Path) -> None:
    whole = open_run(folder).questions
    edit(folder / "run.json", lambda d: d["facts"]["dataset"].update(md5="0" * 32))
    found = open_run(folder).questions
    assert [s.images for s in found.samples] == [s.images for s in whole.samples]
    assert (found.shown, whole.shown, whole.missing) == (True, True, "")
    assert "not the file that this run used" in found.missing
    (folder / "pictures.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(RunFolderError, match="row 1: this line does not give the pictures"):
        _ = open_run(folder).questions
    (folder / "pictures.jsonl").unlink()
    assert not open_run(folder).questions.shown


def test_a_models_folder_holds_several_runs(finished: Path) -> None:
    assert run_folders(finished) == [finished]
    assert run_folders(finished.parent) == [finished]


def test_answers_set_aside_are_a_run_only_where_their_folder_is_named(folder: Path) -> None:
    aside = shutil.copytree(folder, folder.with_name("run.old-1"))
    assert run_folders(folder.parent) == [folder]
    assert run_folders(aside) == [aside]


def test_a_folder_without_runs_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="runs/NAME"):
        run_folders(tmp_path)
    with pytest.raises(RunFolderError, match="no such folder"):
        open_run(tmp_path / "absent")


def edit(file: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(file.read_text("utf-8"))
    change(document)
    file.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(schema_version=2), "newer version of vlmbench"),
        (lambda d: d.update(schema_version=0), "another version of vlmbench"),
        (lambda d: d.pop("headline"), "the document has no `headline`"),
        (lambda d: d["headline"].update(value="0.9"), "headline.value is string, not number or null"),
        (lambda d: d["headline"].update(n=-1), "headline.n is -1"),
        (lambda d: d.update(rules="loose"), "rules is 'loose', not one of strict"),
        (lambda d: d.update(script="<script>"), "script does not belong there"),
        (lambda d: d.update(model="another"), "they belong to two runs"),
    ],
)
def test_results_that_cannot_be_trusted_are_refused_by_name(
    folder: Path, change: Callable[[Any], object], reason: str
) -> None:
    edit(folder / "results.json", change)
    with pytest.raises(RunFolderError, match=reason):
        open_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("results.json", b"{", "damaged"),
        ("results.json", b"\xff\xfe", "damaged"),
        ("results.json", b"[" * 200_000, "damaged"),
        ("results.json", b"[]", "the document is array, not object"),
        ("results.json", b'{"schema_version": NaN}', "damaged"),
        ("run.json", b"[" * 200_000, "damaged|cannot be read"),
        (
            "run.json",
            b'{"schema_version": 1, "spec": 1, "facts": {}, "sittings": []}',
            "`spec` is a whole number, not an object",
        ),
        ("run.json", b'{"schema_version": 1, "spec": {}, "facts": {}, "sittings": 3}', "`sittings`"),
    ],
)
def test_damaged_documents_are_refused(folder: Path, name: str, content: bytes, reason: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=reason):
        open_run(folder)


def test_an_unfinished_run_is_refused(folder: Path) -> None:
    (folder / "results.json").unlink()
    with pytest.raises(RunFolderError, match="not finished"):
        open_run(folder)


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b'{"id": "1"}',
        b'{"id": "x", "group": "x", "rules": "loose", "extracted": null, "value": 1}',
        b'{"id": "x", "group": "x", "rules": "strict", "extracted": null, "value": NaN}',
        b'{"id": "x", "group": "x", "rules": "strict", "extracted": null, "value": true}',
        b'{"id": 5, "group": "x", "rules": "strict", "extracted": null, "value": 1}',
        b'{"id": "x", "group": "x", "rules": [], "extracted": null, "value": 1}',
    ],
)
def test_a_damaged_score_is_refused_with_its_line(folder: Path, line: bytes) -> None:
    file = folder / "scores.jsonl"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([lines[0], line, *lines[1:]]) + b"\n")
    with pytest.raises(RunFolderError, match="row 2: this line is not a score"):
        _ = open_run(folder).scores


def test_a_row_scored_twice_is_refused(folder: Path) -> None:
    file = folder / "scores.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"".join(lines))
    with pytest.raises(RunFolderError, match="row 2: this row occurs twice"):
        _ = open_run(folder).scores


DOCUMENT = results_document(run(rotated(3, answer="A"), [metric("circular accuracy"), metric("x", None)]))
PLACES = st.lists(st.integers(0, 40), min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3)
LISTS, OBJECTS = st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)
VALUES = SCALARS | LISTS | OBJECTS


@given(PLACES, VALUES)
def test_the_check_agrees_with_a_reference_on_any_change(places: list[int], value: Any) -> None:
    changed = json.loads(json.dumps(DOCUMENT))
    spot: Any = changed
    for place in places[:-1]:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        inner = spot[keys[place % len(keys)]] if keys else None
        spot = inner if isinstance(inner, (dict, list)) and inner else spot
    keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
    spot[keys[places[-1] % len(keys)]] = value
    sound = Draft202012Validator(results_schema()).is_valid(changed)
    if not (value is True and spot is changed) and value not in (float("inf"), float("-inf")):
        assert (first_problem(changed) is None) is sound


def test_a_run_of_a_changed_file_finds_its_pictures_again(tmp_path: Path) -> None:
    """Asked with --accept-local-data: the file has a published checksum, and is not that one."""
    from vlmbench.cli.main import main

    bundled = ROOT / "benchmarks" / "data" / "Shapes_DEV_EN.tsv"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MMBench_DEV_EN.tsv").write_bytes(bundled.read_bytes())
    out = tmp_path / "run"
    flags = ["--model", "echo:A", "--bench", "MMBench_DEV_EN", "--limit", "2", "--out", str(out)]
    assert main(["run", *flags, "--data-dir", str(tmp_path / "data"), "--accept-local-data"]) == 0
    questions = open_run(out, data_dir=tmp_path / "data").questions
    assert questions.images is not None
    assert all(sample.images for sample in questions.samples)


def test_a_run_of_a_bare_file_in_every_rotation_finds_its_pictures_and_prompts_again(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tsv = tmp_path / "mine.tsv"
    png = base64.b64encode(picture(8, 8)).decode()
    tsv.write_text(
        f"index\tquestion\tA\tB\tanswer\timage\n1\tWhich?\tx\ty\tA\t{png}\n2\tAnd?\tx\ty\tB\t{png}\n"
    )
    command = [
        "run",
        "--model",
        "echo:A",
        "--bench",
        "mine.tsv",
        "--circular",
        "--out",
        str(tmp_path / "run"),
    ]
    monkeypatch.setattr("sys.argv", ["vlmbench", *command])  # recorded in run.json
    assert main(command) == 0
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    run = open_run(tmp_path / "run")
    questions = run.questions
    assert [sample.id for sample in questions.samples] == ["1", "1000001", "2", "1000002"]
    prompts = prompts_of(run)
    assert prompts.note is None
    assert "Which?" in prompts.texts["1000001"]
    assert questions.images is not None
    assert all(questions.images[sample.images[0]] for sample in questions.samples)
