"""Plans: the published counts, parameters known from elsewhere, and memory that moves the right way."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository import GOLDEN

from vlmbench.errors import ModelError, UnknownName, UserError
from vlmbench.trainers.devices import STAGES, preset_name, zero_of
from vlmbench.trainers.plan.memory import GIB, memory
from vlmbench.trainers.plan.missing import _gpus
from vlmbench.trainers.plan.modules import _on_meta, language_architecture, vision_architecture
from vlmbench.trainers.plan.plan import Machine, StagePlan, plan, plan_chain
from vlmbench.trainers.plan.samples import count_records, read_head
from vlmbench.trainers.plan.sizes import language_part, lora_size, published_lora_size, vision_part
from vlmbench.trainers.plan.steps import warmup_steps
from vlmbench.trainers.recipe.library import recipe_names
from vlmbench.trainers.recipe.loading import read, read_recipe
from vlmbench.trainers.recipe.model import LanguagePart, Lora, VisionPart

PUBLISHED = [
    row["config"] for row in json.loads((GOLDEN / "training/recipes.json").read_text("utf-8"))["configs"]
]
ONE_CARD = (
    "llava_llama3_8b_instruct_quant_clip_vit_large_p14_336_e1_gpu1_pretrain",
    "llava_llama3_8b_instruct_qlora_clip_vit_large_p14_336_e1_gpu1_finetune",
)


def planned(name: str, *changes: str, **machine: float) -> StagePlan:
    return plan(read_recipe(name, changes), Machine(**machine))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_published_recipes_plan(name: str) -> None:
    found = planned(name)
    assert found.counts.global_batch in (128, 256)
    assert found.memory.total > GIB
    assert found.by_zero[found.memory.zero] == found.memory.total
    assert {"weights", "data", "pictures"} <= {thing.kind for thing in found.missing}
    assert all(thing.fix for thing in found.missing)


@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in PUBLISHED])
def test_every_other_recipe_and_chain_plans(name: str) -> None:
    plans = plan_chain(read(name), Machine(gpu_memory=24))
    assert all(found.memory.total > 0 for found in plans)
    assert not [thing for found in plans[1:] for thing in found.missing if thing.kind == "stage before"]


@pytest.mark.parametrize(
    ("name", "steps", "published"),
    [
        ("llava_v15_7b_pretrain", 2181, "iter_2181"),
        ("llava_v15_7b_finetune", 5198, "iter_5198"),
        ("llava_llama3_8b_instruct_full_clip_vit_large_p14_336_lora_e1_gpu8_finetune", 5198, "iter_10396"),
        (
            "llava_llama3_8b_instruct_clip_vit_large_p14_336_e1_gpu8_sharegpt4v_pretrain",
            4871,
            "iter_9742",
        ),
        (
            "llava_llama3_8b_instruct_full_clip_vit_large_p14_336_lora_e1_gpu8_internvl_finetune",
            9905,
            "iter_39620",
        ),
        (
            "llava_phi3_mini_4k_instruct_full_clip_vit_large_p14_336_full_e2_gpu8_internvl_finetune",
            19810,
            "iter_39620",
        ),
        (ONE_CARD[0], 2181, "iter_558128"),
        ("internlm2_1_8b_course", 1200, "iter_1200"),
    ],
)
def test_steps_and_checkpoints_are_the_published_ones(name: str, steps: int, published: str) -> None:
    counts = planned(name).counts
    assert counts.all_steps == steps
    assert counts.checkpoint == f"checkpoint-{steps}"
    assert counts.published_checkpoint == published


def test_the_global_batch_follows_the_devices_and_the_plan_says_so() -> None:
    found = planned("llava_v15_7b_finetune", nproc=2, nnodes=2)
    assert (found.devices, found.counts.global_batch) == (4, 64)
    assert "global batch 64, meant for 128; --set schedule.accumulation=2" in found.notes


def test_max_steps_stops_before_the_epoch() -> None:
    counts = planned("llava_v15_7b_finetune", "schedule.max_steps=50").counts
    assert (counts.all_steps, counts.warmup_steps) == (50, 1)


@pytest.mark.parametrize(("steps", "warm"), [(0, 0), (1, 0), (2, 1), (33, 1), (66, 1), (100, 3), (5198, 155)])
def test_a_warm_up_never_swallows_a_short_run(steps: int, warm: int) -> None:
    assert warmup_steps(read_recipe("llava_v15_7b_pretrain").schedule, steps) == warm


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ("vicuna-7b-v1.5", 6_738_415_616),
        ("vicuna-13b-v1.5", 13_015_864_320),
        ("llama-3-8b", 8_030_261_248),
        ("llama-3-70b", 70_553_706_496),
        ("internlm2-chat-1_8b", 1_889_110_016),
        ("internlm2-chat-7b", 7_737_708_544),
        ("internlm2-chat-20b", 19_861_149_696),
        ("phi-3-mini-4k-instruct", 3_821_079_552),
        ("qwen1.5-4b-chat", 3_950_369_280),
    ],
)
def test_language_models_have_the_parameters_they_are_known_for(shape: str, parameters: int) -> None:
    assert language_part(LanguagePart(shape=shape)).total == parameters


def test_internlm_has_a_bias_beside_every_attention_matrix() -> None:
    part = language_part(LanguagePart(shape="internlm-chat-7b"))
    head, layer = 4096 * 103168, 4 * 4096 * 4096 + 4 * 4096 + 3 * 4096 * 11008 + 2 * 4096
    assert part.total == 2 * head + 32 * layer + 4096


def test_of_a_tower_only_the_layers_before_the_selected_one_learn() -> None:
    clip = vision_part(VisionPart(shape="clip-vit-large-patch14-336"))
    assert (clip.total, clip.layers, clip.picture_tokens, clip.positions) == (303_507_456, 23, 576, 577)
    block = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 1024 + 4096 + 4 * 1024
    assert clip.total - clip.used == block + 2 * 1024
    assert len(clip.linears) == 23 * 6
    siglip = vision_part(VisionPart(shape="siglip-so400m-patch14-384", select_strategy="full"))
    assert (siglip.layers, siglip.picture_tokens) == (26, 729)


SIZES = st.sampled_from([1, 2, 3, 8])


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["llama", "mistral", "phi3", "qwen2"]),
    heads=st.sampled_from([2, 4]),
    width=SIZES,
    layers=SIZES,
    rest=st.fixed_dictionaries(
        {"num_key_value_heads": st.sampled_from([1, 2]), "intermediate_size": SIZES, "vocab_size": SIZES},
        optional={
            "tie_word_embeddings": st.booleans(),
            "attention_bias": st.booleans(),
            "mlp_bias": st.booleans(),
            "head_dim": st.sampled_from([2, 6]),
            "pad_token_id": st.none(),
        },
    ),
)
def test_decoders_have_the_modules_that_transformers_builds(
    kind: str, heads: int, width: int, layers: int, rest: dict[str, Any]
) -> None:
    config = {"model_type": kind, "num_attention_heads": heads, "num_hidden_layers": layers, **rest}
    config["hidden_size"] = 2 * width * heads
    counted = language_architecture(config).modules
    assert sorted(counted) == sorted(_on_meta({"pad_token_id": None, **config}, causal=True).modules)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["clip_vision_model", "siglip_vision_model"]),
    width=SIZES,
    layers=SIZES,
    rest=st.fixed_dictionaries(
        {"intermediate_size": SIZES, "image_size": st.sampled_from([8, 14]), "patch_size": SIZES},
        optional={"num_channels": st.sampled_from([1, 3]), "vision_use_head": st.booleans()},
    ),
)
def test_towers_have_the_modules_that_transformers_builds(
    kind: str, width: int, layers: int, rest: dict[str, Any]
) -> None:
    config = {"model_type": kind, "num_attention_heads": 2, "num_hidden_layers": layers, **rest}
    config["hidden_size"] = 2 * width
    assert sorted(vision_architecture(config).modules) == sorted(_on_meta(config, causal=False).modules)


def test_other_architectures_and_short_configurations_are_built_by_transformers() -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    gemma = language_architecture({"model_type": "gemma", "head_dim": 4, "vocab_size": 16, **sizes})
    assert "model.layers.0.mlp.gate_proj" in {module.name for module in gemma.modules}
    llama = language_architecture({"model_type": "llama", **sizes})
    assert llama.config.vocab_size == 32000


def test_a_plan_needs_neither_torch_nor_transformers() -> None:
    """Importing both takes five seconds."""
    code = (
        "import sys\n"
        "from vlmbench.cli.main import main\n"
        "assert main(['train', 'llava_v15_7b', '--plan']) == 0\n"
        "assert main(['recipes', 'list', '--plan']) == 0\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


def test_gpus_are_counted_as_torch_counts_them() -> None:
    import torch

    assert _gpus() == torch.cuda.device_count()


def test_adapters_of_internlm2_have_the_head_and_are_counted_both_ways() -> None:
    part = language_part(LanguagePart(shape="internlm2-chat-7b"))
    lora = Lora(r=512, alpha=256, head=True)
    layer = 4096 * 3 + (4096 + 2 * 1024) + 2 * 4096 + 3 * (4096 + 14336)
    assert lora_size(part, lora) == 512 * (32 * layer + 4096 + 92544)
    assert published_lora_size(part, lora) == 512 * (32 * (layer - 2 * 4096) + 4096 + 92544)
    assert lora_size(part, replace(lora, head=False)) == 512 * 32 * layer
    assert published_lora_size(language_part(LanguagePart(shape="llama-3-8b")), lora) is None


def test_adapters_may_be_kept_to_some_layers() -> None:
    trained = {p.name: p.trained for p in planned("llava_qwen1_5_4b_lora").memory.parts}
    assert trained == {"language model": 40 * 4 * 32 * 2 * 2560, "vision tower": 0, "projector": 0}


@pytest.mark.parametrize("name", ONE_CARD)
def test_the_one_card_recipes_fit_twenty_gigabytes(name: str) -> None:
    assert planned(name, gpu_memory=20).fits
    assert planned(name, gpu_memory=20e9 / GIB).fits


def test_every_stage_of_zero_takes_less_from_a_device_than_the_one_before() -> None:
    recipe = read_recipe("llava_v15_7b_finetune")
    taken = {name: memory(recipe, 8, zero=zero).total for name, zero in STAGES.items()}
    assert taken["none"] > taken["zero1"] > taken["zero2"] > taken["zero3"] > taken["zero3_offload"]
    assert taken["zero2"] > taken["zero2_offload"]


def test_the_optimizer_of_a_full_fine_tune_is_twelve_bytes_a_parameter_shared() -> None:
    language = memory(read_recipe("llava_v15_7b_finetune"), 8).parts[0]
    assert language.weights == 2 * 6_738_415_616
    assert language.gradients == 2 * 6_738_415_616 / 8
    assert language.optimizer == 12 * 6_738_415_616 / 8


def test_four_bits_take_a_quarter_of_half_precision_but_for_table_and_head() -> None:
    language = memory(read_recipe(ONE_CARD[0]), 1).parts[0]
    plain = 2 * 128256 * 4096 + 65 * 4096
    packed = 8_030_261_248 - plain
    assert language.weights == pytest.approx(packed * 4.127 / 8 + plain * 2, rel=1e-4)


def test_a_plan_that_does_not_fit_says_what_to_change() -> None:
    crowded = planned("llava_v15_13b_finetune", gpu_memory=40)
    assert crowded.fits is False
    assert any(change.fits for change in crowded.advice)
    for change in crowded.advice:
        again = planned("llava_v15_13b_finetune", *change.settings, gpu_memory=40)
        assert again.memory.total == change.total
        assert again.fits == change.fits


def test_a_plan_that_does_not_fit_says_how_long_a_sample_may_be() -> None:
    name = "llava_llama3_8b_instruct_clip_vit_large_p14_336_e1_gpu8_pretrain"
    most = planned(name, gpu_memory=80).longest_that_fits
    assert most is not None
    assert 600 < most < 2047
    recipe = read_recipe(name)
    assert memory(recipe, 8, positions=most).total <= 80 * GIB < memory(recipe, 8, positions=most + 1).total


def test_tokens_and_hours() -> None:
    found = planned("llava_v15_7b_pretrain", rate=1000)
    assert found.tokens.pictures == 558_128 * 576
    assert found.tokens.at_most
    assert found.hours == pytest.approx(558_128 * 2047 / 8000 / 3600)


def test_packed_samples_take_as_many_steps_as_their_rows() -> None:
    found = planned("llava_v15_7b_finetune_lora", "data.packing=true")
    rows = ceil(found.tokens.total / found.memory.positions)
    assert found.counts.rows == rows
    assert found.counts.steps == ceil(rows / found.counts.global_batch)
    assert any(note.startswith("packed") for note in found.notes)
    assert planned("llava_v15_7b_finetune_lora").counts.rows is None


def test_a_file_that_is_here_is_counted(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": 'a "conversations": b'}]
    records = [{"id": str(i), "image": "x.jpg", "conversations": turns} for i in range(7)]
    listed, lines = tmp_path / "a.json", tmp_path / "a.jsonl"
    listed.write_text(json.dumps(records, indent=1), "utf-8")
    lines.write_text("\n".join(map(json.dumps, records)), "utf-8")
    assert count_records(listed) == count_records(lines) == (7, 7)
    assert (
        read_head(listed).tokens == read_head(lines).tokens == len('<image>\nWhat?a "conversations": b') / 4
    )
    found = planned("llava_v15_7b_pretrain", f"data.sources.0.annotations={listed}", nproc=1)
    assert (found.counts.samples, found.counts.steps, found.sources[0].samples_from) == (7, 1, "file")
    assert not found.tokens.at_most
    assert "data" not in {thing.kind for thing in found.missing}


def test_pictures_are_counted_as_the_records_name_them(tmp_path: Path) -> None:
    def seen(*images: object) -> int:
        file = tmp_path / "a.json"
        records = [{"conversations": []} | ({} if image is None else {"image": image}) for image in images]
        file.write_text(json.dumps(records), "utf-8")
        return planned("demo_lora", f"data.sources=[{{annotations: {file}}}]").tokens.pictures

    one = planned("demo_lora").tokens.pictures // 2400
    assert seen(*[None] * 10) == 0
    assert seen("a.png", None, ["b.png", "c.png"], []) == 3 * one


def test_records_are_counted_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "image": ["a.png", "b.png"], "conversations": []}\n' * 50, "utf-8")
    for block in (1, 7, 31, 300):
        monkeypatch.setattr("vlmbench.trainers.plan.samples._BLOCK", block)
        assert count_records(path) == (50, 100)


@given(texts=st.lists(st.text(), max_size=20), indent=st.sampled_from([None, 1]))
def test_whatever_a_record_says_it_is_counted_once(texts: list[str], indent: int | None) -> None:
    records = [{"image": text, "conversations": [{"from": "gpt", "value": text}]} for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_text(json.dumps(records, ensure_ascii=False, indent=indent), "utf-8", "surrogatepass")
        assert count_records(path) == (len(texts), len(texts))
        assert read_head(path).records == len(texts)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('{"conversations": null}', "must be a list"),
        ('{"conversations": ["a"]}', "needs a text"),
        ('{"conversations": [{"from": "gpt", "value": "\\ud83d"}]}', "half a character"),
        ('{"conversations": [{"from": "\\u001b[31m", "value": "a"}]}', "not from `\x1b[31m`"),
        ('{"conversations": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_records_that_cannot_be_used_are_noted_and_the_plan_is_made(
    tmp_path: Path, record: str, said: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"conversations": [{{"from": "human", "value": "12345678"}}]}}\n{record}\n', "utf-8")
    found = planned("llava_v15_7b_pretrain", f"data.sources.0.annotations={path}")
    assert (found.sources[0].samples, found.sources[0].text_tokens) == (2, 2)
    (note,) = [note for note in found.notes if "1 of the first 2 records cannot be used" in note]
    assert f"{path}, row 2" in note
    assert said in note


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the file has no records"),
        ("version https://git-lfs.github.com/spec/v1\n", "a pointer of git-lfs"),
        ("<!doctype html>", "`resolve/main`"),
    ],
)
def test_a_file_without_records_counts_as_published_and_is_noted(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    found = planned("llava_v15_7b_pretrain", f"data.sources.0.annotations={path}")
    assert (found.counts.samples, found.sources[0].samples_from) == (558_128, "published")
    assert any(str(path) in note and said in note for note in found.notes)


def test_what_the_demo_needs_is_here(tmp_path: Path) -> None:
    assert planned("demo_lora").missing == ()
    assert [thing.kind for thing in planned("demo_finetune").missing] == ["stage before"]


def test_the_demo_is_as_large_as_its_shapes_say() -> None:
    by_folder = language_part(LanguagePart(path="demo"))
    assert by_folder == language_part(LanguagePart(shape="demo"))
    assert vision_part(VisionPart(path="demo")) == vision_part(VisionPart(shape="demo-vision"))


def test_a_folder_that_is_here_wins_over_the_shape(tmp_path: Path) -> None:
    sizes = {"model_type": "llava_llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 100}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4, "mm_vision_tower": "openai/clip"}
    (tmp_path / "config.json").write_text(json.dumps(sizes), "utf-8")
    found = planned(
        "llava_v15_7b_original_finetune_task", f"model.start={tmp_path}", "model.language.path=none"
    )
    language, vision, _ = found.memory.parts
    assert language.total == 2 * 100 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64
    assert vision.total == 303_507_456
    assert "weights" not in {thing.kind for thing in found.missing}


@pytest.mark.parametrize(
    ("text", "said"), [('{"model_type": "mine"}', "model type `mine`"), ("{", "cannot be read as JSON")]
)
def test_a_folder_that_cannot_be_understood(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(ModelError, match=said):
        planned("llava_v15_7b_pretrain", f"model.language.path={tmp_path}")


def test_a_whole_llava_is_planned_from_its_folder(llava: Path) -> None:
    found = planned("demo_full", f"model.start={llava}")
    assert {thing.kind for thing in found.missing} == set()
    assert found.memory.parts[0].total == language_part(LanguagePart(path=str(llava))).total


def test_a_model_of_unknown_size_is_asked_for() -> None:
    with pytest.raises(ModelError, match="nothing is known of the size"):
        planned("llava_v15_7b_pretrain", "model.language.path=me/mine", "model.language.shape=null")
    with pytest.raises(UnknownName, match=r"Did you mean vicuna-7b-v1\.5"):
        planned("llava_v15_7b_pretrain", "model.language.shape=vicuna-7b")


def test_zero_has_presets_and_files(tmp_path: Path) -> None:
    assert preset_name("deepspeed_zero3_offload") == "zero3_offload"
    with pytest.raises(UnknownName, match="Did you mean zero2"):
        zero_of("zero22")
    file = tmp_path / "own.json"
    section = {"stage": 3, "offload_param": {"device": "cpu"}}
    file.write_text(json.dumps({"zero_optimization": section}), "utf-8")
    own = zero_of(str(file))
    assert (own.stage, own.weights_on_host, own.optimizer_on_host) == (3, True, False)
    file.write_text("[", "utf-8")
    with pytest.raises(UserError, match="DeepSpeed configuration"):
        zero_of(str(file))
