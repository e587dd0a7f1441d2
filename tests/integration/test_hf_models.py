"""Tiny random models of every architecture, asked for real."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from asking import GREEDY, PICTURES, QUESTIONS, TinyModel, answers, questions, request
from tiny_models import ARCHITECTURES, edit_json

from vlmbench.domain import Decoding, ImageRef
from vlmbench.errors import ModelError
from vlmbench.models.hf.model import load_hf


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "decoding", [GREEDY, Decoding(max_new_tokens=6, num_beams=2)], ids=["greedy", "beams"]
)
def test_answers_do_not_depend_on_the_batch_size(
    architecture: str, decoding: Decoding, tiny_model: TinyModel
) -> None:
    one, three, eight = (
        answers(load_hf(str(tiny_model(architecture)), device="cpu", batch_size=size), questions(decoding))
        for size in (1, 3, 8)
    )
    assert [r.error for r in one.values()] == [None] * len(one)
    assert one == three == eight
    # Had all answers been alike, the comparison would have shown nothing.
    assert len({r.text for r in one.values()}) > len(one) * 0.8


@pytest.mark.parametrize("architecture", ["llava", "llava_next", "idefics3"])
def test_answers_are_those_of_transformers_asked_directly(architecture: str, tiny_model: TinyModel) -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from vlmbench.images import open_picture

    folder = tiny_model(architecture)
    processor: Any = AutoProcessor.from_pretrained(folder)
    plain: Any = AutoModelForImageTextToText.from_pretrained(folder)
    ours = answers(load_hf(str(folder), device="cpu", batch_size=4), questions())
    for (name, data), text in itertools.product(PICTURES.items(), QUESTIONS):
        content = [{"type": "image", "image": open_picture(data)}, {"type": "text", "text": text}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )  # fmt: skip
        with torch.inference_mode():
            tokens = plain.generate(**inputs, max_new_tokens=10, do_sample=False)
        start = inputs["input_ids"].shape[1]
        answer = ours[f"{name}: {text}"]
        assert answer.text == processor.decode(tokens[0, start:], skip_special_tokens=True).strip()
        assert answer.prompt_tokens == start


def test_sampling_can_be_repeated_in_any_batch_size(tiny_model: TinyModel) -> None:
    sampling = questions(Decoding(max_new_tokens=8, do_sample=True, temperature=1.5, top_p=0.9))
    one, five = (
        answers(load_hf(str(tiny_model("llava")), device="cpu", batch_size=size), sampling) for size in (1, 5)
    )
    assert one == five
    greedy = answers(load_hf(str(tiny_model("llava")), device="cpu"), questions(Decoding(max_new_tokens=8)))
    assert [r.text for r in one.values()] != [r.text for r in greedy.values()]


def test_sampling_settings_of_the_checkpoint_do_not_leak_into_greedy(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    edit_json(
        folder / "generation_config.json",
        do_sample=True, temperature=0.3, top_k=2, top_p=0.1, repetition_penalty=1.8, no_repeat_ngram_size=2,
        max_length=20, num_beams=4,
    )  # fmt: skip
    plain, spoilt = (
        answers(load_hf(str(path), device="cpu"), questions()) for path in (tiny_model("llava"), folder)
    )
    assert spoilt == plain


def test_end_tokens_of_the_checkpoint_are_kept(tiny_model: TinyModel, tmp_path: Path) -> None:
    whole = answers(load_hf(str(tiny_model("llava")), device="cpu"), questions())
    assert {r.finish for r in whole.values()} == {"length"}
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    edit_json(folder / "generation_config.json", eos_token_id=[2, *range(200, 260)])
    short = answers(load_hf(str(folder), device="cpu", batch_size=5), questions())
    for name, response in short.items():
        assert response.finish == "stop" or response.new_tokens == 10
        assert whole[name].text.startswith(response.text.rstrip("\ufffd"))
    assert {r.finish for r in short.values()} == {"stop", "length"}


def test_square_pads_with_the_processor_s_mean_colour(tiny_model: TinyModel) -> None:
    import io

    from vlmbench.images import open_picture, pad_to_square

    buffer = io.BytesIO()
    # CLIP's mean (0.48145466, 0.4578275, 0.40821073) times 255, cut to whole numbers.
    pad_to_square(open_picture(PICTURES["picture 1"]), (122, 116, 104)).save(buffer, "PNG")
    images = {"plain": PICTURES["picture 1"], "padded": buffer.getvalue()}
    model = load_hf(str(tiny_model("llava_next")), device="cpu")
    by_us = request("by us", ImageRef("plain"), "What?", fit="square")
    by_hand = request("by hand", ImageRef("padded"), "What?")
    left_alone = request("left alone", ImageRef("plain"), "What?")
    said = {name: r.text for name, r in answers(model, [by_us, by_hand, left_alone], images).items()}
    assert said["by us"] == said["by hand"] != said["left alone"]


@pytest.mark.parametrize(("architecture", "mark"), [("llava", "<image>"), ("qwen2_vl", "<|image_pad|>")])
def test_a_mark_typed_in_a_question_is_text(architecture: str, mark: str, tiny_model: TinyModel) -> None:
    model = load_hf(str(tiny_model(architecture)), device="cpu")
    typed = request("typed", ImageRef("picture 0"), f"What does {mark} mean?")
    without = request("without", f"What does {mark} mean?")
    assert model.render(typed).count(mark) == 1
    assert model.render(without).count(mark) == 0
    assert [r.error for r in answers(model, [typed, without]).values()] == [None, None]


def test_render_is_the_chat_template_s_text(tiny_model: TinyModel) -> None:
    model = load_hf(str(tiny_model("llava")), device="cpu")
    assert model.render(request("1", ImageRef("x"), "What?\nA. a")) == "USER: <image>\nWhat?\nA. a ASSISTANT:"


def test_a_system_prompt_and_the_beginning_of_an_answer_stand_where_the_template_wants_them(
    tiny_model: TinyModel,
) -> None:
    model = load_hf(str(tiny_model("qwen2_vl")), device="cpu")
    plain = request("plain", ImageRef("picture 0"), "What is it?")
    steered = dataclasses.replace(
        plain, id="steered", system="Answer <|image_pad|> in red.", opening=" Answer:"
    )
    text = model.render(steered)
    assert text.endswith(" Answer:")
    assert text.index("in red.") < text.index("What is it?")
    assert text.count("<|image_pad|>") == model.render(plain).count("<|image_pad|>") == 1
    found = answers(model, [plain, steered])
    assert found["plain"].prompt_tokens < found["steered"].prompt_tokens  # type: ignore[operator]
    assert found["steered"] == answers(model, [steered])["steered"]


def test_a_template_that_leaves_the_system_prompt_out_is_refused(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    template = folder / "chat_template.jinja"
    template.write_text("{% set messages = messages[-1:] %}" + template.read_text("utf-8"), "utf-8")
    model = load_hf(str(folder), device="cpu")
    asked = dataclasses.replace(request("1", ImageRef("picture 0"), "What?"), system="Be brief.")
    with pytest.raises(ModelError, match="leaves the system prompt of this prompt style out"):
        model.render(asked)


def test_facts_name_what_decides_an_answer(tiny_model: TinyModel, tmp_path: Path) -> None:
    facts = json.loads(json.dumps(load_hf(str(tiny_model("llava")), device="cpu").facts))
    assert facts["architecture"] == "LlavaForConditionalGeneration"
    assert facts["dtype"] == "float32"
    assert facts["generation"]["eos_token_id"] == [2]
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= facts[
        "files"
    ].keys()
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    with (folder / "chat_template.jinja").open("a") as template:
        template.write(" ")
    changed = load_hf(str(folder), device="cpu", dtype="bfloat16").facts
    assert {key for key in facts if facts[key] != changed[key]} == {"dtype", "files", "chat template"}


def test_name_and_default_style(tiny_model: TinyModel) -> None:
    styles = {
        name: load_hf(f"{tiny_model(name)}/", device="cpu") for name in ("llava", "llava_next", "qwen2_vl")
    }
    assert {name: (m.name, m.style) for name, m in styles.items()} == {
        "llava": ("llava", "llava"),
        "llava_next": ("llava_next", "llava-next"),
        "qwen2_vl": ("qwen2_vl", "qwen2-vl"),
    }


def test_loading_says_where_and_answering_nothing(
    tiny_model: TinyModel, capfd: pytest.CaptureFixture[str]
) -> None:
    answers(load_hf(str(tiny_model("qwen2_5_vl")), device="cpu"), questions())
    assert capfd.readouterr() == ("", "loading qwen2_5_vl on cpu, float32…\n")


def test_an_older_llava_folder_says_no_patch_size_and_works(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("llava"), tmp_path / "model")
    edit_json(
        folder / "processor_config.json",
        patch_size=None, vision_feature_select_strategy=None, num_additional_image_tokens=None,
    )  # fmt: skip
    now = answers(load_hf(str(tiny_model("llava")), device="cpu"), questions())
    assert answers(load_hf(str(folder), device="cpu"), questions()) == now
