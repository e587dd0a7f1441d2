"""Trainings with nothing to do, or that their device cannot do, are refused before they are planned."""

from __future__ import annotations

import pytest

from vlmbench.errors import UsageError
from vlmbench.trainers.recipe.loading import read


@pytest.mark.parametrize(
    ("recipe", "setting", "said"),
    [
        ("demo_pretrain", "model.projector.train=false", "`model.projector.train`: leaves nothing to learn"),
        ("demo_lora", "data.sources=[]", "`data.sources`: is empty: there is nothing to learn from"),
        ("demo_lora", "parallelism.precision=fp16", "fp16 is for GPUs only"),
    ],
)
def test_a_training_with_nothing_to_do_is_refused_with_its_setting(
    recipe: str, setting: str, said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        read(recipe, [setting])
    assert said in str(raised.value)


def test_half_precision_on_a_gpu_and_a_projector_beside_a_part_that_learns_are_sense() -> None:
    read("demo_lora", ["parallelism.precision=fp16", "parallelism.device=gpu"])
    read("demo_lora", ["model.projector.train=false"])
    read("demo_lora", ["parallelism.precision=bf16"])
