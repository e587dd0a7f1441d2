"""One process computes on one device, however many there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.training.stage import Steps, trainer_settings


def test_a_process_alone_leaves_the_other_gpus_of_its_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several, Trainer would wrap the model in nn.DataParallel."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    stage: Any = SimpleNamespace(
        recipe=read_recipe("demo_lora"),
        how=SimpleNamespace(precision="fp32", cpu=False, world=1, deepspeed=None),
        steps=Steps(epoch=2, all=2, save=1, log=1),
        job=SimpleNamespace(work_dir=tmp_path, tracker=None),
    )
    made = trainer_settings(stage)
    assert made.n_gpu == 1
