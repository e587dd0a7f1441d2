"""Any function `(messages, images) -> str` as a model.

`messages` are in the chat layout of OpenAI and Hugging Face: one user message whose content is a list of
{"type": "text", "text": …} and {"type": "image"}. `images` are the pictures as PIL, in the order of these.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vlmbench.domain import ImageRef, ImageSource, Request, Response
from vlmbench.errors import DataError, ModelError
from vlmbench.images import CLIP_MEAN, open_picture, pad_to_square
from vlmbench.models.decoding_limits import check_decoding
from vlmbench.models.hf.batching import failure
from vlmbench.prompts import ChosenStyle, style_of_names

Messages = list[dict[str, Any]]
Answer = Callable[[Messages, list[Any]], str]


class FunctionModel:
    """Asks a function one question after another. Whatever it raises is the error of that question alone."""

    padding = CLIP_MEAN
    """With which pictures are padded, where the prompt style wants squares."""

    def __init__(self, function: Answer, name: str | None = None) -> None:
        check_arguments(function)
        self._function, self._given = function, name

    @property
    def chosen_style(self) -> ChosenStyle:
        """That of the family which the name says."""
        return style_of_names([self.name])

    @property
    def style(self) -> str:
        """Its name."""
        return self.chosen_style.name

    @property
    def name(self) -> str:
        """As given, or the last part of the function's qualified name."""
        return self._given or qualified_name(self._function).rsplit(".", 1)[-1].strip("<>")

    @property
    def facts(self) -> Mapping[str, Any]:
        """The name alone, since nothing else of a function can be compared: a run resumes under one name."""
        return {"kind": "function", "name": self._given or qualified_name(self._function)}

    def render(self, request: Request) -> str:
        """The texts, a line each; a picture as `<image>`."""
        words = ["<image>" if isinstance(part, ImageRef) else part for part in request.parts]
        return "\n".join([request.system, *words] if request.system else words)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """One answer a request, in order."""
        for request in requests:
            self.check(request)
            started = time.perf_counter()
            try:
                text = self._answer(request, images)
            # Somebody else's code: it can fail in any way, and the other questions are still asked.
            except Exception as error:
                yield failure(request.id, error)
            else:
                seconds = round(time.perf_counter() - started, 6)
                yield Response(id=request.id, text=text.strip(), finish="stop", seconds=seconds)

    def check(self, request: Request) -> None:
        """Refuse what no function can be asked for."""
        if request.opening:
            raise ModelError(
                "this prompt style writes the first words of the answer itself "
                f"(`{request.opening.strip()}`), which a function cannot be asked for.",
                fix="Use the prompt style `vlmevalkit`.",
            )
        check_decoding("function", request.decoding)

    def _answer(self, request: Request, images: ImageSource) -> str:
        shown = [open_picture(images[part.digest]) for part in request.parts if isinstance(part, ImageRef)]
        if request.image_fit == "square":
            shown = [pad_to_square(picture, self.padding) for picture in shown]
        text = self._function(messages_of(request), shown)
        if not isinstance(text, str):
            raise DataError(f"{self.name} returned a value of type {type(text).__name__}, not a str.")
        return text


def messages_of(request: Request) -> Messages:
    """The question in chat layout, anew for each call: a function may change what it gets."""
    content = [
        {"type": "image"} if isinstance(part, ImageRef) else {"type": "text", "text": part}
        for part in request.parts
    ]
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    return [*system, {"role": "user", "content": content}]


def qualified_name(function: Any) -> str:
    """Module and name of a function; of an object that can be called, those of its class."""
    function = getattr(function, "func", function)  # of functools.partial
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def check_arguments(function: Any) -> None:
    """Refuse a function that cannot take messages and images, before anything is asked."""
    try:
        inspect.signature(function).bind([], [])
    except TypeError as error:
        raise ModelError(
            f"{qualified_name(function)} cannot be called with two arguments ({error}).",
            fix="A model is a function (messages, images) -> str.",
        ) from None
    except ValueError:  # built in, without a signature
        return
