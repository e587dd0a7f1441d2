"""`run --engine-arg` and `evaluate(engine_args=…)` with transformers: what arrives, is locked, is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vlmbench
from vlmbench.cli.main import main
from vlmbench.errors import UserError
from vlmbench.models.loading import demo_folder, load_model

FEW = ["--bench", "Shapes_DEV_EN", "--limit", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*more: str) -> int:
    return main(["run", "--model", "demo", *FEW, *more])


def recorded(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return document


def test_settings_reach_the_model_are_recorded_and_shown_by_compare(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--out", "a", "--engine-arg", "attn_implementation=eager", "device_map=cpu") == 0
    document = recorded(Path("a"))
    assert document["facts"]["model"]["engine"] == {"attn_implementation": "eager"}
    given = {"attn_implementation": "eager", "device_map": "cpu"}
    assert document["sittings"][0]["engine args"] == given
    model: Any = load_model("demo", engine_args=given)
    assert model._weights.config._attn_implementation == "eager"
    vlmbench.evaluate(
        "demo", "Shapes_DEV_EN", limit=1, out="b", engine_args={"device_map": "cpu"}, progress=False
    )
    assert "engine" not in recorded(Path("b"))["facts"]["model"]
    main(["compare", "a", "b"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "settings differ: attn_implementation eager and attn_implementation not set" in shown


def test_another_attention_does_not_continue_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", "a") == 0
    assert run("--out", "a", "--engine-arg", "attn_implementation=eager") == 1
    assert "model.engine" in capsys.readouterr().err
    assert run("--out", "a", "--engine-arg", "device_map=cpu") == 0


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("demo", ["--engine-arg", "gpu_memory_utilization=0.5"], "`vllm:PATH` has vLLM's settings"),
        ("echo", ["--engine-arg", "device_map=cpu"], "is no engine"),
        ("demo", ["--engine-arg", "device_map=cpu", "--device", "cpu"], "both say where the model goes"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_it_loads(
    model: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", model, *FEW, *more]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "loaded" not in shown
    assert not Path("runs").exists()


def test_a_checkpoint_in_parts_names_the_command_that_makes_a_folder() -> None:
    assert main(["convert", str(demo_folder()), "parts", "--to", "official"]) == 0
    with pytest.raises(UserError, match="vlmbench convert"):
        load_model("parts", engine_args={"attn_implementation": "eager"})


def test_a_loaded_model_takes_none() -> None:
    with pytest.raises(UserError, match="loaded already"):
        vlmbench.evaluate(lambda messages, images: "A", "Shapes_DEV_EN", engine_args={"device_map": "cpu"})
