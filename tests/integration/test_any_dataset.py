"""A stranger's dataset to a number: from a hub by name, from a folder, from an object of the process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets_made import png, shown, write_lines, write_parquet
from hub_server import HubServer, serving_hub

import vlmbench
from vlmbench.cli.main import main
from vlmbench.errors import UsageError

COLUMNS = {
    "question": ["What colour?", "Which one?", "And this?"],
    "options": [["red", "blue"], ["cat", "dog"], ["a", "b"]],
    "answer": ["1", "0", "1"],
    "image": [shown("red"), shown("blue"), shown("green")],
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.chdir(tmp_path)
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path / "home")
        yield server


@pytest.fixture
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def publish(hub: HubServer, folder: Path) -> str:
    for n in range(3):
        one = {name: values[n : n + 1] for name, values in COLUMNS.items()}
        write_parquet(folder / "data" / f"test-0000{n}-of-00003.parquet", one)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA set.\n")
    return hub.add_folder("stranger/colours", folder)


def test_a_name_on_the_hub_becomes_a_number_and_the_commit_is_locked(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = publish(hub, tmp_path / "made")
    assert main(["run", "--model", "echo:B", "--bench", "hf:stranger/colours/test"]) == 0
    assert "answer = answer (index)" in capsys.readouterr().err
    run = tmp_path / "runs" / "echo_B" / "colours_test"
    assert json.loads((run / "results.json").read_text())["headline"]["value"] == pytest.approx(2 / 3)
    locked = json.loads((run / "run.json").read_text())["facts"]["dataset"]
    assert (locked["file"], locked["revision"]) == ("hf:stranger/colours/test", commit)
    asked = len(hub.asked)
    assert main(["run", "--model", "echo:B", "--bench", f"hf:stranger/colours@{commit}/test", "--fresh"]) == 0
    assert not [a for a in hub.asked[asked:] if a.path.endswith(".parquet")]


@pytest.mark.slow
def test_a_notebook_evaluates_a_hubs_dataset_by_name(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, value in hub.environment(tmp_path / "home", OMP_NUM_THREADS="1").items():
        monkeypatch.setenv(name, value)
    publish(hub, tmp_path / "made")
    cell = 'import vlmbench\nrun = vlmbench.evaluate("demo", "hf:stranger/colours/test")\nrun'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    (table,) = [
        o["data"]["text/html"] for o in notebook.cells[0].outputs if o.output_type == "execute_result"
    ]
    assert "colours_test" in table
    assert "accuracy" in table
    assert len(vlmbench.load_run(tmp_path / "runs/demo/colours_test").samples()) == 3


def test_another_commit_with_other_rows_is_refused_by_name(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, tmp_path / "made")
    command = ["run", "--model", "echo:B", "--bench", "hf:stranger/colours/test"]
    assert main(command) == 0
    write_parquet(tmp_path / "made" / "data" / "test-00000-of-00003.parquet", COLUMNS)
    hub.add_folder("stranger/colours", tmp_path / "made")
    assert main(command) == 1
    assert "dataset" in capsys.readouterr().err


def test_a_dataset_with_a_script_is_refused(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("stranger/colours", {"colours.py": b"raise SystemExit", "README.md": b"A set."})
    assert main(["show", "hf:stranger/colours/test"]) == 1
    assert "vlmbench runs no code of a dataset" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_answered_with_those_that_are(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, tmp_path / "made")
    assert main(["show", "hf:stranger/colours/tset"]) == 2
    assert "Did you mean test" in capsys.readouterr().err


@pytest.mark.usefixtures("_apart")
def test_show_prints_card_columns_three_samples_and_the_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "mine" / "test-00000-of-00001.parquet", COLUMNS)
    assert main(["show", "mine"]) == 0
    shown_text = capsys.readouterr().out
    for part in (
        "multiple-choice",
        "options = options",
        "A. red; B. blue",
        "→ B",
        "And this?",
        "style vlmevalkit",
    ):
        assert part in shown_text
    assert main(["show", "mine/test", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["columns"]["answer-is"] == "index"
    assert [sample["references"] for sample in document["samples"]] == [["B"], ["A"], ["B"]]


@pytest.mark.usefixtures("_apart")
def test_a_map_beside_the_data_and_one_that_is_named_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml = "question: '{q} {more}'\nanswer: right\nfamily: short-answer\nmetric: contains\nname: Mine\n"
    lines = [{"q": "Colour", "more": "please?", "right": "red", "x": n} for n in range(2)]
    write_lines(tmp_path / "mine.jsonl", lines)
    (tmp_path / "other.yaml").write_text(yaml)
    assert main(["run", "--model", "echo:a red one", "--bench", "mine.jsonl", "--map", "other.yaml"]) == 0
    (tmp_path / "mine.yaml").write_text(yaml)
    assert main(["run", "--model", "echo:a red one", "--bench", "mine.jsonl", "--out", "again"]) == 0
    figures = [
        json.loads((tmp_path / folder / "results.json").read_text())["headline"]
        for folder in ("runs/echo_a_red_one/Mine", "again")
    ]
    assert figures[0] == figures[1]
    assert figures[0]["value"] == 1.0
    capsys.readouterr()
    assert main(["run", "--model", "echo", "--bench", "POPE", "--map", "other.yaml"]) == 2
    assert "nothing to map" in capsys.readouterr().err


@pytest.mark.usefixtures("_apart")
def test_pictures_stand_where_the_text_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {
        "question": ["Is <image> like <image>?"],
        "images": [[shown("red"), shown("blue")]],
        "answer": ["no"],
    }
    write_parquet(tmp_path / "mine.parquet", columns)
    assert main(["show", "mine.parquet", "--format", "json"]) == 0
    assert "Is <image> like <image>?" in json.loads(capsys.readouterr().out)["prompt"]


@pytest.mark.usefixtures("_apart")
def test_a_dataset_object_and_its_file_are_the_same_data(tmp_path: Path) -> None:
    from datasets import Dataset, Features, Image, List, Value

    features = Features(
        {
            "question": Value("string"),
            "options": List(Value("string")),
            "answer": Value("string"),
            "image": Image(),
        }
    )
    data = Dataset.from_dict(COLUMNS, features=features)
    write_parquet(tmp_path / "mine.parquet", COLUMNS, features)
    ours = vlmbench.evaluate("echo:B", data, mapping={"name": "object"}, progress=False)
    files = vlmbench.evaluate("echo:B", "mine.parquet", progress=False)
    assert ours.headline.value == files.headline.value == pytest.approx(2 / 3)
    assert list(ours.samples()["pictures"]) == list(files.samples()["pictures"])
    turned = vlmbench.evaluate("echo:B", data.select([2, 1, 0]), mapping={"name": "turned"}, progress=False)
    assert turned.headline.value == ours.headline.value


@pytest.mark.usefixtures("_apart")
def test_a_frame_may_hold_pictures_as_pixels_bytes_or_paths(tmp_path: Path) -> None:
    import pandas as pd
    from PIL import Image

    (tmp_path / "red.png").write_bytes(png("red"))
    frame = pd.DataFrame(
        {
            "query": ["Colour?", "Colour?", "Colour?"],
            "label": ["red", "blue", None],
            "image": [Image.new("RGB", (9, 9), "red"), png("blue"), str(tmp_path / "red.png")],
        }
    )
    result = vlmbench.evaluate("echo:red", frame, progress=False)
    rows = result.samples()
    assert rows["pictures"][1] == (hashlib.sha256(png("blue")).hexdigest(),)
    assert rows["pictures"][2] == (hashlib.sha256(png("red")).hexdigest(),)
    assert result.headline.value == 0.5


@pytest.mark.parametrize("given", [{"train": 1}, 5])
def test_what_has_no_rows_is_no_benchmark(given: object) -> None:
    with pytest.raises(UsageError, match=r"mapping of splits|no benchmark"):
        vlmbench.evaluate("echo", given, progress=False)  # type: ignore[call-overload]


def test_a_run_of_a_users_own_data_finds_its_pictures_and_prompts_again(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from vlmbench.report.page.questions import prompts_of
    from vlmbench.report.runs import open_run

    publish(hub, tmp_path / "made")
    write_lines(tmp_path / "mine.jsonl", [{"q": "Which?", "a": "red"}])
    (tmp_path / "map.yml").write_text("question: q\nanswer: a\n")
    (tmp_path / "own.tsv").write_text("index\tquestion\tA\tB\tanswer\n1\tWhich?\tred\tblue\tA\n")
    commands = {
        "hub": ["hf:stranger/colours/test"],
        "folder": ["made"],
        "split": ["made/test"],
        "file": ["mine.jsonl", "--map", "map.yml"],
        "tsv": ["own.tsv", "--circular"],
    }
    for name, bench in commands.items():
        command = ["run", "--model", "echo:B", "--out", f"runs/{name}", "--bench", *bench]
        monkeypatch.setattr("sys.argv", ["vlmbench", *command])
        assert main(command) == 0
    from datasets import Dataset

    vlmbench.evaluate("echo:B", Dataset.from_dict(COLUMNS), out="runs/object", progress=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for name in commands:
        run = open_run(tmp_path / "runs" / name)
        assert not run.questions.missing, name
        assert prompts_of(run).note is None
        assert all(run.questions.images[d] for s in run.questions.samples for d in s.images)
        assert main(["export", str(tmp_path / "runs" / name), "--format", "predictions"]) == 0
    kept = open_run(tmp_path / "runs" / "object").questions
    assert [kept.images[d] for s in kept.samples for d in s.images] == [
        png(c) for c in ("red", "blue", "green")
    ]


def test_data_gets_and_checks_a_dataset_as_it_does_a_file(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, tmp_path / "made")
    assert main(["data", "get", "hf:stranger/colours/test"]) == 0
    assert "hf:stranger/colours/test is here: " in capsys.readouterr().out
    asked = len(hub.asked)
    assert main(["data", "check", "hf:stranger/colours/test", "made", "--format", "json"]) == 0
    assert not [a for a in hub.asked[asked:] if a.path.endswith(".parquet")]
    for report in json.loads(capsys.readouterr().out):
        assert (report["rows"], report["state"], report["problems"]) == (3, "dataset", {})


@pytest.mark.usefixtures("_apart")
def test_data_check_lists_the_rows_of_a_mapped_dataset_that_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "mine.parquet", {"q": ["Which?", ""], "a": ["red", "blue"]})
    (tmp_path / "map.yml").write_text("question: q\nanswer: a\n")
    assert main(["data", "check", "mine.parquet", "--map", "map.yml"]) == 1
    assert "1 rows cannot be asked" in capsys.readouterr().out
