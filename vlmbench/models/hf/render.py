"""A request as the exact text the model will see, pictures standing as the template's own marks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.answers.thinking import opening_of
from vlmbench.domain import ImageRef, Request
from vlmbench.errors import ModelError
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.template_budget import written
from vlmbench.models.thinking_switch import ThinkingSwitch, template_values

_TOKEN_NAMES = ("image_token", "video_token", "audio_token")
_LOOKS_LIKE_A_MARK = re.compile(r"[<\[].+[>\]]")


class Renderer:
    """Writes requests in a processor's chat template.

    A mark that is typed inside a question (`<image>`) is text: it gets a space after its first
    character, so that nothing takes it for a picture.
    """

    def __init__(
        self, processor: Any, folder: Path | None, thinking: ThinkingSwitch | None = None, name: str = ""
    ) -> None:
        self._processor = processor
        self._values: dict[str, Any] = {}
        self.thinking = thinking
        self._file = folder and folder / "chat_template.jinja"
        self._marks: dict[str, int] = {}
        self._marks = self._find_marks()
        if thinking is not None:
            self._values = template_values(thinking, self._with_values, name)
        self._reserved = sorted({*self._marks, *self._own_tokens()}, key=len, reverse=True)

    @property
    def marks(self) -> Collection[str]:
        """The special tokens that stand for a picture in a prompt."""
        return self._marks.keys()

    def opening_of(self, request: Request) -> str:
        """The mark with which the prompt opens a thought; empty where it does not."""
        return opening_of(request.opening) or self._opening

    @cached_property
    def _opening(self) -> str:
        return opening_of(self._apply([{"type": "text", "text": "?"}]))

    def text(self, request: Request) -> str:
        """The whole prompt, from the first token to where the answer begins."""
        pictures = sum(isinstance(part, ImageRef) for part in request.parts)
        content = [
            {"type": "image"} if isinstance(part, ImageRef) else {"type": "text", "text": self._as_text(part)}
            for part in request.parts
        ]
        text = self._apply(content, request.system and self._as_text(request.system)) + request.opening
        for mark, times in self._marks.items():
            if text.count(mark) != pictures * times:
                raise ModelError(
                    f"the prompt has {text.count(mark)} times `{mark}` for {pictures} pictures.",
                    fix="The chat template does not place the pictures of this question.",
                )
        return text

    def _as_text(self, text: str) -> str:
        for token in self._reserved:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _apply(self, content: list[dict[str, str]], system: str | None = None) -> str:
        turns = [{"role": "user", "content": content}]
        if system is not None:
            turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        with quiet():
            text = written(self._processor, turns, **self._values)
        if system is not None and system.strip() not in text:
            raise ModelError(
                "the chat template leaves the system prompt of this prompt style out.",
                file=self._file,
                fix="Use another style: `vlmbench list styles`.",
            )
        return text

    def _with_values(self, values: Mapping[str, Any]) -> str:
        """A prompt of a question, with these values of the chat template."""
        self._values = dict(values)
        return self._apply([{"type": "text", "text": "?"}])

    def _find_marks(self) -> dict[str, int]:
        """The special tokens that a picture adds to a prompt, and how many of each."""
        question = {"type": "text", "text": "?"}
        try:
            without, one = self._apply([question]), self._apply([{"type": "image"}, question])
        # A template is a program of the folder's author; it can fail in any way.
        except Exception as error:
            raise ModelError(
                f"the chat template fails on a question with a picture ({first_line(error)}).",
                file=self._file,
                fix="Copy the template from the model's source; one for text alone will not do.",
            ) from error
        added = filter(_LOOKS_LIKE_A_MARK.fullmatch, self._processor.tokenizer.get_added_vocab())
        tokens = {*self._own_tokens(), *added}
        marks = {token: one.count(token) - without.count(token) for token in tokens if token in one}
        marks = {token: times for token, times in marks.items() if times > 0}
        if not marks:
            raise ModelError(
                "the chat template leaves pictures out of the prompt.",
                file=self._file,
                fix="Copy the template from the model's source; one for text alone will not do.",
            )
        return marks

    def _own_tokens(self) -> set[str]:
        holders = (self._processor, self._processor.tokenizer)
        found = (getattr(holder, name, None) for holder in holders for name in _TOKEN_NAMES)
        return {token for token in found if isinstance(token, str) and len(token) > 1}
