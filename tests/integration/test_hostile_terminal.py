"""A stranger's text on a terminal: of no verb, and from no field, does a byte arrive that would steer it."""

from __future__ import annotations

import ast
import base64
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_runs import skilled, write_run
from chat_server import Fault, chat_server
from raw_terminal import FILED, HOSTILE, WRITTEN, raw_terminal, steering
from repository import ROOT

from vlmbench import __main__
from vlmbench.cli.main import main
from vlmbench.plain_text import one_line, printable

Command = Callable[..., None]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run a command line on a terminal: the hostile texts come there, and nothing steers it."""

    came: list[str] = []

    def command(*words: object) -> None:
        with monkeypatch.context() as patch:
            screen = raw_terminal(patch)
            main([str(word) for word in words])
            raw = screen.raw()
        assert steering(raw) == [], words
        came.append(raw)

    yield command
    assert "owned" in "".join(came)


def picture() -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def benchmark(folder: Path, name: str = "Own") -> Path:
    """Three rows of which every cell, and one column, are hostile."""
    columns = ["index", "question", "A", "B", "answer", "category", "l2-category", "image", WRITTEN]
    rows = [[f"{WRITTEN}{i}", WRITTEN, WRITTEN, "b", "A", WRITTEN, WRITTEN, picture(), "c"] for i in range(3)]
    file = folder / f"{name}.tsv"
    file.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n", "utf-8")
    return file


def strange_run(folder: Path) -> Path:
    """A run folder whose every text is hostile."""
    judged = {"count": 0, "model": HOSTILE}
    made = write_run(folder, HOSTILE, skilled(5), benchmark=HOSTILE, judged=judged)
    about = json.loads((made / "run.json").read_text())
    about["sittings"] = [{"versions": {"vlmbench": HOSTILE, HOSTILE: HOSTILE}}]
    (made / "run.json").write_text(json.dumps(about))
    status = {"stage": "stopped", "reason": HOSTILE, "total": 9, "done": 1, "process": 1, "host": HOSTILE}
    (made / "status.json").write_text(json.dumps(status))
    answer = {"id": HOSTILE, "text": HOSTILE, "finish": "error", "error": HOSTILE}
    (made / "responses.jsonl").write_text(json.dumps(answer) + "\n")
    return made


def test_a_benchmark_and_what_is_made_of_it(shown: Command, tmp_path: Path) -> None:
    folder = tmp_path / FILED[:90]
    folder.mkdir()
    file, out = benchmark(folder), folder / "run"
    for line in (
        ["show", file],
        ["show", file, "--sample", HOSTILE],
        ["show", file, "--format", "json"],
        ["data", "check", file],
        ["run", "--model", "echo", "--bench", file, "--out", out],
        ["run", "--model", "echo", "--bench", file, "--out", out],
        ["status", out],
        ["status", out, "--format", "tsv"],
        ["status", out, "--format", "json"],
        ["report", out],
        ["compare", out, out],
        ["export", out],
        ["leaderboard", "build", "--runs", folder, "--out", folder / "board", "--no-published"],
    ):
        shown(*line)


def test_the_folder_of_a_run(shown: Command, tmp_path: Path) -> None:
    one, other = strange_run(tmp_path / "one"), strange_run(tmp_path / FILED[:90])
    for line in (
        ["status", one],
        ["status", one, "--watch"],
        ["status", other, "--format", "tsv"],
        ["report", one, "--out", tmp_path / FILED[:80]],
        ["compare", one, other],
        ["compare", one, other, "--format", "json"],
        ["export", one],
        ["export", other, "--format", "inspect"],
        ["leaderboard", "build", "--runs", tmp_path, "--out", tmp_path / "board", "--no-published"],
    ):
        shown(*line)


PREDICTIONS: dict[str, str] = {
    "a.json": json.dumps([{HOSTILE: HOSTILE, "index": HOSTILE, "prediction": HOSTILE}]),
    "b.json": json.dumps({HOSTILE: HOSTILE}),
    "c.jsonl": json.dumps({HOSTILE: 1, "question_id": HOSTILE}),
    "d.tsv": f"index\tprediction\t{WRITTEN}\n{WRITTEN}\t{WRITTEN}\tb\n",
    "e.csv": f"{WRITTEN},{WRITTEN}\n1,2\n",
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions(shown: Command, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{FILED[:80]}{name}"
    file.write_text(PREDICTIONS[name], "utf-8")
    shown("score", "--predictions", file, "--bench", benchmark(tmp_path))
    shown("check-submission", file, "--bench", "Shapes_TEST_EN")


KEY = json.dumps(HOSTILE)
YAML = {
    "recipe": f"name: {KEY}\nbase: demo_lora\nabout: {KEY}\n{KEY}: {KEY}\n",
    "known": f"base: {KEY}\n",
    "plugin": f"benchmarks:\n- name: {KEY}\n  family: {KEY}\n  {KEY}: {KEY}\n",
    "config": f"{KEY}: {KEY}\n",
    "broken": f"a: [{WRITTEN}\n",
}


@pytest.mark.parametrize("name", YAML)
def test_yaml(shown: Command, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{FILED[:80]}{name}.yaml"
    file.write_text(YAML[name], "utf-8")
    for line in (
        ["train", file, "--plan"],
        ["recipes", "show", file],
        ["recipes", "copy", file, tmp_path / "copied"],
        ["recipes", "import", file],
        ["list", HOSTILE, "--plugin", file],
        ["show", file],
        ["doctor", "--config", file],
    ):
        shown(*line)


@pytest.mark.slow
def test_model_folders(shown: Command, tmp_path: Path) -> None:
    folder = tmp_path / FILED[:90]
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": HOSTILE, "architectures": [HOSTILE]}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": HOSTILE}))
    for line in (
        ["run", "--model", folder, "--bench", "Shapes_DEV_EN"],
        ["run", "--model", f"hf:{folder}", "--bench", "Shapes_DEV_EN"],
        ["chat", "--model", folder],
        ["convert", folder, tmp_path / "new", "--to", "huggingface"],
        ["merge", folder, tmp_path / "new"],
        ["build", "--llm", folder, "--vision", folder, tmp_path / "new"],
        ["doctor", "--model", folder],
    ):
        shown(*line)


def test_training_data_and_names(shown: Command, tmp_path: Path) -> None:
    data = tmp_path / f"{FILED[:80]}.json"
    data.write_text(json.dumps([{"id": HOSTILE, "image": HOSTILE, "conversations": HOSTILE}]))
    for line in (["data", "check", data], ["data", "get", HOSTILE], ["cache", "delete", HOSTILE]):
        shown(*line)


def test_words_of_the_command_line(shown: Command) -> None:
    from vlmbench.cli.main import VERBS

    shown(HOSTILE)
    for verb in VERBS:
        shown(verb, f"--{HOSTILE}")
        shown(verb, "--config", HOSTILE)


@pytest.mark.parametrize("status", [200, 400, 401, 404])
def test_a_server(shown: Command, tmp_path: Path, status: int) -> None:
    error = json.dumps({"error": {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}}).encode()
    fault = Fault(status=status, body=error)
    with chat_server(lambda *_: HOSTILE if status == 200 else fault) as server:
        line = ["run", "--model", server.spec, "--bench", benchmark(tmp_path), "--out", tmp_path / "run"]
        shown(*line)


def test_everyday_text_is_shown_as_it_is() -> None:
    text = "👩\u200d💻 مرحبا بالعالم שלום नमस्ते 中文\u3000测 ❤\ufe0f \xe9"
    assert printable(text) == one_line(text) == text


def test_the_traceback_of_a_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(_: object) -> int:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("vlmbench.cli.main.main", mistaken)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    with pytest.raises(RuntimeError) as raised:
        __main__.main()
    with monkeypatch.context() as patch:
        screen = raw_terminal(patch)
        sys.excepthook(RuntimeError, raised.value, raised.value.__traceback__)
        raw = screen.raw()
    assert steering(raw) == ["Traceback"]
    assert "\\x1b]0;owned\\x07" in raw


def test_the_command_line_prints_through_one_door() -> None:
    """No module has a `print` or an open stream of its own, but for fixed words before somebody types."""
    doors = {"chat/terminal.py": 2, "_shared/downloading.py": 1, "_shared/console.py": 1}
    found = dict[str, int]()
    for file in sorted((ROOT / "vlmbench" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in WAYS:
                place = file.relative_to(ROOT / "vlmbench" / "cli").as_posix()
                found[place] = found.get(place, 0) + 1
    assert found == doors


WAYS = ("print", "sys.stdout.write", "sys.stderr.write", "Console")
