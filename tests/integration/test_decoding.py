"""A decoding that is asked for is the one that answers: flags, the lock, every engine that runs here."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import GREEDY, PICTURES, TinyModel, answers, questions
from chat_server import Fault, chat_server
from tiny_models import edit_json

import vlmbench
from vlmbench.cli.main import main
from vlmbench.decoding import Decoding, changed
from vlmbench.domain import Request, Response
from vlmbench.errors import ModelError, UserError
from vlmbench.models.hf.model import load_hf

ASKED = questions(Decoding(max_new_tokens=12))


def asked_with(**settings: Any) -> list[Request]:
    return [replace(r, decoding=changed(r.decoding, settings)) for r in ASKED]


def one_by_one(folder: Path, requests: list[Request]) -> dict[str, Response]:
    model = load_hf(str(folder), device="cpu", batch_size=1)
    # A tree draws with other random numbers than `generate`: what is sampled stays in trees.
    if not requests[0].decoding.do_sample:
        model._sharer = None
    return answers(model, requests)


@pytest.mark.parametrize(
    "settings",
    [
        {"repetition_penalty": 1.3},
        {"presence_penalty": 1.5},
        {"stop": ["e", "the "]},
        {"num_beams": 2, "repetition_penalty": 1.3, "stop": "e"},
        {"temperature": 1.5, "top_p": 0.9, "top_k": 12, "min_p": 0.01, "presence_penalty": 0.5, "stop": "a"},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_transformers_answers_the_same_in_any_batch_and_as_trees(
    settings: dict[str, Any], tiny_model: TinyModel
) -> None:
    folder, asked = tiny_model("llava"), asked_with(**settings)
    alone = one_by_one(folder, asked)
    assert answers(load_hf(str(folder), device="cpu"), asked) == alone
    assert answers(load_hf(str(folder), device="cpu", batch_size=5), asked[::-1]) == alone
    plain = one_by_one(folder, ASKED)
    assert sum(alone[r.id].text != plain[r.id].text for r in asked) > len(asked) / 3


def test_a_stop_text_ends_the_answer_before_it(tiny_model: TinyModel) -> None:
    folder = tiny_model("llava")
    whole = answers(load_hf(str(folder), device="cpu"), ASKED)
    letter, _ = Counter("".join(r.text[2:] for r in whole.values()).replace(" ", "")).most_common(1)[0]
    cut = answers(load_hf(str(folder), device="cpu"), asked_with(stop=letter))
    for name, before in whole.items():
        after = cut[name]
        assert after.text == before.text.partition(letter)[0].strip()
        if letter in before.text:
            assert after.finish == "stop"
            assert (after.new_tokens or 0) <= (before.new_tokens or 0)


def test_a_presence_penalty_repeats_fewer_tokens(tiny_model: TinyModel) -> None:
    model = load_hf(str(tiny_model("llava")), device="cpu")
    tokens = model._processor.tokenizer

    def repeated(requests: list[Request]) -> int:
        found = (tokens(r.text)["input_ids"] for r in answers(model, requests).values())
        return sum(len(ids) - len(set(ids)) for ids in found)

    assert repeated(asked_with(presence_penalty=2, repetition_penalty=1.2)) < repeated(ASKED)


def facts(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text("utf-8"))["facts"]["decoding"]


def run(*flags: str, model: str = "demo", out: str = "run") -> int:
    return main(["run", "--model", model, "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", out, *flags])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_settings_of_the_command_line_are_locked_shown_and_compared(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--set-decoding", "temperature=0.6", "top_k=20", "stop=\\n", "--seed", "5")
    assert run(*flags) == 0
    words = r"sampling at 0.6, top-k 20, stop at '\n', at most 2048 tokens"
    assert f"decoding: {words}, seed 5" in capsys.readouterr().err
    (locked,) = facts(here / "run")
    assert (locked["temperature"], locked["top_k"], locked["stop"], locked["seed"]) == (0.6, 20, ["\n"], 5)
    assert json.loads((here / "run/results.json").read_text("utf-8"))["decoding"] == [locked]
    assert run(*flags) == 0  # the same command goes on
    assert run("--set-decoding", "temperature=0.6", "top_k=30", "stop=\\n", "--seed", "5") == 1
    assert "decoding.top_k was 20 and is now 30" in capsys.readouterr().err
    assert run("--seed", "5", out="plain") == 0
    assert main(["compare", "run", "plain"]) == 0
    assert "top_k 20 and 0" in capsys.readouterr().out


def test_a_checkpoints_own_decoding_is_taken_and_stated(
    here: Path, demo_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_json(
        demo_copy / "generation_config.json", do_sample=True, temperature=0.7, top_k=3, max_new_tokens=9
    )
    assert run("--decoding", "model", model=str(demo_copy)) == 0
    words = (
        "decoding of the model's generation_config.json: sampling at 0.7, top-k 3, at most 9 tokens, seed 0"
    )
    assert words in capsys.readouterr().err
    document = json.loads((here / "run/run.json").read_text("utf-8"))
    assert document["sittings"][-1]["decoding"] == words
    assert run("--decoding", "model", "--set-decoding", "top_k=4", model=str(demo_copy), out="other") == 0
    assert "top_k changed: sampling at 0.7, top-k 4" in capsys.readouterr().err
    assert run(model=str(demo_copy), out="greedy") == 0
    assert facts(here / "greedy")[0]["do_sample"] is False


@pytest.fixture
def demo_copy(tmp_path: Path) -> Path:
    from vlmbench.models.loading import demo_folder

    return Path(shutil.copytree(demo_folder(), tmp_path / "mine"))


@pytest.mark.parametrize(
    ("flags", "model", "words"),
    [
        (["--decoding", "greedy", "--set-decoding", "temperature=0.6"], "echo", "contradict each other"),
        (["--decoding", "published", "--set-decoding", "top_k=3"], "echo", "taken as it is"),
        (["--set-decoding", "top_p=0.9"], "echo", "greedy decoding draws nothing"),
        (["--set-decoding", "max_new_tokens=5", "--max-new-tokens", "6"], "echo", "contradict"),
        (["--set-decoding", "temperature"], "echo", "Write KEY=VALUE"),
        (["--set-decoding", "top_k=3", "top_k=4"], "echo", "set twice"),
        (["--set-decoding", "heat=1"], "echo", "no setting of decoding named `heat`"),
        (["--set-decoding", "seed=1"], "echo", "`--seed`"),
        (["--decoding", "model"], "echo", "echo has no such file"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(
    flags: list[str], model: str, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*flags, model=model) in (1, 2)
    assert words in capsys.readouterr().err
    assert not (here / "run" / "run.json").exists()


def test_python_takes_a_name_settings_or_a_decoding(here: Path) -> None:
    def decodings(given: Any, **more: Any) -> Any:
        out = here / str(len(list(here.iterdir())))
        vlmbench.evaluate("echo", "Shapes_DEV_EN", limit=2, decoding=given, out=out, progress=False, **more)
        return facts(out)[0]

    assert decodings({"temperature": 0.6}, seed=3)["seed"] == 3
    assert (
        decodings(Decoding(stop=("x",), max_new_tokens=7))
        == Decoding(stop=("x",), max_new_tokens=7).document()
    )
    assert decodings("greedy", max_new_tokens=8)["max_new_tokens"] == 8
    for wrong in ({"base": "published", "top_k": 3}, {"heat": 1}, Decoding(top_k=3), 7):
        with pytest.raises(UserError):
            decodings(wrong)


def test_a_function_refuses_to_sample_before_a_folder_is_made(here: Path) -> None:
    with pytest.raises(ModelError, match="`temperature`"):
        vlmbench.evaluate(
            lambda messages, images: "A", "Shapes_DEV_EN", limit=2, decoding={"temperature": 1}, out="run",
            progress=False,
        )  # fmt: skip
    assert not (here / "run" / "run.json").exists()


def test_a_server_gets_only_what_is_set_and_a_seed_for_every_question() -> None:
    from vlmbench.models.servers.openai import sampling

    assert sampling(GREEDY, "1") == {"max_tokens": 10, "temperature": 0}
    everything = changed(
        GREEDY,
        {"temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1,
         "presence_penalty": 1.5, "stop": ["#"]},
    )  # fmt: skip
    sent = sampling(everything, "1")
    assert sent.pop("seed") != sampling(everything, "2")["seed"]
    assert sent == {
        "max_tokens": 10, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.1,
        "repetition_penalty": 1.1, "presence_penalty": 1.5, "stop": ["#"],
    }  # fmt: skip


def refusal(words: str) -> Fault:
    return Fault(400, body=json.dumps({"error": {"message": words}}).encode())


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        ("Unrecognized request argument supplied: top_k", "top_k"),
        ("Unsupported value: 'temperature' does not support 0.6 with this model.", "temperature"),
        ("body.stop: at most 4 items", "stop"),
    ],
)
def test_a_servers_refusal_of_a_setting_stops_the_run_and_names_it(words: str, setting: str) -> None:
    from vlmbench.models.servers.model import load_server

    (request,) = asked_with(temperature=0.6, top_k=20, stop="#")[-1:]
    with chat_server(lambda *_: refusal(words)) as server:
        model = load_server(server.spec, concurrency=1)
        with pytest.raises(ModelError) as error:
            list(model.generate([request], PICTURES))
    assert f"`{setting}`: " in str(error.value)
    assert "refuses this setting of decoding" in str(error.value)


def test_a_prompt_that_is_too_long_is_that_rows_error_although_it_names_max_tokens() -> None:
    from vlmbench.models.servers.model import load_server

    words = "max_tokens is too large: please stop sending such prompts"
    with chat_server(lambda *_: refusal(words)) as server:
        (found,) = load_server(server.spec, concurrency=1).generate(asked_with(stop="#")[-1:], PICTURES)
    assert found.finish == "error"
