"""ZeRO-3 on two processes: the model is cut up as it is made, and no process ever holds the whole of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llava_parts import BASE, qwen_folder
from repository import TESTS
from small_trainings import settings, small, write_records

from vlmbench.checkpoints.build import EMBEDDING, untrained, with_image_token
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.read import open_llava
from vlmbench.checkpoints.vision import open_vision
from vlmbench.trainers.recipe.model import Quantisation, Recipe
from vlmbench.trainers.training.loading import can_load_sharded

BUILT = """
import json, os, sys, weakref
from dataclasses import replace
from vlmbench.__main__ import main
from vlmbench.trainers.training import loading, run

alive, told = weakref.WeakSet(), {"read": 0, "at_once": 0}
stored, build = loading._stored, run.build

def watched(kept):
    def load():
        tensor = kept.load().clone()
        alive.add(tensor)
        told["read"] += 1
        told["at_once"] = max(told["at_once"], len(alive))
        return tensor
    return replace(kept, load=load)

def built(llava, recipe, how):
    made = build(llava, recipe, how)
    cut = [value for _, value in loading._state(made.model) if hasattr(value, "ds_id")]
    told["cut"], told["whole"] = len(cut), sum(value.numel() for value in cut)
    told["here"] = sum(value.ds_tensor.numel() for value in cut)
    told["all"] = sum(value.ds_numel for value in cut)
    told["equal"] = all(equal(name, value, llava) for name, value in loading._state(made.model))
    with open(f"told.{how.rank}.json", "w") as file:
        json.dump(told, file)
    return made

def equal(name, value, llava):
    import deepspeed
    place = loading.stored_name(name)
    if place not in stored(llava):
        return loading.stored_name(name)[1].count("lora_") == 1
    with deepspeed.zero.GatheredParameters([value]):
        return bool((value == stored(llava)[place].load()).all())

loading._stored = lambda llava: {place: watched(kept) for place, kept in stored(llava).items()}
run.build = built
sys.exit(main())
"""


@pytest.fixture
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_records(tmp_path / "data")


@pytest.mark.slow
def test_no_process_holds_the_whole_model_and_each_weight_is_read_once(
    model: Path, data: Path, tmp_path: Path
) -> None:
    more = ("schedule.accumulation=1", "schedule.max_steps=1")
    sets = [word for setting in settings(model, data, *more) for word in ("--set", setting)]
    environ = os.environ | {"VLMBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    (tmp_path / "built.py").write_text(BUILT, "utf-8")
    started = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("built.py", "train", "demo_lora", *sets, "--deepspeed", "deepspeed_zero3", "--work-dir", "run"),
        ],
        capture_output=True, text=True, timeout=400, env=environ, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    first, second = (json.loads((tmp_path / f"told.{rank}.json").read_text("utf-8")) for rank in range(2))
    count = sum(1 for _ in weights(model))
    assert (first["read"], first["at_once"], second["read"]) == (count, 1, 0)
    for told in (first, second):
        assert told["cut"] == count
        assert told["whole"] == 0
        assert told["all"] / 2 <= told["here"] < told["all"] * 0.51
        assert told["equal"]


@pytest.mark.slow
def test_a_model_in_pieces_is_the_whole_one_in_every_number() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = TESTS / "support" / "scattered_models.py"
    ran = subprocess.run(
        [sys.executable, str(script), str(port)], capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = [line for line in ran.stdout.splitlines() if line.endswith(("same", "different"))]
    kinds = ("tied", "siglip", "longrope")
    assert told == [f"{kind} {precision} same" for kind in kinds for precision in ("fp32", "bf16")]


def weights(model: Path) -> Any:
    llava = open_llava(model)
    for part in (llava.language, llava.vision, llava.projector):
        yield from part.weights


def shared(model: Path, data: Path) -> Recipe:
    recipe = small(model, data)
    return replace(recipe, parallelism=replace(recipe.parallelism, deepspeed="zero3"))


def test_weights_are_dealt_out_where_each_is_a_parameter_of_the_model(model: Path, data: Path) -> None:
    recipe = shared(model, data)
    llava = open_llava(model)
    assert can_load_sharded(llava, recipe)
    assert not can_load_sharded(
        llava, replace(recipe, parallelism=replace(recipe.parallelism, deepspeed="zero2"))
    )
    language = replace(llava.language, weights=dict(list(llava.language.weights.items())[1:]))
    # It is loaded whole, and refused there with the name of what is missing.
    assert not can_load_sharded(replace(llava, language=language), recipe)


def test_four_bits_are_made_of_whole_weights(model: Path, data: Path) -> None:
    recipe = shared(model, data)
    language = replace(recipe.model.language, quantisation=Quantisation())
    four = replace(recipe, model=replace(recipe.model, language=language))
    assert not can_load_sharded(open_llava(model), four)


def test_a_tied_head_and_a_table_that_grew_are_dealt_out_too(model: Path, data: Path, tmp_path: Path) -> None:
    language = open_language(qwen_folder(tmp_path / "qwen", rows=None, tied=True))
    grown = with_image_token(untrained(language, open_vision(BASE / "clip"), template="qwen_chat"))
    assert grown.language.weights[EMBEDDING].shape != language.weights[EMBEDDING].shape
    assert "lm_head.weight" not in grown.language.weights
    assert can_load_sharded(grown, shared(model, data))
