"""A tiny LLaVA is trained for real on one process: what comes out, and what stops it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_trainings import small, with_dropout, write_records

from vlmbench.checkpoints.read import open_llava
from vlmbench.cli.main import main
from vlmbench.errors import UserError
from vlmbench.model_files.weights import loaded
from vlmbench.trainers.recipe.model import Lora, Recipe
from vlmbench.trainers.training import Saved, export, train
from vlmbench.trainers.training.checkpoints import TRAINED, place, whole
from vlmbench.trainers.training.metrics import read_metrics
from vlmbench.trainers.training.start import read_start


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_records(tmp_path / "data")


@pytest.fixture
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.fixture
def go(tmp_path: Path) -> Callable[..., Path]:
    def run(recipe: Recipe, name: str = "run", **more: Any) -> Path:
        return train(recipe, work_dir=tmp_path / name, home=tmp_path / "home", **more)

    return run


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / TRAINED)


def samples(work: Path) -> list[int]:
    """After which steps the model was asked."""
    return [json.loads(line)["step"] for line in (work / "samples.jsonl").read_text("utf-8").splitlines()]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_finished_folder_is_a_model_with_a_card_and_an_adapter(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    told: list[Saved] = []
    finished = go(small(model, data, "saving.sample=true"), on_checkpoint=told.append)
    assert [saved.step for saved in told] == [2, 4, 6]
    assert [saved.last for saved in told] == [False, False, True]
    card = (finished / "README.md").read_text("utf-8")
    assert "schedule:" in card
    assert "records.json" in card
    facts = json.loads((finished / "training.json").read_text("utf-8"))
    assert facts["steps"] == 6
    assert facts["global_batch"] == 8
    work = finished.parent
    assert [reading["step"] for reading in read_metrics(work)] == [1, 2, 3, 4, 5, 6]
    assert samples(work) == [0, 2, 4, 6]
    assert any((work / "tensorboard").iterdir())
    assert [folder.name for folder in whole(work)] == ["checkpoint-4", "checkpoint-6"]

    trained, before = open_llava(finished), open_llava(model)
    assert trained.chat_template == before.chat_template
    moved = loaded(trained.language.weights)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(moved[name], before.language.weights[name].load())
    # The adapter on its base is the merged model.
    adapted = open_llava(finished / "adapter", llm=model)
    torch.testing.assert_close(adapted.language.weights[name].load(), moved[name])
    torch.testing.assert_close(loaded(adapted.projector.weights), loaded(trained.projector.weights))


def test_a_frozen_part_comes_out_as_it_went_in(model: Path, data: Path, go: Callable[..., Path]) -> None:
    recipe = small(model, data, "schedule.max_steps=1")
    trained, before = open_llava(go(recipe)), open_llava(model)
    for name, kept in before.vision.weights.items():
        assert torch.equal(trained.vision.weights[name].load(), kept.load())


def test_an_interrupted_run_ends_in_the_weights_of_an_uninterrupted_one(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = with_dropout(small(model, data))

    def interrupt(saved: Saved) -> None:
        if saved.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(recipe, "broken", on_checkpoint=interrupt)
    with pytest.raises(UserError, match="--resume continues"):
        go(recipe, "broken")
    go(recipe, "broken", resume="latest")
    go(recipe, "straight")
    assert same(tensors(tmp_path / "broken/checkpoint-6"), tensors(tmp_path / "straight/checkpoint-6"))
    steps = [[line["step"], line["loss"]] for line in read_metrics(tmp_path / "broken")]
    assert steps == [[line["step"], line["loss"]] for line in read_metrics(tmp_path / "straight")]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = replace(with_dropout(small(model, data, "schedule.max_steps=2")), seed=3)
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        go(replace(recipe, seed=seed), name)
    one, two, three = (tensors(place(tmp_path / name, 2)) for name in ("one", "two", "three"))
    assert same(one, two)
    assert not same(one, three)


@pytest.mark.slow
def test_how_a_global_batch_is_divided_does_not_matter(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = small(model, data, "schedule.max_steps=3", "saving.every=3")
    for batch, accumulation in ((8, 1), (2, 4)):
        schedule = replace(recipe.schedule, batch=batch, accumulation=accumulation)
        go(replace(recipe, schedule=schedule), f"b{batch}")
    one, other = tensors(tmp_path / "b8/checkpoint-3"), tensors(tmp_path / "b2/checkpoint-3")
    torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_a_finished_stage_is_not_trained_again_and_another_recipe_is_refused(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    recipe = small(model, data, "schedule.max_steps=1")
    finished = go(recipe)
    before = (finished / "training.json").stat().st_mtime_ns
    assert go(recipe) == finished
    assert (finished / "training.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="of another recipe, or of other values or data: seed was 0 and is 7"):
        go(replace(recipe, seed=7))


def test_a_checkpoint_of_other_values_is_refused_by_name(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    recipe = small(model, data)

    def stop(saved: Saved) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(recipe, on_checkpoint=stop)
    changed = replace(recipe, seed=9, schedule=replace(recipe.schedule, batch=2))
    with pytest.raises(UserError, match=r"seed was 0 and is 9; its global batch was 8, and is 4 now"):
        go(changed, resume="latest")


def test_a_loss_that_is_no_number_stops_before_the_step_and_names_the_records(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled"
    shutil.copytree(model, spoiled)
    file = spoiled / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("linear_2.bias"))
    weights[name][0] = float("nan")
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(UserError, match=r"the loss is nan, in step 1; .* The batch: r\d+.*All 8 ids: .*/run"):
        go(small(spoiled, data))
    assert whole(tmp_path / "run") == []
    (kept,) = (tmp_path / "run/stopped-at-step-1.jsonl").read_text("utf-8").splitlines()
    assert len(set(json.loads(kept)["records"])) == 8
    assert json.loads(kept)["loss"] == "nan"


def test_a_broken_picture_stops_a_run_or_is_passed_over(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    (data.parent / "pictures" / "4.png").write_bytes(b"no picture")
    recipe = small(model, data, "schedule.epochs=1")
    with pytest.raises(UserError, match=r"4\.png"):
        go(recipe, "failing")
    skipping = replace(recipe, data=replace(recipe.data, broken="skip"))
    finished = go(skipping, "skipping")
    assert read_metrics(finished.parent)[-1]["skipped"] == 1


def test_stage_two_begins_with_what_stage_one_left_and_lists_what_does_not_fit(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    first = replace(small(model, data, "schedule.max_steps=1", name="demo_full"), name="first")
    finished = go(first, "first")
    second = replace(small(model, data, "schedule.max_steps=1"), name="second", pretrained="first")
    assert go(second, "second").is_dir()

    file = finished / "model.safetensors"
    weights = load_file(file)
    weights.pop("multi_modal_projector.linear_1.bias")
    save_file({**weights, "something.else": torch.zeros(2)}, file, {"format": "pt"})
    with pytest.raises(UserError, match=r"linear_1\.bias|0\.bias|something\.else"):
        go(second, "third")


@pytest.mark.slow
def test_every_part_can_learn_in_every_way(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    def adapters(trained: str) -> Lora | None:
        return Lora(r=4, alpha=8, head=True) if trained == "lora" else None

    base = small(model, data, "schedule.max_steps=1", "parallelism.checkpointing=true")
    for language in ("full", "lora", "frozen"):
        for vision in ("full", "lora", "frozen"):
            parts = replace(
                base.model,
                language=replace(base.model.language, train=language, lora=adapters(language)),
                vision=replace(base.model.vision, train=vision, lora=adapters(vision)),
            )
            finished = go(replace(base, model=parts), f"{language}-{vision}")
            held = tensors(place(finished.parent, 1))
            assert any("projector" in name for name in held)
            assert any("lm_head" in name for name in held) == (language != "frozen")
            # The last of three layers lies behind the selected one.
            assert any("tower.encoder.layers.1." in name for name in held) == (vision != "frozen")
            assert not any("tower.encoder.layers.2." in name for name in held)


def test_packed_rows_train(model: Path, data: Path, go: Callable[..., Path]) -> None:
    recipe = small(model, data, "data.packing=true", "schedule.batch=1", "schedule.max_steps=2")
    assert read_metrics(go(recipe).parent)[-1]["step"] == 2


def test_a_model_of_parts_is_built_trained_and_opened(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    recipe = small(model, data, "schedule.max_steps=1", name="demo_pretrain")
    fresh = replace(
        recipe.model,
        start=None,
        language=replace(recipe.model.language, path=str(model), train="full", fresh=True),
        vision=replace(recipe.model.vision, path=str(model), train="full", fresh=True),
    )
    trained = open_llava(go(replace(recipe, model=fresh)))
    name = "model.embed_tokens.weight"
    assert not torch.equal(
        trained.language.weights[name].load(), open_llava(model).language.weights[name].load()
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_a_checkpoint_on_the_way_is_converted_run_and_begun_with(
    model: Path,
    data: Path,
    go: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    base = shutil.copytree(model, tmp_path / "base")
    recipe = small(base, data, "schedule.max_steps=2", "saving.every=1")
    finished = go(recipe)
    exported = export(recipe, Path("run/checkpoint-1"), Path("exported"))
    for number, whole_model in ((1, exported), (2, finished)):
        argv = ["convert", f"run/checkpoint-{number}", f"of-{number}", "--to", "huggingface", "--no-verify"]
        assert main(argv) == 0
        made, wanted = files_of(Path(f"of-{number}")), files_of(whole_model)
        assert {name: wanted[name] for name in made} == made
    shutil.rmtree("exported")
    asked = [
        "run",
        "--bench",
        "Shapes_DEV_EN",
        "--limit",
        "1",
        "--max-new-tokens",
        "2",
        "--device",
        "cpu",
        "--model",
    ]
    assert main([*asked, "run/checkpoint-1", "--out", "answers"]) == 0
    facts = json.loads(Path("answers/run.json").read_text("utf-8"))["facts"]["model"]
    assert facts["files"].keys() >= {"trained.safetensors", "facts.json", "chat_template.jinja"}
    read_start(replace(recipe, pretrained=str(tmp_path / "run/checkpoint-1")), tmp_path)
    capsys.readouterr()

    # Moved away, the model that training began with is asked for; without what newer versions note, too.
    file = Path("run/checkpoint-1/facts.json")
    written = json.loads(file.read_text("utf-8"))
    moved = Path(shutil.move(base, tmp_path / "moved"))
    for held in (written, {key: value for key, value in written.items() if key != "start"}):
        file.write_text(json.dumps(held), "utf-8")
        assert main(["convert", "run/checkpoint-1", "again", "--to", "huggingface", "--no-verify"]) == 1
        shown = capsys.readouterr().err
        assert f"`{base}`, which is not on this machine. Give its folder: --llm DIR" in shown
        argv = ["convert", "run/checkpoint-1", "again", "--to", "huggingface", "--no-verify"]
        argv += ["--llm", str(moved)]
        assert main(argv) == 0
        assert files_of(Path("again")) == files_of(Path("of-1"))
        shutil.rmtree("again")
    file.unlink()
    assert main(argv) == 1
    assert "so the checkpoint is not complete" in capsys.readouterr().err


def test_a_checkpoint_of_parts_knows_both(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    parts = [f"model.language.path={model}", f"model.vision.path={model}", "model.start=none"]
    recipe = small(model, data, *parts, "schedule.max_steps=1", name="demo_pretrain")
    finished = go(recipe)
    folder = tmp_path / "run/checkpoint-1"
    ours, theirs = open_llava(folder), open_llava(finished)
    for one, other in ((ours.language, theirs.language), (ours.vision, theirs.vision)):
        assert same(loaded(one.weights), loaded(other.weights))
    assert same(loaded(ours.projector.weights), loaded(theirs.projector.weights))
    assert (ours.chat_template, ours.image_token_id) == (theirs.chat_template, theirs.image_token_id)
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    facts["values"]["model"]["language"] |= {"fresh": True}
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(UserError, match="the language part was drawn anew"):
        open_llava(folder)


def test_a_tower_is_seen_as_the_recipe_says_and_a_whole_model_as_it_was_trained(
    model: Path, data: Path, tmp_path: Path
) -> None:
    parts = [f"model.language.path={model}", f"model.vision.path={model}", "model.start=none"]
    seen = ["model.vision.select_layer=-1", "model.vision.select_strategy=full"]
    begun = read_start(small(model, data, *parts, *seen), tmp_path).llava
    assert (begun.select_layer, begun.select_strategy) == (-1, "full")
    for setting in seen:
        with pytest.raises(UserError, match="in this model"):
            read_start(small(model, data, setting), tmp_path)
    # Of four hidden states, counted from either end.
    assert read_start(small(model, data, "model.vision.select_layer=2"), tmp_path).llava.select_layer == -2


def test_what_was_left_out_and_another_global_batch_are_told_to_who_watches_and_in_the_card(
    model: Path, data: Path, go: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    short = small(model, data, "data.max_length=36", "schedule.max_steps=1", "parallelism.processes=2")
    card = (go(short).parent / "model" / "README.md").read_text("utf-8")
    told = capsys.readouterr().err
    assert "records.json: cut: 17 (r3, " in told
    assert "records.json: cut: 17 " in card.partition("## Data")[2].replace("\\", "")
    assert "global batch 8, meant for 16; --set schedule.accumulation=4" in told


def test_samples_have_times_of_their_own_also_where_a_run_goes_on(
    model: Path, data: Path, go: Callable[..., Path], tmp_path: Path
) -> None:
    often = small(model, data, "saving.sample=true", "saving.sample_every=1", "saving.every=4")

    def interrupt(saved: Saved) -> None:
        if not saved.last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(often, on_checkpoint=interrupt)
    go(often, resume="latest")
    assert samples(tmp_path / "run") == [0, 1, 2, 3, 4, 5, 6]


def test_pictures_that_cannot_be_read_are_counted_once_and_up_to_the_limit(
    model: Path, data: Path, go: Callable[..., Path]
) -> None:
    for number in (1, 4, 7):
        (data.parent / "pictures" / f"{number}.png").write_bytes(b"no picture")
    finished = go(small(model, data, "data.broken=skip", "data.broken_limit=3"))
    assert read_metrics(finished.parent)[-1]["skipped"] == 3
    with pytest.raises(UserError, match="more than 2 could not be used"):
        go(small(model, data, "data.broken=skip", "data.broken_limit=2"), "stopped")
