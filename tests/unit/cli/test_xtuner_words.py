"""Commands and flags of xtuner are answered with the line that does it here."""

from __future__ import annotations

import argparse
import importlib
import shlex

import pytest

from vlmbench.cli._shared.xtuner_words import COMMANDS, FLAGS, line_here
from vlmbench.cli.main import VERBS, main

TYPED = [
    ("list-cfg -p llava_internlm2_chat_1_8b", "recipes list llava_internlm2_chat_1_8b"),
    ("list-cfg", "recipes list"),
    ("copy-cfg llava_v15_7b_pretrain .", "recipes copy llava_v15_7b_pretrain ."),
    ("pth_to_hf mine.py iter_1.pth out", "convert iter_1.pth out --to xtuner --recipe mine.py"),
    ("convert pth_to_hf mine.py iter_1.pth out", "convert iter_1.pth out --to xtuner --recipe mine.py"),
    (
        "convert pth_to_hf NAME iter_1.pth out --save-format official",
        "convert iter_1.pth out --to official --recipe NAME",
    ),
    ("convert merge clip clip_adapter 'my clip' --is-clip", "merge clip clip_adapter 'my clip'"),
    (
        "mmbench internlm/x --visual-encoder o/clip --llava ./it --prompt-template internlm_chat "
        "--data-path $LMUData/MMBench_DEV_EN.tsv --work-dir results",
        "run --model ./it --llm internlm/x --vision o/clip --template internlm_chat --bench MMBench_DEV_EN "
        "--data-dir '$LMUData' --out results",
    ),
    ("mmbench a --llava b --data-path mine.tsv", "run --model b --llm a --bench mine.tsv"),
    (
        "chat internlm/x --visual-encoder o/clip --llava ./it --prompt-template internlm2_chat --image a.png",
        "chat --model ./it --llm internlm/x --vision o/clip --template internlm2_chat --image a.png",
    ),
    ("xtuner list-cfg -p llava", "recipes list llava"),
    ("xtuner train mine.py --work-dir w", "train mine.py --work-dir w"),
    ("log-dataset mine.yaml", "data tokens FILE.json --template NAME --tokenizer DIR"),
]


@pytest.mark.parametrize(("theirs", "ours"), TYPED)
def test_a_command_of_theirs_is_answered_with_the_line_here(
    theirs: str, ours: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(theirs)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"vlmbench: this is a command of xtuner's. Here it is: `vlmbench {ours}`."


@pytest.mark.parametrize("words", COMMANDS)
def test_every_line_is_one_that_this_command_line_has(words: str) -> None:
    flags = ("--llava", "--visual-encoder", "--prompt-template", "--image", "--data-path", "--work-dir")
    typed = [*words.split(), "a", "b", "c", *(word for flag in flags for word in (flag, "x"))]
    line = line_here(typed)
    assert line is not None
    _, verb, *rest = line.split()
    assert verb in VERBS
    parser = argparse.ArgumentParser()
    importlib.import_module(f"vlmbench.cli.{verb}").add_arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    assert {word for word in rest if word.startswith("-")} <= known


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_theirs_says_what_to_write(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", flag, "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"vlmbench: `{flag}` is a flag of xtuner's. {FLAGS[flag]}"


def test_a_folder_that_is_called_as_their_command_is_converted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "merge", "out", "--to", "xtuner"]) == 2
    assert "xtuner's" not in capsys.readouterr().err
