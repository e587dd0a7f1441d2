"""A conversation as the model sees it: the chat template's text, then token ids.

The whole conversation is written anew for every answer, so the beginning-of-sequence token stands once,
at the very front, and nothing is ever lost on the way. Whatever is typed is text: a special token's name
inside a question, an answer or a system text gets a space after its first character (`< image>`), as
evaluation does it with pictures' marks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.chat.conversation import Conversation
from vlmbench.domain import ImageFit
from vlmbench.errors import ModelError, UserError
from vlmbench.images import open_picture, pad_to_square
from vlmbench.model_files.processor import mean_colour
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.template_budget import written
from vlmbench.models.hf.render import Renderer
from vlmbench.templates import IMAGE, Template, chat_template


class Prompter:
    """Writes conversations in a processor's chat template, or in one of ours."""

    def __init__(
        self, processor: Any, folder: Path, *, fit: ImageFit, template: Template | None = None
    ) -> None:
        self.processor, self._fit = processor, fit
        self._colour = mean_colour(processor)
        if template is not None:
            _install(template, processor)
        self._marks = Renderer(processor, folder).marks
        added = processor.tokenizer.added_tokens_decoder.values()
        # Added tokens that are not special are words (runs of spaces, for one) and stay as they are.
        special = {*self._marks, *(token.content for token in added if token.special)}
        self._reserved = sorted((token for token in special if len(token) > 1), key=len, reverse=True)

    def text(self, conversation: Conversation) -> str:
        """The whole prompt, from the first token to where the next answer begins."""
        with quiet():
            try:
                text = written(self.processor, self._messages(conversation))
            # A template is a program of the folder's author, and says no in its own way.
            except Exception as error:
                raise UserError(
                    f"the model's chat template refuses this conversation ({first_line(error)}).",
                    fix=(
                        "It may know no system text: try without."
                        if conversation.system
                        else "It may take one question only: start anew."
                    ),
                ) from error
        self._check_pictures(conversation, text)
        return text

    def inputs(self, conversation: Conversation) -> Any:
        """Token ids and pixels, one row."""
        text = self.text(conversation)
        images = [open_picture(picture.data) for picture in conversation.pictures]
        if self._fit == "square":
            images = [pad_to_square(image, self._colour) for image in images]
        bos = self.processor.tokenizer.bos_token
        with quiet():
            return self.processor(
                text=[text],
                images=[images] if images else None,
                return_tensors="pt",
                # A template that writes the first token itself must not get a second one.
                add_special_tokens=not (bos and text.startswith(bos)),
            )

    def _messages(self, conversation: Conversation) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        if conversation.system:
            messages.append({"role": "system", "content": [self._part(conversation.system)]})
        for exchange in conversation.exchanges:
            shown: list[dict[str, str]] = [{"type": "image"} for _ in exchange.pictures]
            messages.append({"role": "user", "content": [*shown, self._part(exchange.question)]})
            if exchange.answer is not None:
                messages.append({"role": "assistant", "content": [self._part(exchange.answer)]})
        return messages

    def _part(self, text: str) -> dict[str, str]:
        for token in self._reserved:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return {"type": "text", "text": text}

    def _check_pictures(self, conversation: Conversation, text: str) -> None:
        pictures = len(conversation.pictures)
        if any((text.count(mark) % pictures if pictures else text.count(mark)) for mark in self._marks):
            raise ModelError(
                f"the chat template does not place {pictures} pictures in this conversation.",
                fix="Show one picture at a time, in the first question.",
            )
        if pictures and not any(mark in text for mark in self._marks):
            raise ModelError("the chat template leaves the picture out.", fix="Start anew with a picture.")


def _install(template: Template, processor: Any) -> None:
    """Ask in another wording than the folder's own."""
    if getattr(processor, "image_token", None) != IMAGE:
        raise UserError(
            f"the template `{template.name}` writes a picture as `{IMAGE}`, which this model does not know.",
            key="--template",
            fix="Leave it out: the folder's own chat template is the right one.",
        )
    processor.chat_template = chat_template(template)
