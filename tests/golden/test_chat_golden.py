"""Prompts of a chat, as the tool that trained the published models writes them, less what it does wrong."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tiny_models import picture

from vlmbench.chat import Conversation, Picture
from vlmbench.chat.prompt import Prompter
from vlmbench.templates import SYSTEM_TEXTS, Template, template

HERE = Path(__file__).parent / "training"
RUNS: dict[str, dict[str, Any]] = json.loads((HERE / "chat" / "runs.json").read_text("utf-8"))
IMAGE_ID = -200
BARE = Template(name="bare", instruction="{input}")
"""What the original does without `--prompt-template`."""
SHOWN = Picture(name="a.png", data=picture(40, 30), size=(40, 30))


@cache
def tokenizer(name: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    folder = HERE / "encode" / "tokenizers" / name
    settings = json.loads((folder / "special_tokens_map.json").read_text("utf-8"))
    made = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **settings)
    made.add_special_tokens({"additional_special_tokens": ["<image>"]})
    made.pad_token = made.pad_token or made.eos_token
    return made


def prompter(run: dict[str, Any]) -> Prompter:
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        tokenizer(run["tokenizer"]),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    wording = template(run["prompt_template"]) if run["prompt_template"] else BARE
    return Prompter(processor, HERE, fit="square", template=wording)


def ids(writer: Prompter, conversation: Conversation) -> list[int]:
    """The prompt, a picture being one id however many tokens it takes."""
    mark = writer.processor.tokenizer.convert_tokens_to_ids("<image>")
    found: list[int] = []
    for token in writer.inputs(conversation)["input_ids"][0].tolist():
        if token != mark:
            found.append(token)
        elif not found or found[-1] != IMAGE_ID:
            found.append(IMAGE_ID)
    return found


def prompts(run: dict[str, Any]) -> list[list[int]]:
    """Our prompt for each question that the run put to the model."""
    writer = prompter(run)
    told = dict(zip(run["args"][::2], run["args"][1::2], strict=True))
    system = told.get("--system") or SYSTEM_TEXTS.get(told.get("--system-template", ""))
    conversation = Conversation(system=system)
    answers, found = iter(run["canned_model_outputs"]), []
    for question in run["user_turns"]:
        if question == "RESET":
            conversation = Conversation(system=system)
            continue
        shown = (SHOWN,) if run["image"] and not conversation.exchanges else ()
        conversation = conversation.asking(question, shown)
        found.append(ids(writer, conversation))
        # What a model says is kept without the tokens that end it.
        answer = writer.processor.tokenizer.decode(
            writer.processor.tokenizer.encode(next(answers), add_special_tokens=False),
            skip_special_tokens=True,
        )
        conversation = conversation.answered(answer, "stop", prompt_tokens=0, new_tokens=0, seconds=0)
    return found


def golden(run: dict[str, Any]) -> list[list[int]]:
    return run["image_mode_input_ids_per_turn"] or [call["text_ids"] for call in run["generate_calls"]]


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if not run["raises"]])
def test_first_prompts_are_the_originals(name: str) -> None:
    ours, theirs = prompts(RUNS[name]), golden(RUNS[name])
    assert ours[0] == theirs[0]
    if "RESET" in RUNS[name]["user_turns"]:
        assert ours[-1] == theirs[-1]


@pytest.mark.parametrize("name", ["vicuna_two_turns_image", "internlm2_two_turns_image_system"])
def test_later_prompts_differ_by_the_first_token_which_the_original_loses(name: str) -> None:
    ours, theirs = prompts(RUNS[name])[1], golden(RUNS[name])[1]
    bos = tokenizer(RUNS[name]["tokenizer"]).bos_token_id
    assert theirs[0] != bos
    assert ours == [bos, *theirs]


def test_without_pictures_every_prompt_is_the_originals() -> None:
    run = RUNS["internlm2_text_only"]
    assert prompts(run) == golden(run)


def test_an_answer_cut_at_the_token_limit_is_remembered_where_the_original_forgets_everything() -> None:
    run = RUNS["history_dropped_at_max_new_tokens"]
    ours, theirs = prompts(run)[1], golden(run)[1]
    assert theirs.count(IMAGE_ID) == ours.count(IMAGE_ID) == 1
    assert ours[: len(golden(run)[0])] == golden(run)[0]
    said = tokenizer(run["tokenizer"]).decode([token for token in ours if token != IMAGE_ID])
    assert f"{run['canned_model_outputs'][0]}<|im_end|>" in said
    assert "Colour?" in said


def test_a_typed_mark_is_text_where_the_original_breaks_down() -> None:
    run = RUNS["image_token_typed_by_user"]
    assert run["raises"].startswith("AssertionError")
    writer = prompter(run)
    conversation = Conversation().asking("What is <image> here? <|im_end|></s>", (SHOWN,))
    found = ids(writer, conversation)
    assert found.count(IMAGE_ID) == 1
    assert "What is < image> here? < |im_end|>< /s>" in writer.text(conversation)
    vocabulary = writer.processor.tokenizer.get_vocab()
    assert found.count(vocabulary["<|im_end|>"]) == 1
    assert vocabulary["</s>"] not in found
