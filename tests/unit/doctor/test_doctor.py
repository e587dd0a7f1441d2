"""The doctor: what is missing here, and where two ways of asking one model first differ."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import TinyModel
from chat_server import chat_server

import vlmbench.doctor.checks
from vlmbench.cli.main import main
from vlmbench.doctor.compare import View, compare, difference_of_pixels, difference_of_steps
from vlmbench.domain import Response


def doctor(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(["doctor", *argv])
    return code, capsys.readouterr().out


def test_one_model_in_two_batch_sizes_is_the_same(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = doctor(capsys, "--model", str(tiny_model("llava")), "--against", "batch-size=3")
    assert code == 0
    assert "no difference" in out
    assert "not shown" not in out


def test_two_formats_part_at_the_logits_or_later(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tiny_model("llava"))
    code, out = doctor(capsys, "--model", folder, "--against", "dtype=bfloat16", "--format", "json")
    found = json.loads(out)
    differing = {stage["name"]: len(stage["differing"]) for stage in found["stages"]}
    assert (differing["text"], differing["tokens"], differing["pixels"]) == (0, 0, 0)
    assert found["first"] in ("first", "answer")
    assert code == 1


def test_a_changed_template_is_found_where_it_changes(
    llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = shutil.copytree(llava, llava.with_name("changed"))
    template = changed / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("ASSISTANT:", "ASSISTENT:"), "utf-8")
    code, out = doctor(capsys, "--model", str(llava), "--against", str(changed))
    assert code == 1
    assert "the first difference is in the rendered text:" in out
    assert "ASSISTANT:' against" in out
    assert "ASSISTENT:'" in out


def test_other_pixels_are_found_before_what_follows_from_them(
    llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tiny_models import edit_json

    changed = shutil.copytree(llava, llava.with_name("changed"))
    images = json.loads((changed / "processor_config.json").read_text("utf-8"))["image_processor"]
    edit_json(changed / "processor_config.json", image_processor=images | {"image_mean": [0.5, 0.5, 0.5]})
    code, out = doctor(capsys, "--model", str(llava), "--against", str(changed))
    assert code == 1
    assert "the first difference is in the pixel tensor:" in out


def test_a_model_that_shows_its_answer_alone_is_compared_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = doctor(capsys, "--model", "echo:A", "--against", "echo:B")
    assert code == 1
    assert "not available on both sides" in out
    assert "the first difference is in the answer:" in out


def test_an_error_is_an_answer_too() -> None:
    fine = View(id="1", answer=Response(id="1", text="A", finish="stop"))
    broken = View(id="1", answer=Response(id="1", text="", finish="error", error="no memory"))
    first = compare([fine], [broken]).first
    assert first is not None
    assert "no memory" in first.differing[0][1]


def test_numbers_may_differ_by_rounding() -> None:
    one = np.zeros((1, 3, 2, 2))
    assert difference_of_pixels(one, one + 1e-7, 1e-5) == ("", pytest.approx(1e-7))
    assert "100.0% of the numbers" in difference_of_pixels(one, one + 1, 1e-5)[0]
    assert "shape" in difference_of_pixels(one, one[:, :2], 1e-5)[0]
    assert difference_of_steps({5: -1.0, 6: -2.0}, {5: -1.0001, 7: -3.0}, 1e-3)[0] == ""
    assert "the likeliest is 5 against 6" in difference_of_steps({5: -1, 6: -2}, {5: -2, 6: -1}, 1e-3)[0]


def test_what_is_here_is_listed_and_the_rest_has_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = doctor(capsys, "--format", "json")
    found: dict[str, Any] = {check["name"]: check for check in json.loads(out)}
    assert code == 0
    assert {"Python", "torch", "transformers", "ray", "vllm", "devices", "home folder"} <= found.keys()
    assert all(check["fix"] for check in found.values() if check["state"] != "ok")
    assert main(["doctor"]) == 0


def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version

    def without_torch(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(vlmbench.doctor.checks, "version", without_torch)
    code, out = doctor(capsys)
    assert code == 1
    assert "pip install 'torch>=" in out
    assert "1 required item is missing" in out


def test_a_home_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "file" / "home"))
    code, out = doctor(capsys)
    assert code == 1
    assert "Set VLMBENCH_HOME" in out


def test_a_server_is_compared_by_its_answers_without_padded_pictures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with chat_server("A") as server:
        code, out = doctor(capsys, "--model", "echo:A", "--against", server.spec, "--format", "json")
    compared = {stage["name"]: stage["compared"] for stage in json.loads(out)["stages"]}
    assert (code, compared["answer"], compared["text"]) == (0, 6, 0)
    assert len(server.bodies) == 6


def test_nothing_of_transformers_is_said_meanwhile(
    tiny_model: TinyModel, capfd: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", "--model", str(tiny_model("llava")), "--against", "batch-size=3"])
    # Ours are the heading, and what is being done.
    heading, *others = capfd.readouterr().err.splitlines()
    assert "against" in heading
    assert all(line.startswith("loading ") and line.endswith("…") for line in others)


@pytest.mark.parametrize(
    "argv",
    [
        ("--against", "vllm"),
        ("--model", "echo", "--against", "batch-size=none"),
        ("--model", "echo", "--against", "dtype=float32"),
        ("--model", "echo", "--against", "batch-size=8"),
        ("--model", "openai:m@http://h/v1", "--against", "dtype=foo"),
        ("--model", "demo", "--against", "dtype=foo"),
        ("--model", "echo", "--against", "echo"),
    ],
)
def test_mistakes_are_usage_errors(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(capsys, *argv)[0] == 2
