"""The small pieces of a training: curves, guards, names, presets, checkpoints' folders, cards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.errors import UserError
from vlmbench.terminal.progress import clock
from vlmbench.trainers.devices import check_deepspeed_file, deepspeed_settings, rank_settings
from vlmbench.trainers.fingerprints import identity
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.topology import Topology
from vlmbench.trainers.training import card, checkpoints
from vlmbench.trainers.training.guard import Diverged, Guard, StoppedElsewhere
from vlmbench.trainers.training.launch import launched, needed
from vlmbench.trainers.training.metrics import METRICS, Metrics, StepMetrics, read_metrics
from vlmbench.trainers.training.names import stored_name
from vlmbench.trainers.training.optimizer import curve, rates

DEMO = read_recipe("demo_lora")
CPU = rank_settings(DEMO.parallelism)


@given(
    steps=st.integers(1, 3000),
    warmup=st.floats(0, 1),
    kind=st.sampled_from(["cosine", "linear", "constant"]),
)
def test_every_run_reaches_the_full_rate_and_none_goes_beyond(steps: int, warmup: float, kind: Any) -> None:
    share = curve(replace(DEMO.schedule, warmup=warmup, curve=kind), steps)
    shares = [share(step) for step in range(steps)]
    assert max(shares) == pytest.approx(1.0, abs=1e-12)
    assert min(shares) >= 0


def test_parts_without_a_rate_of_their_own_take_the_common_one() -> None:
    schedule = replace(DEMO.schedule, lr=2e-4, projector_lr=2e-5, vision_lr=None)
    assert rates(schedule) == {"language": 2e-4, "vision": 2e-4, "projector": 2e-5}


def test_a_parameter_is_found_under_the_name_that_its_part_has() -> None:
    named = {
        "lm_head.weight": ("language", "lm_head.weight"),
        "model.language_model.norm.weight": ("language", "model.norm.weight"),
        "model.vision_tower.encoder.layers.0.mlp.fc1.bias": (
            "vision",
            "vision_model.encoder.layers.0.mlp.fc1.bias",
        ),
        "model.multi_modal_projector.linear_2.bias": ("projector", "2.bias"),
        "model.language_model.layers.0.mlp.up_proj.base_layer.weight": (
            "language",
            "model.layers.0.mlp.up_proj.weight",
        ),
    }
    assert {name: stored_name(name) for name in named} == named


def check(guard: Guard, step: int, loss: float, norm: float = 1.0) -> None:
    guard.check(step, loss, [loss], norm, ["r1", "r2"])


def test_a_guard_lets_a_noisy_run_pass() -> None:
    guard = Guard(window=5)
    for step in range(100):
        check(guard, step, 2.0 + (step % 3))


def test_a_guard_stops_a_loss_that_has_run_away() -> None:
    guard = Guard(window=5)
    for step, loss in enumerate([1.0] * 5 + [9.0] * 4):
        check(guard, step, loss)
    with pytest.raises(Diverged, match=r"from 1 to 9 over the last 5 steps, in step 9; .* r1, r2"):
        check(guard, 9, 9.0)


def test_a_guard_stops_at_a_gradient_that_is_no_number_and_where_another_process_does() -> None:
    with pytest.raises(Diverged, match="norm is inf"):
        check(Guard(), 1, 1.0, float("inf"))
    with pytest.raises(StoppedElsewhere):
        Guard().check(1, 1.0, [1.0, float("nan")], 1.0, ["r1"])


@pytest.mark.parametrize(
    ("name", "stage", "host"),
    [
        ("zero1", 1, set()),
        ("zero2", 2, set()),
        ("zero2_offload", 2, {"offload_optimizer"}),
        ("zero3", 3, set()),
        ("zero3_offload", 3, {"offload_optimizer", "offload_param"}),
    ],
)
def test_presets_are_the_published_ones(name: str, stage: int, host: set[str]) -> None:
    settings = deepspeed_settings(f"deepspeed_{name}") or {}
    zero = settings["zero_optimization"]
    assert zero["stage"] == stage
    assert zero["overlap_comm"] is True
    assert {key for key in zero if key.startswith("offload")} == host
    assert zero.get("stage3_gather_16bit_weights_on_model_save", False) == (stage == 3)
    assert settings["zero_allow_untested_optimizer"] is True
    assert settings["fp16"] == {"enabled": "auto", "initial_scale_power": 16}
    assert settings["gradient_clipping"] == settings["train_micro_batch_size_per_gpu"] == "auto"


def test_what_a_file_of_ones_own_leaves_open_the_recipe_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.json").write_text(
        '{"zero_optimization": {"stage": 1}, "gradient_clipping": 1}', "utf-8"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = deepspeed_settings("~/mine.json") or {}
    assert settings["zero_optimization"] == {"stage": 1}
    assert settings["gradient_clipping"] == 1
    assert settings["train_micro_batch_size_per_gpu"] == settings["bf16"]["enabled"] == "auto"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"train_micro_batch_size_per_gpu": 3}', "is 3, and `schedule.batch` is 8. --set schedule.batch=3"),
        ('{"gradient_accumulation_steps": 4}', "--set schedule.accumulation=4"),
        ('{"gradient_clipping": 0.5}', "--set schedule.clip=0.5"),
        ('{"train_batch_size": 64}', "the global batch is 16 = 8 × 1 accumulated × 2 devices"),
        ('{"bf16": {"enabled": true}}', "the run computes in fp32. --set parallelism.precision=bf16"),
        ('{"optimizer": {"type": "Adam"}}', "`optimizer`: is made by vlmbench"),
        ('{"bf16": 1}', "is not a DeepSpeed configuration"),
        ("[]", "it holds a list. A DeepSpeed configuration"),
    ],
)
def test_a_file_that_says_otherwise_than_the_recipe_is_refused_before_anything_starts(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text, "utf-8")
    recipe = replace(DEMO, parallelism=replace(DEMO.parallelism, deepspeed=str(file)))
    with pytest.raises(UserError) as raised:
        check_deepspeed_file(recipe, 2)
    assert said in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_file_that_says_the_same_as_the_recipe_agrees(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    same = '{"train_batch_size": 16, "train_micro_batch_size_per_gpu": 8, "gradient_clipping": 1}'
    file.write_text(same, "utf-8")
    check_deepspeed_file(replace(DEMO, parallelism=replace(DEMO.parallelism, deepspeed=str(file))), 2)


def test_a_processor_computes_in_float32_unless_told_otherwise() -> None:
    auto = replace(DEMO.parallelism, precision="auto")
    assert rank_settings(auto).precision == "fp32"
    assert rank_settings(replace(auto, precision="bf16")).dtype == "bfloat16"


def test_processes_are_started_for_several_and_for_deepspeed() -> None:
    assert not needed(DEMO, Topology(nproc=1))
    assert needed(DEMO, Topology(nproc=2))
    sharded = replace(DEMO, parallelism=replace(DEMO.parallelism, deepspeed="zero2"))
    assert needed(sharded, Topology(nproc=1))
    assert launched({"LOCAL_RANK": "0"})
    assert not launched({"PATH": "/bin"})


def saved(work_dir: Path, step: int, keep: int = 2) -> Path:
    checkpoints.open_aside(work_dir, step)
    facts = checkpoints.facts_of(DEMO, CPU, step, checkpoints.RunInputs())
    return checkpoints.settle(work_dir, step, facts, keep)


def test_the_last_checkpoints_are_kept_and_half_ones_are_none(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        saved(tmp_path, step)
    checkpoints.open_aside(tmp_path, 200)
    assert [folder.name for folder in checkpoints.whole(tmp_path)] == ["checkpoint-10", "checkpoint-100"]
    saved(tmp_path, 300, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-300"]


def test_a_run_may_go_on_with_other_batches_of_the_same_sum_and_with_nothing_else_changed(
    tmp_path: Path,
) -> None:
    folder = saved(tmp_path, 1)
    same = replace(DEMO, schedule=replace(DEMO.schedule, batch=4, accumulation=2))
    checkpoints.check(folder, replace(same, saving=replace(DEMO.saving, every=7)), CPU)
    with pytest.raises(UserError, match="seed was 0 and is 5"):
        checkpoints.check(folder, replace(DEMO, seed=5), CPU)
    with pytest.raises(UserError, match="global batch was 8, and is 16 now"):
        checkpoints.check(folder, replace(DEMO, schedule=replace(DEMO.schedule, batch=16)), CPU)
    with pytest.raises(UserError, match="not a complete checkpoint"):
        checkpoints.check(tmp_path, DEMO, CPU)


def test_a_checkpoint_without_its_values_is_told_to_be_of_an_earlier_version(tmp_path: Path) -> None:
    folder = saved(tmp_path, 1)
    facts = json.loads((folder / checkpoints.FACTS).read_text("utf-8"))
    (folder / checkpoints.FACTS).write_text(json.dumps({**facts, "values": None, "recipe": "9f"}), "utf-8")
    with pytest.raises(UserError, match=r"earlier version .* did not keep the values"):
        checkpoints.check(folder, DEMO, CPU)
    (folder / checkpoints.FACTS).write_text("{", "utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        checkpoints.check(folder, DEMO, CPU)


def test_a_model_is_known_wherever_it_lies_and_another_is_not(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "training.json").write_text('{"seconds": 1}', "utf-8")
        (tmp_path / place / "README.md").write_text(place, "utf-8")
    assert identity(tmp_path / "here") == identity(tmp_path / "there")
    (tmp_path / "there" / "training.json").write_text('{"seconds": 2}', "utf-8")
    assert identity(tmp_path / "here") != identity(tmp_path / "there")


def test_metrics_beyond_the_checkpoint_are_cut_off_and_half_a_line_is_no_line(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(1, 5))
    (tmp_path / METRICS).write_text(lines + '{"step": 5, "lo', "utf-8")
    Metrics(tmp_path, after=2).close()
    assert [reading["step"] for reading in read_metrics(tmp_path)] == [1, 2]


def test_figures_that_find_no_room_are_told_with_the_file_and_the_way_on(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, after=0)
    (tmp_path / METRICS).mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: this is a folder, not a regular file\. Remove it"):
        metrics.add(
            StepMetrics(
                step=1, epoch=0.1, loss=1.0, grad_norm=None, learning_rate={}, rows=1, rows_per_second=1.0,
                tokens_per_second=1.0, memory=1, skipped=0, seconds=1.0, at=1.0,
            )
        )  # fmt: skip
    metrics.close()


def test_a_curve_of_bars_falls_with_the_loss() -> None:
    assert card.curve([{"loss": loss} for loss in (8, 4, 2, 1)]) == "█▄▂▁"
    assert len(card.curve([{"loss": 1.0}] * 1000)) == 40


def test_results_take_the_place_of_those_before(tmp_path: Path) -> None:
    (tmp_path / card.CARD).write_text(f"# model\n\n{card.RESULTS}{card.NO_RESULTS}", "utf-8")
    card.add_results(tmp_path, "first")
    card.add_results(tmp_path, "second")
    assert (tmp_path / card.CARD).read_text("utf-8") == f"# model\n\n{card.RESULTS}second\n"


@pytest.mark.parametrize(("seconds", "text"), [(10, "10 s"), (100, "1:40"), (4000, "1:06:40")])
def test_the_time_that_is_left_is_told_as_people_read_it(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("bos", "begins"), [("each", True), ("once", True), ("none", False)])
def test_a_model_is_asked_with_the_beginning_it_was_trained_with(bos: Any, begins: bool) -> None:
    """Also where the tokenizer, as the demo's, has a beginning token and does not put it by itself."""
    from vlmbench.checkpoints.read import open_llava
    from vlmbench.models.loading import demo_folder
    from vlmbench.trainers.training.start import worded

    llava = worded(open_llava(demo_folder(), wording=True), replace(DEMO.wording, bos=bos))
    text = llava.language.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is this?"}],
        chat_template=llava.chat_template,
        tokenize=False,
        add_generation_prompt=True,
    )
    assert text.startswith("<s>" if begins else "USER:")
