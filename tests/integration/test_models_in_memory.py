"""Models that a notebook or a training script has loaded, asked as they are and given back as they were."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import GREEDY, PICTURES, answers, questions, request

import vlmbench
from vlmbench.domain import Decoding, ImageRef
from vlmbench.errors import ModelError, SpecChanged
from vlmbench.model_files.processor import load_processor
from vlmbench.model_files.silence import quiet
from vlmbench.models.given import model_of
from vlmbench.models.hf.fingerprint import sums, weights_digest
from vlmbench.models.hf.in_memory import unwrapped
from vlmbench.models.hf.model import load_config, load_hf

TinyModel = Callable[[str], Path]
SAMPLED = Decoding(max_new_tokens=6, do_sample=True, seed=3)


def loaded(folder: Path) -> tuple[Any, Any]:
    """Model and processor as a training script has them: in training mode, padding on the right."""
    from transformers import AutoModelForImageTextToText

    with quiet():
        model = AutoModelForImageTextToText.from_pretrained(folder)
    processor = load_processor(folder, load_config(folder, trust_remote_code=False))
    processor.tokenizer.padding_side = "right"
    return model.train(), processor


@pytest.mark.parametrize("architecture", ["llava", "qwen2_vl"])
@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_loaded_model_answers_as_its_folder_does(
    tiny_model: TinyModel, architecture: str, decoding: Decoding
) -> None:
    folder = tiny_model(architecture)
    given = model_of(loaded(folder))
    asked = questions(decoding)
    assert answers(given, asked) == answers(load_hf(str(folder), device="cpu"), asked)  # type: ignore[arg-type]
    assert (given.name, given.style) == (architecture, "llava" if architecture == "llava" else "qwen2-vl")


@pytest.mark.parametrize("architecture", ["llava", "qwen2_vl"])
def test_a_model_in_training_is_given_back_as_it_was(tiny_model: TinyModel, architecture: str) -> None:
    model, processor = loaded(tiny_model(architecture))
    model.gradient_checkpointing_enable()
    model.config.use_cache = False
    model.base_model.language_model.layers[0].eval()
    next(model.parameters()).requires_grad_(False)
    before = state_of(model, processor)
    given = model_of((model, processor))
    dict(given.facts)
    asked = questions(SAMPLED)[:2] + questions()[2:6]
    answering = given.generate(asked, PICTURES)
    for response in answering:
        assert response.error is None
        assert state_of(model, processor) == before
    assert state_of(model, processor) == before


def state_of(model: Any, processor: Any) -> list[Any]:
    """What a training could notice."""
    return [
        [(name, module.training) for name, module in model.named_modules()],
        [(weight.data_ptr(), weight.requires_grad, weight.grad) for weight in model.parameters()],
        [getattr(module, "gradient_checkpointing", None) for module in model.modules()],
        [getattr(module, "rope_deltas", None) for module in model.modules()],
        weights_digest(model),
        model.config.to_dict(),
        id(model.generation_config),
        model.generation_config.to_dict(),
        processor.tokenizer.padding_side,
        random.getstate(),
        str(np.random.get_state()),
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    ]


def test_the_facts_change_with_one_weight_and_not_with_the_mode(tiny_model: TinyModel) -> None:
    model, processor = loaded(tiny_model("llava"))
    given = model_of((model, processor))
    first = dict(given.facts)
    model.eval()
    model.config.use_cache = False
    assert given.facts == first
    assert model_of((model, processor)).facts == first
    with torch.no_grad():
        weight = model.lm_head.weight
        weight[3, 5] = torch.nextafter(weight[3, 5], torch.tensor(9.0))
    now = dict(given.facts)
    assert {key for key in first if first[key] != now[key]} == {"weights"}


def test_sums_see_every_byte_and_its_place() -> None:
    values = torch.arange(37, dtype=torch.uint8)
    changed = []
    for place in range(len(values)):
        other = values.clone()
        other[place] += 1
        changed.append(tuple(sums(other)))
    swapped = values.clone()
    swapped[:16] = torch.cat([values[8:16], values[:8]])
    assert len({tuple(sums(values)), tuple(sums(swapped)), *changed}) == len(values) + 2
    assert sums(values.to(torch.bfloat16)[::2]) == sums(values.to(torch.bfloat16)[::2].clone())
    assert sums(torch.tensor([])) == [0, 0]


def test_sums_do_not_depend_on_the_size_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(1001, dtype=torch.float32)
    whole = sums(values)
    monkeypatch.setattr("vlmbench.models.hf.fingerprint.CPU_WORDS", 7)
    assert sums(values) == whole


def test_a_model_is_taken_out_of_what_training_wraps_it_in(tiny_model: TinyModel) -> None:
    from peft import LoraConfig, get_peft_model

    model, processor = loaded(tiny_model("llava"))
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    wrapped = torch.nn.DataParallel(adapted)  # holds the model as `.module`, as DDP and DeepSpeed do
    assert unwrapped(wrapped) is model
    asked = questions()[:4]
    with_adapter = model_of((wrapped, processor))
    adapted_answers, adapted_facts = answers(with_adapter, asked), with_adapter.facts  # type: ignore[arg-type]
    with adapted.disable_adapter():
        plain = model_of((wrapped, processor))
        assert answers(plain, asked) != adapted_answers  # type: ignore[arg-type]
        assert plain.facts["weights"] != adapted_facts["weights"]


def test_a_pipeline_is_a_model_and_its_processor(tiny_model: TinyModel) -> None:
    from transformers import ImageTextToTextPipeline

    model, processor = loaded(tiny_model("llava"))
    pipeline = ImageTextToTextPipeline(model=model, processor=processor)
    asked = questions()[:2]
    assert answers(model_of(pipeline), asked) == answers(model_of((model, processor)), asked)  # type: ignore[arg-type]


def test_autocast_around_a_run_changes_no_answer_and_goes_on_after_it(tiny_model: TinyModel) -> None:
    given = model_of(loaded(tiny_model("llava")))
    asked = questions()[:4]
    plain = answers(given, asked)  # type: ignore[arg-type]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert answers(given, asked) == plain  # type: ignore[arg-type]
        assert torch.is_autocast_enabled("cpu")


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one state a process: neither a training before nor a test after shares this one's."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("fresh_accelerator")
def test_a_model_in_mixed_precision_answers(tiny_model: TinyModel) -> None:
    from accelerate import Accelerator

    model, processor = loaded(tiny_model("llava"))
    wrapped = Accelerator(cpu=True, mixed_precision="bf16").prepare(model)
    given = model_of((wrapped, processor))
    assert {response.error for response in given.generate(questions()[:4], PICTURES)} == {None}
    assert given.facts["mixed precision"] is True


def refused(given: Any) -> str:
    with pytest.raises(ModelError) as caught:
        model_of(given)
    return str(caught.value)


def test_what_cannot_be_asked_is_refused_with_the_way_on(tiny_model: TinyModel) -> None:
    model, processor = loaded(tiny_model("llava"))
    assert "Give its processor too: (model, processor)." in refused(model)
    assert "which does not read text and pictures" in refused((model, processor.tokenizer))
    assert "a CLIPVisionModel" in refused((model.model.vision_tower, processor))
    assert "a Linear is not a model of transformers" in refused((torch.nn.Linear(1, 1), processor))
    speechless = copy.deepcopy(processor)
    speechless.chat_template = speechless.tokenizer.chat_template = None
    assert "Set `processor.chat_template`." in refused((model, speechless))
    model.lm_head.weight.ds_id = 0
    assert "sharded over several processes" in refused((model, processor))


@pytest.fixture
def one_rank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The mesh of a process group of this process alone, on the CPU."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_weights_sharded_by_fsdp_are_refused(tiny_model: TinyModel, one_rank: Any) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy, fully_shard

    model, processor = loaded(tiny_model("llava"))
    second = fully_shard(model, mesh=one_rank)
    first = FullyShardedDataParallel(
        loaded(tiny_model("llava"))[0],
        device_id=torch.device("cpu"),
        # What a group of one rank would be changed to, with a warning.
        sharding_strategy=ShardingStrategy.NO_SHARD,
    )
    for sharded in (first, second):
        assert "sharded over several processes (ZeRO-3, FSDP or tensor parallel)" in refused(
            (sharded, processor)
        )


def test_weights_that_are_not_in_memory_are_refused(tiny_model: TinyModel) -> None:
    model, processor = loaded(tiny_model("llava"))
    given = model_of((model, processor))
    model.lm_head.to("meta")
    with pytest.raises(ModelError, match=r"`lm_head.weight` is not in memory"):
        dict(given.facts)


def test_a_failing_question_is_its_own_error(tiny_model: TinyModel) -> None:
    given = model_of(loaded(tiny_model("llava")))
    broken = request("broken", ImageRef("none"), "?")
    found = answers(given, [broken, *questions()[:1]])  # type: ignore[arg-type]
    assert [response.finish == "error" for response in found.values()] == [True, False]


def test_a_run_is_not_continued_after_the_weights_have_changed(tiny_model: TinyModel, tmp_path: Path) -> None:
    model, processor = loaded(tiny_model("llava"))
    options: Any = {"limit": 2, "out": tmp_path, "max_new_tokens": 4, "progress": False}
    first = vlmbench.evaluate((model, processor), "Shapes_DEV_EN", **options)
    assert vlmbench.evaluate((model, processor), "Shapes_DEV_EN", **options).results == first.results
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1
    with pytest.raises(SpecChanged, match=r"model\.weights was"):
        vlmbench.evaluate((model, processor), "Shapes_DEV_EN", **options)
