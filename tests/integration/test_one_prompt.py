"""One model is asked in the same words on every route: its folder, a server that has the folder, a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server, pictures_of

from vlmbench.cli.main import main
from vlmbench.images import open_picture
from vlmbench.models.loading import demo_folder


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    """Serves the demo model's folder, as `vllm serve` lists it, and a model that nobody knows."""
    with chat_server("A") as server:
        server.served = [{"id": "demo", "root": str(demo_folder())}, {"id": "mine", "root": "me/mine"}]
        yield server


def run(out: Path, model: str, *more: str) -> int:
    few = ("--bench", "Shapes_DEV_EN", "--limit", "4", "--max-new-tokens", "2", "--device", "cpu")
    return main(["run", "--model", model, *few, "--out", str(out), *more])


def locked(out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "run.json").read_text("utf-8"))["facts"]
    return facts


def test_a_folder_and_a_server_that_has_it_are_asked_alike_and_compared(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "local", "demo") == 0
    assert run(tmp_path / "served", f"openai:demo@{server.url}") == 0
    line = (
        "prompt style llava (VLMEvalKit's LLaVA wrapper), for its model_type llava in config.json; --prompt"
    )
    assert capsys.readouterr().err.count(line) == 2
    local, served = locked(tmp_path / "local"), locked(tmp_path / "served")
    assert local["prompts"] == served["prompts"]
    assert "padding" not in local
    # The colour is that of the folder's image processor.
    assert served["padding"] == [122, 116, 104]
    sent = [open_picture(data) for body in server.bodies for _, data in pictures_of(body)]
    assert sent
    assert all(image.width == image.height for image in sent)
    assert main(["compare", str(tmp_path / "local"), str(tmp_path / "served")]) == 0


def test_a_name_that_belongs_to_no_family_is_said_with_the_flag(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", f"openai:mine@{server.url}") == 0
    said = "any model): no family is known for the name mine; --prompt STYLE chooses another"
    assert said in capsys.readouterr().err
    assert locked(tmp_path / "run")["style"] == "vlmevalkit"
    assert "padding" not in locked(tmp_path / "run")


def test_a_served_run_begun_in_other_words_says_which_flag_goes_on(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"openai:demo@{server.url}"
    assert run(tmp_path / "run", model, "--prompt", "vlmevalkit") == 0
    asked = len(server.bodies)
    assert run(tmp_path / "run", model) == 1
    assert "Add `--prompt vlmevalkit` to go on with them" in capsys.readouterr().err
    assert run(tmp_path / "run", model, "--prompt", "vlmevalkit") == 0
    assert len(server.bodies) == asked


def test_a_style_that_no_server_can_be_asked_in_leaves_no_run_behind(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    style = tmp_path / "mine.yaml"
    style.write_text("extends: llava\nopening: I choose\n")
    assert run(tmp_path / "run", f"openai:demo@{server.url}", "--prompt", str(style)) == 2
    assert "begins an answer anew" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
