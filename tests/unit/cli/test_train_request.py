"""What the command line asks of the pipeline is one value, and the processes it starts are asked the same."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from vlmbench.cli import train
from vlmbench.trainers.pipeline import EvaluationRequest, TrainingRequest, read_chain
from vlmbench.trainers.recipe.how_asked import HowAsked

EVERYTHING = TrainingRequest(
    recipe="mine.yaml",
    settings=("schedule.batch=8", "finetune.schedule.lr=1e-4"),
    work_dir=Path("work dir"),
    seed=7,
    resume="latest",
    deepspeed="deepspeed_zero2",
    tracker="wandb",
    evaluation=EvaluationRequest(
        benchmarks=("Shapes_DEV_EN", "own.tsv"),
        every=500,
        limit=30,
        device="cuda:1",
        how=HowAsked(
            decoding="model",
            set_decoding=("temperature=0.6", r"stop=\n"),
            max_new_tokens=64,
            thinking="budget=9",
            min_pixels=4,
            max_pixels=9,
            tiles=2,
            resample="bicubic",
        ),
    ),
)


def parsed(command: list[str]) -> TrainingRequest:
    """The request that a process makes of the arguments it was started with."""
    assert command[:3] == ["-m", "vlmbench", "train"]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return train.request_of(parser.parse_args(command[3:]))


@pytest.mark.parametrize("request_", [TrainingRequest(recipe="demo_lora"), EVERYTHING])
def test_a_process_of_a_stage_is_asked_for_the_same(request_: TrainingRequest) -> None:
    started = [*request_.stage_command("demo_finetune"), *request_.evaluation_flags()]
    assert parsed(started) == replace(request_, stage="demo_finetune")


def test_a_process_that_exports_a_checkpoint_evaluates_nothing() -> None:
    started = [*EVERYTHING.stage_command("demo_finetune"), "--candidate", "40"]
    exporting = replace(EVERYTHING, stage="demo_finetune", candidate=40, evaluation=EvaluationRequest())
    assert parsed(started) == exporting


def test_a_seed_and_deepspeed_are_settings_of_every_stage() -> None:
    request = TrainingRequest(recipe="llava_v15_7b", seed=7, deepspeed="deepspeed_zero2")
    chain = read_chain(request)
    told = [(recipe.seed, recipe.parallelism.deepspeed) for recipe in chain.recipes]
    assert told == [(7, "zero2"), (7, "zero2")]
