"""Limits and tiles of pictures reach each family's processor, are locked, and are refused elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from asking import TinyModel, answers, questions, request
from tiny_models import picture

from vlmbench.cli.main import main
from vlmbench.domain import ImageRef
from vlmbench.errors import UserError
from vlmbench.images import open_picture
from vlmbench.model_files.picture_options import PictureOptions
from vlmbench.model_files.picture_sizes import ShownPicture, seen_pictures
from vlmbench.models.hf.model import HfModel, load_hf

LARGE = [request("large", ImageRef("picture 3"), "What is it?")]


def loaded(folder: Path, **given: Any) -> HfModel:
    return load_hf(str(folder), device="cpu", pictures=PictureOptions(**given))


def tokens(model: HfModel) -> int:
    """Of the prompt with the largest picture."""
    return answers(model, LARGE)["large"].prompt_tokens or 0


@pytest.mark.parametrize(
    ("architecture", "fewer", "more"),
    [
        ("qwen2_vl", {"max_pixels": 1024}, {"min_pixels": 100_000, "max_pixels": 200_000}),
        ("qwen2_5_vl", {"max_pixels": 1024}, {"min_pixels": 100_000, "max_pixels": 200_000}),
        ("idefics3", {"tiles": 1}, {"tiles": 9}),
        ("smolvlm", {"tiles": 1}, {"tiles": 9}),
        ("llava_onevision", {"tiles": 2}, None),
        ("internvl", {"tiles": 2}, None),
        ("minicpmv4_6", {"tiles": 1}, None),
    ],
)
def test_a_limit_changes_how_many_tokens_a_picture_has(
    architecture: str, fewer: dict[str, Any], more: dict[str, Any] | None, tiny_model: TinyModel
) -> None:
    folder = tiny_model(architecture)
    models = [loaded(folder, **given) for given in (fewer, {}, more) if given is not None]
    counts = [tokens(model) for model in models]
    assert counts == sorted(set(counts))
    assert {name: models[0].picture_settings[name] for name in fewer} == fewer


def test_a_grid_that_is_left_out_is_left_out_of_the_model_too(tiny_model: TinyModel) -> None:
    folder = tiny_model("llava_next")
    whole = loaded(folder)
    grids = whole._processor.image_processor.image_grid_pinpoints
    side = min(min(grid) for grid in grids)
    few = loaded(folder, tiles=2)
    kept = few._processor.image_processor.image_grid_pinpoints
    assert kept == few._weights.config.image_grid_pinpoints
    assert kept == [list(grid) for grid in grids if grid[0] * grid[1] <= 2 * side * side]
    assert all(r.error is None for r in answers(few, questions()).values())
    with pytest.raises(UserError, match="smallest of this model's grids"):
        loaded(folder, tiles=1)


@pytest.mark.parametrize(
    ("architecture", "given", "words"),
    [
        (
            "llava",
            {"max_pixels": 1024},
            "`--max-pixels`: this model's CLIPImageProcessorPil has no",
        ),
        ("qwen2_vl", {"tiles": 4}, "has --min-pixels, --max-pixels, --resample"),
        ("idefics3", {"max_pixels": 1024}, "has --tiles, --resample"),
    ],
)
def test_what_a_family_has_not_is_refused_by_name(
    architecture: str, given: dict[str, Any], words: str, tiny_model: TinyModel
) -> None:
    with pytest.raises(UserError) as error:
        loaded(tiny_model(architecture), **given)
    assert words in str(error.value)


def test_the_filter_is_the_processors_and_locked(tiny_model: TinyModel) -> None:
    folder = tiny_model("qwen2_vl")
    model, plain = loaded(folder, resample="nearest"), loaded(folder)
    assert model.picture_settings["resample"] == "nearest"
    assert plain.picture_settings["resample"] == "bicubic"
    assert model.facts["pictures"] == {"resample": "nearest"}
    assert "pictures" not in plain.facts
    assert answers(model, questions()) != answers(plain, questions())


def test_a_run_prints_the_settings_once_and_refuses_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["run", "--model", "demo", "--bench", "Shapes_DEV_EN", "--limit", "1", "--out", "run"]
    assert main([*asked, "--resample", "nearest"]) == 0
    assert capsys.readouterr().err.count("resample nearest") == 1
    facts = json.loads((tmp_path / "run/run.json").read_text("utf-8"))["facts"]
    assert facts["model"]["pictures"] == {"resample": "nearest"}
    lines = (tmp_path / "run/picture_tokens.jsonl").read_text("utf-8").splitlines()
    shown = {d for row in (tmp_path / "run/pictures.jsonl").read_text("utf-8").splitlines()
             for d in json.loads(row)["pictures"]}  # fmt: skip
    assert {json.loads(line)["picture"] for line in lines} == shown
    assert {json.loads(line)["tokens"] for line in lines} == {9}
    (seen,) = {(*found["resized"], found["tiles"]) for found in map(json.loads, lines)}
    assert seen == (96, 96, 1)
    assert main(asked) == 1
    assert "model.pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "demo", "--min-pixels", "9", "--max-pixels", "4"], "contradict each other"),
        (["--model", "demo", "--tiles", "4"], "`--tiles`: this model's CLIPImageProcessorPil has no such"),
        (["--model", "echo", "--tiles", "4"], "`--tiles`: `echo:` models resize and cut pictures themselves"),
    ],
)
def test_flags_that_cannot_be_are_refused(
    flags: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--bench", "Shapes_DEV_EN", *flags]) in (1, 2)
    assert words in capsys.readouterr().err


def test_families_without_a_tiny_model_have_their_own_words() -> None:
    from types import SimpleNamespace

    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    from vlmbench.model_files.picture_options import set_pictures

    def after(pictures: Any, **given: Any) -> Any:
        config = SimpleNamespace(vision_config=SimpleNamespace(max_num_tiles=4))
        set_pictures(SimpleNamespace(image_processor=pictures), config, PictureOptions(**given))
        return pictures

    assert after(GotOcr2ImageProcessorPil(), tiles=6).max_patches == 6
    assert after(MllamaImageProcessorPil(), tiles=2).max_image_tiles == 2
    assert after(PixtralImageProcessorPil(), max_pixels=250_000).size["longest_edge"] == 500
    with pytest.raises(UserError, match="at most 4 tiles"):
        after(MllamaImageProcessorPil(), tiles=5)


SHOWN = [ShownPicture(width=width, height=height) for width, height in ((100, 33), (16, 16))]


@pytest.mark.parametrize(
    "architecture", ["llava", "qwen2_vl", "idefics3", "llava_next", "llava_onevision", "internvl"]
)
def test_the_tokens_of_a_picture_are_counted_as_its_prompt_has_them(
    architecture: str, tiny_model: TinyModel
) -> None:
    model = loaded(tiny_model(architecture))
    counted = [seen.tokens or 0 for seen in model.seen_pictures(SHOWN)]
    asked = [request(name, ImageRef(name), "What is it?") for name in ("picture 3", "picture 4")]
    large, small = (answers(model, [one])[one.id].prompt_tokens or 0 for one in asked)
    assert large - small == counted[0] - counted[1]
    assert min(counted) > 0


@pytest.mark.parametrize(("architecture", "given"), [("minicpmv4_6", {}), ("gemma3", {"tiles": 3})])
def test_tokens_of_slices_and_crops_are_those_of_the_picture_without_the_words_around_them(
    architecture: str, given: dict[str, Any], tiny_model: TinyModel
) -> None:
    processor = loaded(tiny_model(architecture), **given)._processor
    mark, text = processor.tokenizer.image_token_id, [processor.image_token]
    made = []
    for size in ((800, 260), (16, 16)):
        inputs = processor(text=text, images=[[open_picture(picture(*size))]], return_tensors="pt")
        made.append(int((inputs["input_ids"] == mark).sum()))
    shown = [ShownPicture(width=800, height=260), SHOWN[1]]
    assert [seen.tokens for seen in seen_pictures(processor, shown)] == made
    assert made[0] > made[1]


def test_pan_and_scan_of_gemma_is_off_as_published_and_set_for_one_model_alone(
    tiny_model: TinyModel,
) -> None:
    folder = tiny_model("gemma3")
    few, plain = loaded(folder, tiles=2), loaded(folder)
    wide = ShownPicture(width=800, height=260)
    assert [model.seen_pictures([wide])[0].tiles for model in (few, plain)] == [3, 1]
    assert [model.picture_settings["tiles"] for model in (few, plain)] == [2, 1]
    asked = [request("wide", ImageRef("wide"), "What is it?")]
    images = {"wide": picture(800, 260)}
    more, less = (answers(model, asked, images)["wide"].prompt_tokens or 0 for model in (few, plain))
    assert more > less + 2 * 4


def test_llava_onevision_sees_one_tile_of_each_of_several_pictures(tiny_model: TinyModel) -> None:
    model = loaded(tiny_model("llava_onevision"))
    pair = [dataclasses.replace(picture, is_alone=False) for picture in SHOWN]
    asked = request("two", ImageRef("picture 3"), ImageRef("picture 4"), "What is it?")
    alone = request("one", ImageRef("picture 4"), "What is it?")
    two, one = (answers(model, [r])[r.id].prompt_tokens or 0 for r in (asked, alone))
    beside = [seen.tokens or 0 for seen in model.seen_pictures(pair)]
    words = one - (model.seen_pictures(SHOWN)[1].tokens or 0)
    # The template writes a line break after each picture.
    assert two == sum(beside) + words + 1


def test_a_filter_that_is_no_number_of_pillows_is_shown_too() -> None:
    from types import SimpleNamespace

    from vlmbench.model_files.picture_options import picture_facts

    pictures = SimpleNamespace(resample=SimpleNamespace(value="bicubic"), size={"height": 8, "width": 8})
    found = picture_facts(SimpleNamespace(image_processor=pictures))
    assert found == {"size": {"height": 8, "width": 8}, "resample": "bicubic"}
