"""`vlmbench chat` as a stranger uses it: in a terminal, in a pipe, with wrong input."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from terminal import terminal

from vlmbench.cli.main import main
from vlmbench.shapes.scene import picture, random_scene

Piped = Callable[..., tuple[str, str]]
CHAT = [sys.executable, "-m", "vlmbench", "chat"]
SLOW = " ".join(f"word{number}" for number in range(100))
ENV = os.environ | {
    "OMP_NUM_THREADS": "1",
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "NO_COLOR": "",
}
SEEN = "green star centre , black triangle middle left , green star bottom middle"


@pytest.fixture(scope="module", autouse=True)
def one_core() -> None:
    """Tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("pictures") / "two stars.png"
    picture(random_scene(random.Random(3))).resize((192, 192), 0).save(file)
    return str(file)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Piped:
    """Asks as a script does, through a pipe; what came out and what was said beside it."""

    def ask(said: str, *flags: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        done = main(["chat", *flags])
        out, err = capsys.readouterr()
        assert done == code, err
        return out, err

    return ask


def test_a_pipe_is_one_turn_a_line_with_answers_on_stdout(piped: Piped, shapes: str) -> None:
    out, err = piped("Describe the picture.\n\nHow many shapes?\n", "--model", "demo", "--image", shapes)
    first, _second = out.splitlines()
    assert first == SEEN
    assert "demo · greedy" in err
    assert "\x1b" not in out + err


def test_json_is_one_line_a_turn(piped: Piped, shapes: str) -> None:
    said = "Describe the picture.\n/reset\nDescribe the picture.\n"
    out, err = piped(said, "--model", "demo", "--image", shapes, "--format", "json", "--max-new-tokens", "3")
    first, again = map(json.loads, out.splitlines())
    assert (first["answer"], first["finish"], first["tokens"]) == ("green star centre", "length", 3)
    assert first["pictures"] == again["pictures"] != []
    assert again["answer"] == first["answer"]
    assert first["seconds"] > 0
    assert "the conversation is kept" in err


def test_a_script_stops_at_what_it_cannot_do(piped: Piped, shapes: str) -> None:
    said = "/image /none/such.png\nWhat is it?\n"
    out, err = piped(said, "--model", "echo:yes", code=1)
    assert (out, "no such picture" in err) == ("", True)
    assert "Did you mean /save" in piped("/sav x\n", "--model", "echo:yes", code=1)[1]


def test_several_lines_make_one_question_and_two_slashes_a_slash(piped: Piped) -> None:
    said = 'one\\\ntwo\n"""three\nfour"""\n//etc is what?\n'
    out, _ = piped(said, "--model", "echo:yes", "--format", "json")
    asked = [json.loads(line)["question"] for line in out.splitlines()]
    assert asked == ["one\ntwo", "three\nfour", "/etc is what?"]


def test_the_context_window_is_never_passed_in_silence(piped: Piped, shapes: str) -> None:
    """The demo model was made for 1,024 tokens."""
    long = "circle " * 500
    lines = f"{long}\n{long}\n{long}\n"
    out, err = piped(lines, "--model", "demo", "--image", shapes, "--format", "json", code=1)
    *answered, refused = map(json.loads, out.splitlines())
    assert len(answered) == 1
    assert refused["finish"] == "error"
    assert "was made for 1,024" in err
    assert "/forget 1" in err
    out, err = piped(f"{long}\n/forget\n{long}\n", "--model", "demo", "--image", shapes, "--format", "json")
    assert len(out.splitlines()) == 2
    assert json.loads(out.splitlines()[1])["pictures"] == json.loads(out.splitlines()[0])["pictures"]


def test_drawn_answers_repeat_by_their_seed(piped: Piped, shapes: str) -> None:
    def drawn(seed: str) -> str:
        flags = ("--temperature", "2", "--seed", seed, "--max-new-tokens", "12")
        return piped("Describe the picture.\nAgain.\n", "--model", "demo", "--image", shapes, *flags)[0]

    assert drawn("1") == drawn("1") != drawn("2")


def test_another_wording_and_its_stop_words(piped: Piped, shapes: str) -> None:
    out, _ = piped("What is it?\n", "--model", "demo", "--image", shapes, "--template", "qwen_chat")
    assert out.strip()
    _, err = piped("Hi\n", "--model", "demo", "--template", "vicunia", code=2)
    assert "Did you mean vicuna" in err


def test_four_and_eight_bits_on_a_processor(piped: Piped, shapes: str) -> None:
    for bits in ("4", "8"):
        out, err = piped("Describe the picture.\n", "--model", "demo", "--image", shapes, "--bits", bits)
        assert "star" in out
        assert f"{bits} bits, greedy" in err
        assert "kernels" not in err


@pytest.mark.parametrize(
    ("flags", "code", "why"),
    [
        (("--model", "echo", "--image", "/none.png"), 2, "no such picture"),
        (("--model", "echo", "--image", __file__), 1, "not a picture in any known format"),
        (("--model", "echo", "--image", "ftp://host/a.png"), 1, "http or https"),
        (("--model", "openai:gpt@http://host"), 2, "hold no conversation"),
        (("--model", "no-such-model"), 2, "no model named"),
        (("--model", "echo", "--port", "80"), 2, "Add `--web`"),
        (("--model", "echo", "--bits", "5"), 2, "no value for `--bits` named `5`"),
        (("--model", "echo", "--temperature", "-1"), 2, "not a number from 0"),
        (("--model", "echo", "--top-p", "0"), 2, "at most 1"),
    ],
)
def test_mistakes_are_one_paragraph(piped: Piped, flags: tuple[str, ...], code: int, why: str) -> None:
    out, err = piped("", *flags, code=code)
    assert out == ""
    assert why in err


def test_a_terminal_shows_the_picture_and_streams(shapes: str, tmp_path: Path) -> None:
    with terminal([*CHAT, "--model", f"echo:{SEEN}", "--image", shapes], env=ENV) as screen:
        screen.until("192 × 192")
        assert screen.raw.count("▀") > 100
        assert "38;2;" in screen.raw
        screen.until("> ")
        screen.type("Describe the picture.")
        screen.until(SEEN)
        screen.type(f"/save {tmp_path / 'chat.md'}")
        screen.until("written to")
        screen.type("/system Be brief.")
        screen.until("system text: Be brief.")
        screen.type("/help")
        screen.until("/forget")
        screen.type("/nonsense")
        screen.until("no command named")
        screen.type("/quit")
        assert screen.end() == 0
    assert SEEN in (tmp_path / "chat.md").read_text("utf-8")


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb", "COLORTERM": ""}])
def test_a_plain_terminal_gets_no_picture_and_no_colours(shapes: str, plain: dict[str, str]) -> None:
    with terminal([*CHAT, "--model", "echo:yes", "--image", shapes], columns=30, env=ENV | plain) as screen:
        screen.until("192 × 192")
        screen.type("What?")
        screen.until("yes")
        screen.type("/quit")
        assert screen.end() == 0
    assert "▀" not in screen.raw
    assert "\x1b[3" not in screen.raw


def test_ctrl_c_stops_the_answer_first_and_then_the_chat() -> None:
    with terminal([*CHAT, "--model", f"echo:{SLOW},!sleep=0.05"], env=ENV) as screen:
        screen.until("> ")
        screen.type("Count.")
        screen.until("word3")
        screen.interrupt()
        screen.until("stopped")
        screen.type("Count again.")
        screen.until("word2")
        screen.interrupt()
        screen.until("stopped")
        screen.until("> ")
        screen.interrupt()
        assert screen.end() == 130
    assert "word99" not in screen.raw
    assert "Traceback" not in screen.raw


def test_ctrl_c_with_nothing_to_stop_asks_once() -> None:
    with terminal([*CHAT, "--model", "echo:yes"], env=ENV) as screen:
        screen.until("> ")
        screen.interrupt()
        screen.until("Ctrl-C once more leaves")
        screen.until("> ")
        screen.interrupt()
        assert screen.end() == 130


@pytest.mark.slow
def test_ctrl_c_stops_a_real_model() -> None:
    flags = ["--model", "demo", "--temperature", "50", "--max-new-tokens", "900"]
    with terminal([*CHAT, *flags], env=ENV) as screen:
        screen.until("> ")
        screen.type("Describe the picture.")
        screen.until("\n")
        screen.interrupt()
        screen.until("stopped")
        screen.type("/quit")
        assert screen.end() == 0
    assert "Traceback" not in screen.raw


def test_without_any_input_there_is_nothing_to_answer(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped("", "--model", "echo:yes")[0] == ""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat", "--model", "echo:yes"]) == 0


def test_what_a_model_says_cannot_move_the_cursor(piped: Piped) -> None:
    out, _ = piped("Hi\n", "--model", "echo:a\x1b[2Jb\x07")
    assert out == "a\\x1b[2Jb\\x07\n"
