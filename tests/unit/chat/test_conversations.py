"""Conversations as values, text as it grows, and what is written to a file or a screen."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tiny_models import picture

from vlmbench.chat import Conversation, Picture, Session
from vlmbench.chat.conversation import save
from vlmbench.chat.hf import settled, until_stop
from vlmbench.chat.pictures import preview
from vlmbench.chat.session import EchoTalker
from vlmbench.domain import Decoding
from vlmbench.errors import UserError
from vlmbench.plain_text import json_text, printable

SHOWN = Picture(name="bus.png", data=picture(40, 30), size=(40, 30))
OTHER = Picture(name="tree.png", data=picture(30, 40, 1), size=(30, 40))
HOSTILE = "<img src=x onerror=alert(1)> ![](http://elsewhere/x.png) ```\n# no heading"


def told(session: Session, question: str) -> str:
    return list(session.ask(question))[-1].text


def test_a_session_shows_a_picture_once_and_keeps_every_turn() -> None:
    session = Session(EchoTalker("a bus"), Decoding(), system="Be brief.")
    session.show(SHOWN)
    assert told(session, "What is it?") == "a bus"
    session.show(OTHER)
    told(session, "And this?")
    told(session, "Sure?")
    first, second, third = session.conversation.exchanges
    assert (first.pictures, second.pictures, third.pictures) == ((SHOWN,), (OTHER,), ())
    assert (first.answer, first.ending, first.new_tokens) == ("a bus", "stop", 2)
    assert session.conversation.system == "Be brief."


def test_an_answer_cut_at_the_limit_is_kept_and_says_so() -> None:
    session = Session(EchoTalker("one two three"), Decoding(max_new_tokens=2))
    told(session, "Count.")
    assert session.conversation.exchanges[0].answer == "one two"
    assert session.conversation.exchanges[0].ending == "length"


def test_stopping_keeps_what_was_said_and_the_session_goes_on() -> None:
    session = Session(EchoTalker("one two three"), Decoding())
    answer = session.ask("Count.")
    next(answer)
    answer.close()
    assert session.conversation.exchanges[0].answer == "one"
    assert session.conversation.exchanges[0].ending == "stopped"
    assert told(session, "Again.") == "one two three"


def test_a_question_that_fails_is_not_kept_and_its_picture_still_waits() -> None:
    class Silent(EchoTalker):
        def reply(self, conversation, decoding):  # type: ignore[no-untyped-def]
            raise UserError("no voice")
            yield

    session = Session(Silent("x"), Decoding())
    session.show(SHOWN)
    with pytest.raises(UserError):
        list(session.ask("What is it?"))
    assert session.conversation.exchanges == ()
    assert session.waiting == (SHOWN,)


def test_starting_anew_keeps_the_pictures() -> None:
    session = Session(EchoTalker("x"), Decoding())
    session.show(SHOWN)
    told(session, "What is it?")
    session.show(OTHER)
    session.reset()
    assert session.conversation.exchanges == ()
    assert session.waiting == (SHOWN, OTHER)


def test_forgetting_drops_words_and_no_pictures() -> None:
    session = Session(EchoTalker("x"), Decoding())
    session.show(SHOWN)
    for question in ("1", "2", "3"):
        told(session, question)
    assert session.forget(2) == 2
    (left,) = session.conversation.exchanges
    assert (left.question, left.pictures) == ("3", (SHOWN,))
    assert session.forget(5) == 1
    assert session.waiting == (SHOWN,)


def test_turns_draw_from_seeds_of_their_own_that_repeat() -> None:
    seeds = []

    class Noting(EchoTalker):
        def reply(self, conversation, decoding):  # type: ignore[no-untyped-def]
            seeds.append(decoding.seed)
            return super().reply(conversation, decoding)

    for _ in range(2):
        session = Session(Noting("x"), Decoding(do_sample=True, seed=7))
        told(session, "1")
        told(session, "2")
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]


def test_text_waits_for_the_rest_of_a_character_and_of_a_stop_word() -> None:
    assert settled("caf\ufffd") == "caf"
    assert until_stop("red<eo", ["<eoa>"]) == ("red", False)
    assert until_stop("red<eob", ["<eoa>"]) == ("red<eob", False)
    assert until_stop("red<eoa>\nmore", ["<eoa>", "\nmo"]) == ("red", True)
    assert until_stop("red", []) == ("red", False)


@given(
    st.text(alphabet="ab<>", max_size=12),
    st.lists(st.text(alphabet="ab<>", min_size=1, max_size=4), max_size=3),
)
def test_shown_text_only_grows_and_never_holds_a_stop_word(text: str, stops: list[str]) -> None:
    shown = ""
    for length in range(1, len(text) + 1):
        now, stopped = until_stop(text[:length], stops)
        assert now.startswith(shown)
        assert not any(stop in now for stop in stops)
        shown = now
        if stopped:
            return
    assert any(text.endswith(stop[:1]) or stop[:1] in text for stop in stops) or shown == text


def test_a_model_cannot_move_the_cursor_or_turn_the_text_around() -> None:
    assert printable("a\x1b[2J\x07b\r\u202ec\n\td") == "a\\x1b[2J\\x07b\\r\\u202ec\n\td"


def test_a_line_of_json_is_json_in_any_encoding_and_moves_no_cursor() -> None:
    document = {"answer": "颜色 🚌 \x9b2J \u202e\n"}
    for encoding in ("utf-8", "ascii"):
        line = json_text(document, encoding)
        assert json.loads(line) == document
        assert line.encode(encoding).decode(encoding) == printable(line)
    assert "颜色" in json_text(document, "UTF-8")


def test_a_saved_conversation_is_text_in_any_viewer(tmp_path: Path) -> None:
    conversation = Conversation(system="Be kind.").asking("What?", (SHOWN,))
    conversation = conversation.answered(HOSTILE, "length", prompt_tokens=9, new_tokens=3, seconds=0.5)
    page = save(conversation, str(tmp_path / "a.md"), model="demo").read_text("utf-8")
    assert f"````text\n{HOSTILE}\n````" in page
    assert "bus.png" in page
    assert "cut at --max-new-tokens" in page
    document = json.loads(save(conversation, str(tmp_path / "a.json"), model="demo").read_text("utf-8"))
    (turn,) = document["turns"]
    assert (turn["answer"], turn["finish"], turn["pictures"][0]["sha256"]) == (
        HOSTILE,
        "length",
        SHOWN.digest,
    )
    assert document["system"] == "Be kind."


@pytest.mark.parametrize(
    ("name", "why"), [("a.txt", "saved as .md or .json"), ("no/a.md", "cannot be written")]
)
def test_saving_elsewhere_says_why_not(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        save(Conversation(), str(tmp_path / name), model="demo")


def test_saving_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("mine")
    with pytest.raises(UserError, match="there already"):
        save(Conversation(), str(tmp_path / "a.md"), model="demo")


def test_a_preview_keeps_proportions_and_has_two_colours_a_cell() -> None:
    text = preview(picture(64, 32), columns=20, rows=14)
    lines = text.plain.splitlines()
    assert {len(line) for line in lines} == {20}
    assert len(lines) == 5
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="truecolor", width=80).print(text)
    assert "\x1b[38;2;" in out.getvalue()
    assert len(preview(picture(2, 200), columns=20, rows=14).plain.splitlines()) <= 15
