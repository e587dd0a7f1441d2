"""A plan on a terminal: numbers stay whole and commands can be copied, however narrow it is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vlmbench.cli.train import plan_tables as plan_view
from vlmbench.trainers.plan.plan import Machine, plan
from vlmbench.trainers.recipe.loading import read_recipe


def shown(monkeypatch: pytest.MonkeyPatch, width: int, name: str = "llava_v15_7b_finetune") -> list[str]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None, highlight=False)
    monkeypatch.setattr(plan_view, "stdout", lambda: console)
    plan_view.print_plan(plan(read_recipe(name), Machine(gpu_memory=48)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 110])
def test_numbers_and_what_is_there_to_be_copied_stay_whole(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = shown(monkeypatch, width)
    assert any("6,738,415,616  6,738,415,616" in line for line in lines)
    assert any(line.endswith("weights  gradients  optimizer  activations") for line in lines)
    assert "    --set parallelism.deepspeed=zero3_offload" in lines
    assert any(line.endswith("--set model.language.quantisation.kind=nf4") for line in lines)
    assert "    hf download openai/clip-vit-large-patch14-336, or --set model.vision.path=FOLDER" in lines


def test_a_table_too_wide_for_the_terminal_is_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "part            trained as     parameters        trained" in shown(monkeypatch, 80)
    (head,) = [line for line in shown(monkeypatch, 110) if line.startswith("part")]
    assert head.split() == ["part", "trained", "as", *plan_view._PARTS[2:]]
