"""A chat in a terminal or a pipe: questions and commands come in, answers go to stdout, remarks to stderr."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.thinking import split
from vlmbench.chat import Session
from vlmbench.chat.conversation import ENDINGS, exchange_record, save
from vlmbench.chat.pictures import read_picture
from vlmbench.chinese import explained, translated
from vlmbench.cli._shared.console import complain
from vlmbench.errors import UnknownName, UserError
from vlmbench.plain_text import json_text, printable
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import is_silent

if TYPE_CHECKING:
    from vlmbench.chat import Exchange, PartialAnswer, Picture

HELP = """\
/image FILE|URL …   show pictures with the next question
/reset              forget the conversation; the pictures shown so far stay
/forget [N]         drop the oldest N questions and answers (default: 1); their pictures stay
/system [TEXT|off]  show, set or drop the system text
/save FILE          write the conversation, as .md or .json
/quit               leave; so does Ctrl-D
\"\"\"                 begins and ends a question of several lines; so does \\ at the end of a line
//…                 a question that begins with a slash"""

_BLOCK = '"""'
INTERRUPTED = 130
_COLUMNS, _ROWS = 40, 14
"""Largest preview of a picture, in characters."""


class Chat:
    """The loop: one question or command after another, until the input ends."""

    def __init__(self, session: Session, screen: Screen, *, is_typed: bool) -> None:
        self._session, self._screen, self._is_typed = session, screen, is_typed
        self._commands: dict[str, Callable[[str], None]] = {
            "image": self._image,
            "reset": self._reset,
            "forget": self._forget,
            "system": self._system,
            "save": self._save,
            "help": lambda _: screen.note(HELP),
        }
        self._interrupts = 0

    def run(self) -> int:
        """Talk until the input ends; returns the exit code."""
        reader = QuestionReader(is_typed=self._is_typed)
        if self._is_typed and not self._session.waiting:
            self._screen.note("no picture yet: /image FILE shows one; /help lists what else can be typed")
        while True:
            try:
                text = reader.question()
                if text is None or text in ("/quit", "/exit"):
                    return 0
                self._interrupts = 0
                if not self._turn(text):
                    return 1
            except KeyboardInterrupt:
                if not self._is_typed or self._interrupts:
                    self._screen.note("left")
                    return INTERRUPTED
                self._interrupts += 1
                self._screen.note("Ctrl-C once more leaves")

    def _turn(self, text: str) -> bool:
        """One question or command. False where a script should not go on."""
        try:
            if text.startswith("/") and not text.startswith("//"):
                self._command(text)
            elif text:
                self._ask(text[1:] if text.startswith("//") else text)
        except UserError as error:
            if text.startswith("/") and not text.startswith("//"):
                self._screen.complain(error)
            else:
                self._screen.fail(text, error, len(self._session.conversation.exchanges) + 1)
            return self._is_typed
        return True

    def _ask(self, question: str) -> None:
        before = len(self._session.conversation.exchanges)
        try:
            with closing(self._session.ask(question)) as answer:
                for spoken in answer:
                    self._screen.say(spoken)
        except KeyboardInterrupt:
            if not self._is_typed:
                raise
            # The next one, unless something is asked in between, leaves.
            self._interrupts = 1
        exchanges = self._session.conversation.exchanges
        self._screen.end(exchanges[-1] if len(exchanges) > before else None, len(exchanges))

    def _command(self, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        if name not in self._commands:
            raise UnknownName(
                "command",
                f"/{name}",
                [f"/{known}" for known in (*self._commands, "quit")],
                fix="A question that begins with a slash is typed with two.",
            )
        self._commands[name](rest.strip())

    def _image(self, text: str) -> None:
        if not text:
            raise UserError(
                "this command needs a file or an address.", key="/image", fix="Try `/image photo.jpg`."
            )
        for picture in [read_picture(where) for where in _places(text)]:
            self._session.show(picture)
            self._screen.show_picture(picture)

    def _reset(self, _: str) -> None:
        self._session.reset()
        kept = len(self._session.waiting)
        pictures = f"; {kept} picture{'s' * (kept > 1)} shown again with the next question" if kept else ""
        self._screen.note(f"the conversation is forgotten{pictures}")

    def _forget(self, text: str) -> None:
        if text and not (text.isdecimal() and int(text) > 0):
            raise UserError(f"`{text}` is not a number of questions.", key="/forget", fix="Try `/forget 2`.")
        gone = self._session.forget(int(text or 1))
        self._screen.note(
            f"dropped {gone} question{'s' * (gone != 1)} and what was answered; every picture stays"
        )

    def _system(self, text: str) -> None:
        if text:
            system = None if text == "off" else text
            self._session.conversation = self._session.conversation.with_system(system)
        now = self._session.conversation.system
        self._screen.note(f"system text: {now}" if now else "no system text")

    def _save(self, text: str) -> None:
        if not text:
            raise UserError("this command needs a file name.", key="/save", fix="Try `/save chat.md`.")
        file = save(self._session.conversation, text, model=self._session.talker.name)
        self._screen.note(f"written to {file}")


class QuestionReader:
    """Questions from the keyboard or a pipe; several lines make one where they are marked so."""

    def __init__(self, *, is_typed: bool) -> None:
        self._is_typed = is_typed
        if is_typed:
            with suppress(ImportError):
                import readline  # noqa: F401 - editing, and earlier questions at the up key
        elif hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="replace")

    def question(self) -> str | None:
        """The next question, stripped; None at the end of the input."""
        line = self._line("> ")
        if line is None:
            return None
        if line.strip().startswith(_BLOCK):
            return self._block(line.strip().removeprefix(_BLOCK))
        lines = []
        while line is not None and line.endswith("\\"):
            lines.append(line[:-1])
            line = self._line("… ")
        return "\n".join([*lines, line or ""]).strip()

    def _block(self, line: str | None) -> str:
        lines = []
        while line is not None and not line.rstrip().endswith(_BLOCK):
            lines.append(line)
            line = self._line("… ")
        return "\n".join([*lines, (line or "").rstrip().removesuffix(_BLOCK)]).strip()

    def _line(self, prompt: str) -> str | None:
        if self._is_typed and sys.stdout.isatty():
            try:
                return _valid(input(prompt))
            except EOFError:
                write("")
                return None
        if self._is_typed:
            # The answers go elsewhere; the prompt is not one.
            sys.stderr.write(prompt)
            sys.stderr.flush()
        line = sys.stdin.readline() if sys.stdin else ""
        return _valid(line.rstrip("\r\n")) if line else None


def _valid(text: str) -> str:
    """The text without halves of characters, which a terminal in the wrong encoding sends."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _places(text: str) -> list[str]:
    """File names as a shell would take them apart, unless all of it is one that exists."""
    if Path(text).expanduser().exists():
        return [text]
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


class Screen:
    """Where the chat is shown: on a terminal, in a pipe, or as lines of JSON."""

    def __init__(self, *, as_json: bool) -> None:
        from vlmbench.terminal.console import PlainConsole

        self._as_json = as_json
        self._notes = PlainConsole(stderr=True, soft_wrap=True)
        self._answers = PlainConsole()
        self._shown = ""
        self._dims = self._answers.is_terminal and not os.environ.get("NO_COLOR")

    def note(self, text: str) -> None:
        """One quiet line beside the conversation."""
        if is_silent():
            return
        self._notes.print(translated(text), style="dim")

    def complain(self, error: UserError) -> None:
        """Print what is wrong with this turn."""
        complain(explained(error))

    def show_picture(self, picture: Picture) -> None:
        """Print its name and size, and a small preview where the terminal has the colours."""
        if self._has_colours():
            from vlmbench.chat.pictures import preview

            columns = min(_COLUMNS, self._answers.width)
            self._answers.print(preview(picture.data, columns=columns, rows=_ROWS), end="")
        width, height = picture.size
        self.note(f"{picture.name}, {width} × {height}")

    def _has_colours(self) -> bool:
        if self._as_json or os.environ.get("NO_COLOR"):
            return False
        return self._answers.is_terminal and self._answers.color_system in ("truecolor", "256")

    def say(self, spoken: PartialAnswer) -> None:
        """Print what is new in the answer so far."""
        if self._as_json:
            return
        text = printable(spoken.text.strip())
        self._write(*thought_first(text, len(self._shown), dim=self._dims))
        self._shown = text

    def end(self, exchange: Exchange | None, turn: int) -> None:
        """Close the answer; `exchange` is None where it was stopped before its first word."""
        if self._as_json and exchange is not None:
            self.record({"turn": turn} | exchange_record(exchange))
        elif not self._as_json and (exchange is not None or self._shown):
            self._write("\n")
        self._shown = ""
        if exchange is None:
            self.note("stopped before the first word; the question is not kept")
        elif exchange.ending in ENDINGS:
            self.note(ENDINGS[exchange.ending])
        elif not (exchange.answer or "").strip():
            self.note("the answer is empty")

    def fail(self, question: str, error: UserError, turn: int) -> None:
        """Close a question that failed."""
        if self._shown:
            self._write("\n")
            self._shown = ""
        if self._as_json:
            record = {"turn": turn, "question": question, "pictures": [], "answer": None, "finish": "error"}
            self.record(record | {"error": str(error), "tokens": 0, "seconds": 0.0})
        self.complain(error)

    def record(self, document: dict[str, object]) -> None:
        """One line of JSON."""
        write(json_text(document, sys.stdout.encoding or "utf-8"))
        sys.stdout.flush()

    def _write(self, *texts: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        for text in texts:
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


def thought_first(text: str, shown: int, *, dim: bool) -> tuple[str, ...]:
    """What is new in an answer of which so much was shown, its thought between the codes for dim."""
    found = split(text) if dim else None
    if found is None or found.thought is None or shown >= found.at:
        return (text[shown:],)
    return ("\x1b[2m", text[shown : found.at], "\x1b[22m", text[found.at :])
