"""How the page is laid out, and what its buttons do."""

from __future__ import annotations

import html
import random
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

from vlmbench.chat.pictures import read_picture
from vlmbench.chat.session import Talker
from vlmbench.chat.web_answers import ChatColumn, answers
from vlmbench.chinese import translated
from vlmbench.domain import Decoding
from vlmbench.errors import UserError

CSS = """\
.gradio-container { max-width: 1200px !important; margin: 0 auto !important; }
#head h1 { font-size: 1.35rem; margin: .4rem 0 0; }
#head p { color: var(--body-text-color-subdued); margin: 0 0 .2rem; }
.status { min-height: 1.4rem; font-size: .82rem; color: var(--body-text-color-subdued); }
.chat .message img { max-height: 180px; width: auto; object-fit: contain; }
.chat .message-content .md { white-space: pre-wrap; overflow-wrap: anywhere; }
.chat .message-content .md br { display: none; }
.chat .message-buttons, .chat [aria-label="Share"], .chat [aria-label="Clear"] { display: none !important; }
@media (max-width: 640px) { .chat { height: 300px !important; } }
"""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Consolas", "monospace"]
HOUR, DAY = 3600, 24 * 3600
"""Every hour, what nobody has touched for a day is forgotten: uploads and conversations."""
PLACEHOLDER = "Show a picture and ask about it."


def theme(gradio: Any) -> Any:
    """Quiet, in the reader's own fonts, and every text with a contrast of 4.5 to its ground."""
    soft = gradio.themes.Soft(primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=MONO)
    return soft.set(
        background_fill_primary="*neutral_50",  # Soft's own, which `set` forgets
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_400",
        block_label_text_color="*primary_800",
        block_label_background_fill_dark="*primary_800",
        block_title_text_color="*primary_800",
    )


def page(gradio: Any, talkers: Sequence[Talker], decoding: Decoding, system: str | None) -> Any:
    """The page for one model, or for two side by side."""
    names = " · ".join(html.escape(talker.name) for talker in talkers)
    with gradio.Blocks(
        delete_cache=(HOUR, DAY),
        title=f"vlmbench · {' · '.join(t.name for t in talkers)}",
        analytics_enabled=False,
    ) as made:
        gradio.HTML(f"<h1>{names}</h1><p>{translated(_greeting(talkers))}</p>", elem_id="head")
        with gradio.Row(equal_height=True):
            chats, statuses = _columns(gradio, talkers)
        box = gradio.MultimodalTextbox(
            file_types=["image"],
            file_count="multiple",
            sources=["upload"],
            placeholder=translated("Ask something. The clip adds pictures, as does pasting one."),
            show_label=False,
            autofocus=True,
            max_plain_text_length=100_000,
            elem_id="question",
        )
        with gradio.Row():
            stop = gradio.Button(translated("Stop"), elem_id="stop", size="sm", scale=0, min_width=110)
            clear = gradio.Button(translated("Clear"), elem_id="clear", size="sm", scale=0, min_width=110)
        gradio.Examples(
            examples=_examples(), inputs=box, label=translated("Pictures to try"), cache_examples=False
        )
        settings = _settings(gradio, decoding, system)
        _wire(gradio, made, Desk(gradio, talkers, decoding), box, (stop, clear), chats, statuses, settings)
    return made


def _greeting(talkers: Sequence[Talker]) -> str:
    if len(talkers) == 1:
        return "Answers are the model's own and can be wrong."
    return "Both are asked the same question. Answers are the models' own and can be wrong."


def _columns(gradio: Any, talkers: Sequence[Talker]) -> tuple[list[Any], list[Any]]:
    chats, statuses = [], []
    for place, talker in enumerate(talkers):
        with gradio.Column(min_width=280):
            chats.append(
                gradio.Chatbot(
                    label=talker.name,
                    elem_id=f"chat-{place}",
                    elem_classes="chat",
                    height=420,
                    placeholder=translated(PLACEHOLDER),
                    # Text is shown as it is, and no picture that a link in it would fetch.
                    render_markdown=False,
                    latex_delimiters=[],
                    allow_tags=False,
                    feedback_options=None,
                    # A copy would have `&lt;` in the place of `<`.
                    buttons=[],
                    group_consecutive_messages=True,
                )
            )
            statuses.append(gradio.HTML("", elem_id=f"status-{place}", elem_classes="status", padding=False))
    return chats, statuses


def _settings(gradio: Any, decoding: Decoding, system: str | None) -> list[Any]:
    with gradio.Accordion(translated("Settings"), open=False):
        return [
            gradio.Textbox(value=system or "", label=translated("System text"), lines=2),
            gradio.Slider(
                0,
                max(2, decoding.temperature),
                value=decoding.temperature if decoding.do_sample else 0,
                step=0.05,
                label=translated("Temperature (0: the likeliest word each time)"),
            ),
            gradio.Slider(min(0.05, decoding.top_p), 1, value=decoding.top_p, step=0.05, label="Top-p"),
            gradio.Slider(
                1,
                max(4096, decoding.max_new_tokens),
                value=decoding.max_new_tokens,
                step=1,
                label=translated("Most tokens"),
            ),
            gradio.Number(value=decoding.seed, precision=0, label=translated("Seed")),
        ]


def _wire(
    gradio: Any,
    made: Any,
    desk: Desk,
    box: Any,
    buttons: tuple[Any, Any],
    chats: list[Any],
    statuses: list[Any],
    settings: list[Any],
) -> None:
    stop, clear = buttons
    state = gradio.State([ChatColumn() for _ in chats], time_to_live=DAY)
    outputs = [box, state, *chats, *statuses]
    box.submit(
        desk.ask,
        [box, state, *settings],
        outputs,
        trigger_mode="once",
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(desk.stop, queue=False, api_visibility="private")
    clear.click(desk.clear, None, outputs, queue=False, api_visibility="private")
    made.unload(desk.leave)


@dataclass(slots=True)
class Reader:
    """Somebody who is waiting for an answer."""

    has_enough: Event = field(default_factory=Event)
    wants_nothing: bool = False
    """Clear was pressed: the answer so far is not shown either."""


class Desk:
    """What the buttons do, for everybody who has the page open."""

    def __init__(self, gradio: Any, talkers: Sequence[Talker], decoding: Decoding) -> None:
        self._gradio, self._talkers, self._decoding = gradio, talkers, decoding
        self._readers: dict[str, Reader] = {}
        """By page, as long as it is open."""
        # The annotations of this module are strings, and by this one Gradio knows to hand in the request.
        for method in (Desk.ask, Desk.stop, Desk.clear, Desk.leave):
            method.__annotations__["request"] = gradio.Request

    def ask(
        self, request: Any, message: dict[str, Any], columns: list[ChatColumn], *settings: Any
    ) -> Generator[list[Any], None, None]:
        """Every model's answer, growing."""
        question = (message.get("text") or "").strip()
        try:
            if not question:
                raise UserError("Type a question, too.")
            pictures = tuple(read_picture(str(file)) for file in message.get("files") or ())
        except UserError as error:
            self._gradio.Warning(html.escape(translated(error.what)), title=translated("Not asked"))
            return
        system, decoding = _settings_of(self._decoding, *settings)
        before = [ChatColumn(conversation=column.conversation.with_system(system)) for column in columns]
        reader = self._readers[request.session_hash] = Reader()
        for now in answers(self._talkers, before, question, pictures, decoding, reader.has_enough):
            # To cancel this instead would leave the model waiting for somebody who listens.
            yield _shown([ChatColumn() for _ in now] if reader.wants_nothing else now)

    def stop(self, request: Any) -> None:
        """End the answer under way; what came of it is kept."""
        reader = self._readers.get(request.session_hash)
        if reader is not None:
            reader.has_enough.set()

    def clear(self, request: Any) -> list[Any]:
        """A new conversation."""
        reader = self._readers.get(request.session_hash)
        if reader is not None:
            reader.wants_nothing = True
        self.stop(request)
        return _shown([ChatColumn() for _ in self._talkers])

    def leave(self, request: Any) -> None:
        """The page was closed; nobody is listening any more."""
        self.stop(request)
        self._readers.pop(request.session_hash, None)


def _shown(columns: list[ChatColumn]) -> list[Any]:
    statuses = [html.escape(translated(column.status)) for column in columns]
    return [None, columns, *(column.messages() for column in columns), *statuses]


def _settings_of(
    base: Decoding, system: str, temperature: float, top_p: float, most: float, seed: float | None
) -> tuple[str, Decoding]:
    # A slider sends a round number as an int, which transformers refuses for a temperature.
    return system.strip(), replace(
        base,
        max_new_tokens=int(most),
        do_sample=temperature > 0,
        temperature=float(temperature or 1),
        top_p=float(top_p),
        seed=int(seed or 0),
    )


def _examples() -> list[list[dict[str, Any]]]:
    """Synthetic scenes with a question each; drawn here, so that they need no network and no licence."""
    from PIL import Image

    from vlmbench.shapes.scene import picture, random_scene

    folder = Path(tempfile.mkdtemp(prefix="vlmbench-shapes-"))
    asked = ("Describe the picture.", "How many shapes are there in the picture?", "图中有没有星形？")
    examples = []
    for number, question in enumerate(asked):
        scene = random_scene(random.Random(number))  # noqa: S311 - pictures, not secrets
        file = folder / f"shapes-{number + 1}.png"
        picture(scene).resize((384, 384), Image.Resampling.NEAREST).save(file)
        examples.append([{"text": translated(question), "files": [str(file)]}])
    return examples
