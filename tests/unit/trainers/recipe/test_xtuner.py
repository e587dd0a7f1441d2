"""Configurations of xtuner become recipes; what has no counterpart is named; nothing in them is run."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xtuner_configurations import configuration

from vlmbench.api.conversion import recipe_file
from vlmbench.checkpoints.formats.recipe import open_recipe
from vlmbench.cli.main import main
from vlmbench.errors import UnknownName, UserError
from vlmbench.files.python_values import Code, python_values
from vlmbench.trainers.fingerprints import recipe_values
from vlmbench.trainers.recipe.library import shipped
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.xtuner import import_configuration

FILES = ("internlm.yaml", "llama3.yaml", "llava_v15.yaml", "phi3.yaml", "vicuna.yaml")
PUBLISHED = [n for n, entry in shipped().items() if entry.file.name in FILES and not n.startswith("_")]
QLORA = "llava_internlm2_chat_1_8b_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune"


def written(folder: Path, text: str, name: str = QLORA) -> Path:
    file = folder / f"{name}.py"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_configuration_becomes_the_recipe_of_its_name(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    found = import_configuration(written(tmp_path, configuration(recipe), name))
    held, made = recipe_values(recipe), recipe_values(found.recipe)
    for values in (held, made):
        for source in values["data"]["sources"]:
            source.pop("samples")
    assert made == held
    assert (found.recipe.saving, found.recipe.pretrained) == (recipe.saving, recipe.pretrained)
    sources = zip(found.recipe.data.sources, recipe.data.sources, strict=True)
    assert all((one.annotations, one.images) == (other.annotations, other.images) for one, other in sources)
    if "gpu" in name:
        assert found.recipe.parallelism.processes == recipe.parallelism.processes
    assert found.published == name
    assert found.changed() == () or "70b" in name


def test_a_copied_configuration_is_imported_trained_from_and_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = configuration(
        read_recipe(QLORA),
        "batch_of_mine = 1",
        "train_dataloader = dict(batch_size=batch_of_mine, dataset=set_0, num_workers=open('n').read())",
        "model = dict(use_lmdeploy=True, **model)",
        "optim_wrapper = dict(optimizer=dict(type=PagedAdamW32bit, lr=2e-4), constructor=LearningRateDecay)",
        "resume = True",
        "import os; os.mkdir('executed')",
    )
    file = written(tmp_path, text, f"{QLORA}_copy")
    assert main(["train", file.name]) == 2
    assert (
        f"`vlmbench recipes import {file.name}` makes a recipe of it: {file.stem}.yaml"
        in capsys.readouterr().err
    )
    assert main(["recipes", "import", file.name]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{file.stem}.yaml\n"
    for part in (
        "`train_dataloader.num_workers` is code (line",
        "the optimizer PagedAdamW32bit becomes AdamW",
        "`model.use_lmdeploy` (True) has no counterpart here and is left out",
        "`optim_wrapper.constructor`",
        "`resume` is left out",
        f"compared with the recipe {QLORA}",
        "schedule.batch was 16 and is 1",
    ):
        assert part in shown.err
    assert not Path("executed").exists()
    assert read_recipe(f"{file.stem}.yaml").schedule.batch == 1
    assert main(["recipes", "import", file.name]) == 2
    assert "this file exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model = dict(llm=dict())", "this is no configuration of a LLaVA"),
        ("_base_ = './other.py'", "takes its values from other files"),
        ("model = (", "not a Python configuration"),
        ("model = dict(visual_encoder=dict())", "names no dataset"),
        ("model = dict(visual_encoder=dict())\nmodel['x'] = 1", "code in line 2 makes or changes it"),
    ],
)
def test_another_file_is_refused_in_a_sentence(text: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=part):
        import_configuration(written(tmp_path, text))


def test_a_recipe_is_named_wherever_a_file_of_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    facts = open_recipe(recipe_file(QLORA))
    assert (facts.llm_alpha, facts.vision_alpha, facts.template) == (256, 16, "internlm2_chat")
    assert open_recipe(recipe_file("llava_v15_7b")) == open_recipe(recipe_file("llava_v15_7b_finetune"))
    theirs = open_recipe(written(tmp_path, configuration(read_recipe(QLORA))))
    assert (theirs.llm_alpha, theirs.vision_alpha, theirs.template) == (256, 16, "internlm2_chat")
    with pytest.raises(UnknownName, match="Did you mean"):
        recipe_file(QLORA[:-1])


def test_values_are_computed_where_that_is_harmless_and_code_elsewhere() -> None:
    text = "root = './data/'\npath = root + 'a.json'\nsize = int(2048 - (336 / 14)**2)\nhuge = 9**9**9\n"
    text += "doubled = ['x'] * 10**9\nfor step in [1]:\n    root = step\nname = torch.float16\nmade = f(1)\n"
    found = python_values(text)
    assert (found["path"], found["size"], found["name"]) == ("./data/a.json", 1472, "torch.float16")
    assert all(isinstance(found[name], Code) for name in ("huge", "doubled", "root", "made"))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("train_dataloader = dict(dataset=dict(datasets=[]))", "names no dataset"),
        ("train_cfg = dict(max_epochs=0)", "max_epochs`: must be a number from 1, not 0"),
        ("train_cfg = dict(max_epochs=EPOCHS)", "max_epochs`: must be a number, not `EPOCHS`"),
        ("optim_wrapper = dict(accumulative_counts=0)", "counts`: must be a number from 1"),
        ("default_hooks = dict(checkpoint=dict(max_keep_ckpts='2'))", "keep_ckpts`: must be a number"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(line: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=part):
        import_configuration(written(tmp_path, configuration(read_recipe(QLORA), line)))


def test_a_value_that_is_changed_in_place_is_not_known() -> None:
    made = "a, b, c, d = 0, 0, 0, 0\na = b = c = d = dict(x=1)\n"
    found = python_values(
        f"{made}a['x'] = 2\nb.x = 2\nc.update(x=2)\nd['x'], e = 2, 3\nf = dict(x=1)\nprint(f)\n"
    )
    assert all(isinstance(found[name], Code) for name in "abcde")
    assert found["f"] == {"x": 1}


@pytest.mark.parametrize("line", ["a = [a, a]", "a = dict(x=a, y=a)"])
def test_values_that_double_in_every_line_are_refused(line: str) -> None:
    with pytest.raises(SyntaxError, match="too large"):
        python_values("a = ['x']\n" + f"{line}\n" * 60)


def test_paths_that_double_in_every_line_become_code() -> None:
    text = "a = 'xxxxxxxxxx'\n" + "a = os.path.join(a, a)\n" * 60
    assert isinstance(python_values(text)["a"], Code)


@given(st.text(max_size=60))
def test_any_text_is_values_or_a_syntax_error(text: str) -> None:
    with contextlib.suppress(SyntaxError):
        assert isinstance(python_values(text), dict)
