"""Recipes from YAML: layers, overrides, chains, and mistakes told with the file and key they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.templates import TEMPLATES
from vlmbench.trainers.plan.sizes import shape_names
from vlmbench.trainers.recipe.library import recipe_names, shipped
from vlmbench.trainers.recipe.loading import plain, read, read_recipe, written
from vlmbench.trainers.recipe.model import Evaluation, Lora, Recipe
from vlmbench.trainers.recipe.typed import hints

PRETRAIN = "llava_v15_7b_pretrain"


def own(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_reads_and_what_it_names_exists(name: str) -> None:
    for recipe in read(name).recipes:
        assert recipe.wording.template in TEMPLATES
        assert {recipe.model.language.shape, recipe.model.vision.shape} <= set(shape_names())
        if recipe.pretrained is not None and not recipe.pretrained.startswith("."):
            assert recipe.pretrained in recipe_names()


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_shown_can_be_saved_and_read_again(name: str, tmp_path: Path) -> None:
    assert read(own(tmp_path, written(read(name)))) == read(name)


def test_fragments_are_not_recipes() -> None:
    assert "_published" in shipped()
    with pytest.raises(UnknownName):
        read("_published")


def test_a_file_of_ones_own_stands_on_a_shipped_recipe(tmp_path: Path) -> None:
    file = own(tmp_path, f"base: {PRETRAIN}\nschedule: {{lr: 5e-4}}\nseed: 7\n")
    mine, shipped_one = read_recipe(file), read_recipe(PRETRAIN)
    assert (mine.name, mine.schedule.lr, mine.seed) == ("mine", 5e-4, 7)
    assert (mine.model, mine.data) == (shipped_one.model, shipped_one.data)


def test_a_file_may_stand_on_another_file(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text(f"base: {PRETRAIN}\nseed: 3\n", "utf-8")
    assert read_recipe(own(tmp_path, "base: below.yaml\n")).seed == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle: {}", "Did you mean model"),
        ("schedule: {lrr: 1}", "Did you mean schedule.lr"),
        ("schedule: {lr: fast}", "`schedule.lr`: must be a number"),
        ("schedule: {batch: 1.5}", "`schedule.batch`: must be a whole number"),
        ("schedule: {batch: 0}", "`schedule.batch`: must be 1 or more"),
        ("schedule: {batch: null}", "must not be empty"),
        ("schedule: {betas: [0.9]}", "must have 2 values"),
        ("schedule: 3", "must be a mapping"),
        ("data: {square: 1}", "must be true or false"),
        ("data: {sampler: lenght-grouped}", "Did you mean length-grouped"),
        ("data: {sources: {}}", "must be a list"),
        ("model: {language: {train: lora}}", "has no `lora`"),
        ("model: {language: {lora: {r: 8}}}", "`model.language.lora.alpha`: is missing"),
        ("model: {language: {train: full, quantisation: {}}}", "cannot be trained in full"),
        ("model: {vision: {path: null}}", "`model.vision.path`"),
        ("stages: []", "Did you mean"),
        ("seed: 1\nseed: 2", "stands twice"),
        ("seed: [", "not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        read(own(tmp_path, f"base: {PRETRAIN}\n{text}\n"))
    assert said in str(raised.value)
    assert "mine.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: llava_v15_7b_pretran", "Did you mean llava_v15_7b_pretrain"),
        ("base: mine.yaml", "its own base: mine -> mine"),
        ("base: 3", "a recipe's name"),
        ("- 1", "must be a mapping"),
        ("stage: pretrain", "`model`: is missing"),
        ("stages: [{evaluate: [POPE]}]", "nothing yet to evaluate"),
        ("stages: [llava_v15_7b]", "a chain itself"),
        ("[a, b]: 1", r"mine.yaml: a list or a mapping cannot be the name of a value \(line 1\)"),
        ("? {a: 1}\n: 1", "a list or a mapping cannot be the name"),
        ("name: x\ndata: &x [*x]", "mine.yaml: what begins in line 2 holds itself"),
        (f"data: {'[' * 2000}{']' * 2000}", "nested too deeply in line 1"),
        (f"{'- ' * 100_000}1", "nested too deeply"),
        ("about: 2001-99-99", "is not YAML: month"),
    ],
)
def test_a_file_that_stands_on_nothing(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read(own(tmp_path, text))


def test_a_file_may_be_named_as_the_recipe_it_is_based_on(tmp_path: Path) -> None:
    file = tmp_path / f"{PRETRAIN}.yaml"
    file.write_text(f"base: {PRETRAIN}\nseed: 7\n", "utf-8")
    assert read_recipe(str(file)) == replace(read_recipe(PRETRAIN), seed=7)


def test_what_an_alias_says_many_times_is_looked_at_once(tmp_path: Path) -> None:
    layers = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(UserError, match="must be a mapping"):
        read(own(tmp_path, f"- &a0 [1]\n{layers}"))


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("schedule.lr=1e-4", ("schedule", "lr"), 1e-4),
        ("schedule.batch=8", ("schedule", "batch"), 8),
        ("schedule.max_steps=50", ("schedule", "max_steps"), 50),
        ("schedule.max_steps=none", ("schedule", "max_steps"), None),
        ("schedule.betas=0.9,0.95", ("schedule", "betas"), (0.9, 0.95)),
        ("data.square=true", ("data", "square"), True),
        ("model.language.path=1.5", ("model", "language", "path"), "1.5"),
        ("wording.preamble=", ("wording", "preamble"), ""),
        ("wording.system=a=b", ("wording", "system"), "a=b"),
        ("pretrained=null", ("pretrained",), None),
    ],
)
def test_set_is_typed_by_the_field(setting: str, path: tuple[str, ...], value: object) -> None:
    found: object = read_recipe(PRETRAIN, [setting])
    for name in path:
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


def test_set_reaches_into_lists_and_makes_parts_that_were_not_there() -> None:
    recipe = read_recipe(
        "llava_v15_7b_finetune",
        [
            "data.sources.0.annotations=mine.json",
            "model.language.train=lora",
            "model.language.lora.r=8",
            "model.language.lora.alpha=16",
            "model.language.lora.targets=q_proj,v_proj",
        ],
    )
    assert recipe.data.sources[0].annotations == "mine.json"
    assert recipe.data.sources[0].samples == 665_298
    assert recipe.model.language.lora == Lora(r=8, alpha=16, targets=("q_proj", "v_proj"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("schedule.lr", "not `key=value`"),
        ("schedule.l=1", "Did you mean schedule.lr"),
        ("schedule.lr=fast", "must be a number"),
        ("schedule.batch=many", "must be a whole number"),
        ("schedule.lr.x=1", "nothing below it"),
        ("data.sources.3.samples=1", "written data.sources.0"),
        ("parallelism.precision=bf61", "Did you mean bf16"),
        ("finetune.schedule.lr=1", "no finetune stage"),
    ],
)
def test_a_wrong_setting_is_a_mistake_of_the_command_line(setting: str, said: str) -> None:
    with pytest.raises((UsageError, UnknownName)) as raised:
        read(PRETRAIN, [setting])
    assert said in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_chain_hands_each_stage_what_the_one_before_left() -> None:
    chain = read("demo_two_stages")
    assert [recipe.name for recipe in chain.recipes] == ["demo_pretrain", "demo_finetune"]
    assert [recipe.pretrained for recipe in chain.recipes] == [None, "demo_pretrain"]
    assert chain.stages[-1] == Evaluation(evaluate=("Shapes_DEV_EN",))


def test_an_evaluation_says_how_it_asks_with_the_flags_of_run(tmp_path: Path) -> None:
    text = """
stages:
  - llava_v15_7b_pretrain
  - {evaluate: [POPE], limit: 9, decoding: model, set_decoding: [top_k=9], thinking: off, max_pixels: 64}
"""
    chain = read(own(tmp_path, text))
    stage = chain.stages[-1]
    assert isinstance(stage, Evaluation)
    flags = ("--decoding", "model", "--set-decoding", "top_k=9", "--thinking", "off", "--max-pixels", "64")
    assert stage.flags == flags
    assert stage.is_of(["vlmbench", "run", "--bench", "POPE", *flags, "--limit", "9"])
    assert not stage.is_of(["vlmbench", "run", "--bench", "POPE", "--limit", "9"])
    assert read(own(tmp_path, written(chain))).stages[-1] == stage
    with pytest.raises(UnknownName, match="max_pixel"):
        read(own(tmp_path, text.replace("max_pixels", "max_pixel")))


def test_a_chain_may_hold_recipes_of_its_own(tmp_path: Path) -> None:
    text = """
stages:
  - llava_v15_7b_pretrain
  - {name: short, base: llava_v15_7b_finetune, schedule: {max_steps: 5}}
  - evaluate: [POPE]
"""
    chain = read(own(tmp_path, text))
    assert [recipe.name for recipe in chain.recipes] == ["llava_v15_7b_pretrain", "short"]
    assert chain.recipes[1].pretrained == "llava_v15_7b_pretrain"
    assert chain.recipes[1].schedule.max_steps == 5


def test_a_setting_is_for_every_stage_or_for_the_one_it_names() -> None:
    chain = read("llava_v15_7b", ["seed=5", "finetune.schedule.batch=4"])
    assert [recipe.seed for recipe in chain.recipes] == [5, 5]
    assert [recipe.schedule.batch for recipe in chain.recipes] == [32, 4]


def test_one_recipe_is_asked_where_a_chain_was_named() -> None:
    with pytest.raises(UsageError, match="llava_v15_7b_pretrain"):
        read_recipe("llava_v15_7b")


def test_the_original_scripts_differ_where_they_are_known_to() -> None:
    for size in ("7b", "13b"):
        name = f"llava_v15_{size}_original"
        pretrain, finetune = read_recipe(f"{name}_pretrain"), read_recipe(f"{name}_finetune")
        lora = read_recipe(f"{name}_finetune_lora")
        assert (pretrain.wording.keep, pretrain.parallelism.deepspeed, pretrain.saving.every) == (
            "answers",
            "zero2",
            24000,
        )
        assert (finetune.wording.preamble[-1], finetune.parallelism.deepspeed) == (" ", "zero3")
        assert (finetune.data.max_length, finetune.data.max_positions) == (2048, 2048)
        assert (lora.schedule.lr, lora.schedule.projector_lr) == (2e-4, 2e-5)
        task = read_recipe(f"{name}_finetune_task_lora")
        assert (task.model.start, task.pretrained) == (f"liuhaotian/llava-v1.5-{size}", None)
        assert task.model.language.lora == lora.model.language.lora == Lora(r=128, alpha=256, dropout=0.05)


def test_the_four_ways_of_the_qwen_build() -> None:
    trained = {
        name: (recipe.model.language.train, recipe.model.vision.train, recipe.model.projector.train)
        for name in recipe_names()
        if name.startswith("llava_qwen1_5_4b") and (recipe := read_recipe(name))
    }
    assert trained == {
        "llava_qwen1_5_4b_lora_projector": ("lora", "frozen", True),
        "llava_qwen1_5_4b_lora": ("lora", "frozen", False),
        "llava_qwen1_5_4b_frozen_vision": ("full", "frozen", True),
        "llava_qwen1_5_4b_full": ("full", "full", True),
    }


def test_the_course_is_the_published_recipe_on_ones_own_records() -> None:
    course = read_recipe("internlm2_1_8b_course")
    published = read_recipe("llava_internlm2_chat_1_8b_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune")
    assert course.model == published.model
    assert (course.schedule.batch, course.data.workers, course.parallelism.processes) == (1, 0, 1)


def test_a_plain_recipe_is_plain_values() -> None:
    document = plain(read(PRETRAIN))
    assert document["schedule"]["betas"] == [0.9, 0.999]
    assert document["data"]["sources"][0]["samples"] == 558_128


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("schedule.lr=-1", "`schedule.lr`: must be a number above 0, not `-1.0`"),
        ("schedule.lr=nan", "above 0, not `nan`"),
        ("schedule.projector_lr=inf", "above 0, not `inf`"),
        ("schedule.max_steps=0", "must be 1 or more, not `0`"),
        ("schedule.warmup=2", "from 0 below 1, not `2.0`"),
        ("schedule.betas=0.9,1", "`schedule.betas.1`"),
        ("schedule.batch=0", "`schedule.batch`: must be 1 or more"),
        ("seed=-1", "from 0 below 4,294,967,296, not `-1`"),
        ("saving.every=0", "`saving.every`"),
        ("saving.keep=0", "`saving.keep`"),
        ("model.projector.depth=0", "`model.projector.depth`"),
        ("model.projector.depth=3", "must be 2"),
        ("model.vision.select_layer=99", "from -25 to 24 with this tower, not `99`"),
        ("wording.template=vicunna", "no template named `vicunna`. Did you mean vicuna?"),
        ("model.language.lora.targets=q_prj,v_proj", "no linear layer named `q_prj`. Did you mean q_proj"),
        ("model.language.lora=none", "has no `lora`"),
        ("model.language.train=full", "has a `lora` and is `full`"),
        ("model.vision.lora.r=8", "`model.vision.lora.alpha`: is missing"),
        ("model.language.path=none", "there is no `model.start`"),
    ],
)
def test_a_value_that_cannot_be_is_the_settings_mistake(setting: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        read("llava_v15_7b_finetune_lora", [setting])
    assert said in str(raised.value)
    assert "--set" in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_mistake_of_the_file_stays_the_files_whatever_was_set(tmp_path: Path) -> None:
    text = (
        f"base: {PRETRAIN}\nmodel: {{language: {{train: lora, lora: {{r: 8, alpha: 8, targets: [no]}}}}}}\n"
    )
    with pytest.raises(UserError, match=r"mine\.yaml"):
        read(own(tmp_path, text), ["schedule.lr=1e-3"])


def test_every_number_of_a_recipe_has_a_range() -> None:
    def numbers(kind: Any, path: str) -> Iterator[str]:
        for name, hint in hints(kind).items():
            inner = [hint, *get_args(hint), *(a for option in get_args(hint) for a in get_args(option))]
            if get_origin(hint) is not Annotated and {int, float} & {hint, *get_args(hint)}:
                yield f"{path}{name}"
            for part in filter(is_dataclass, inner):
                yield from numbers(part, f"{path}{name}.")

    # How many layers there are is the tower's to say.
    assert set(numbers(Recipe, "")) == {"model.vision.select_layer"}
