"""Pictures of shapes with questions, drawn from a seed and written as LLaVA records.

Training scenes never repeat the layout of a benchmark picture, so no evaluation set is among them. At
dusk the same scenes lie on grey grounds, which the demo model that ships here has never seen.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.shapes import ChoiceQuestion, Scene, picture, training_questions
from vlmbench.trainers.demo_model import prompts

if TYPE_CHECKING:
    from PIL.Image import Image

Style = Literal["day", "dusk"]

VERSION = 4
"""Raise it when the same source would be drawn otherwise."""
ANNOTATIONS, PICTURES = "records.json", "pictures"
DUSK_GROUNDS = ((120, 125, 135), (140, 130, 150), (125, 140, 145))
_QUESTIONS = 1
"""About each picture: several in one conversation are what the demo model was never shown."""
_SHORT, _SELECT, _CHINESE = 0.2, 0.2, 0.25
"""Shares of questions without options, of VLMEvalKit's way to ask, and of records in Chinese."""


def write_shapes(folder: Path, samples: int, seed: int, style: Style = "day") -> None:
    """Records and pictures, into an existing folder."""
    (folder / PICTURES).mkdir()
    records = []
    for record, scene in _drawn(samples, seed):
        styled(picture(scene), style).save(folder / PICTURES / record["image"])
        records.append(record)
    (folder / ANNOTATIONS).write_text(json.dumps(records, ensure_ascii=False), "utf-8")


def styled(image: Image, style: Style) -> Image:
    """The palette picture as it is, or with the grounds of dusk."""
    if style == "dusk":
        colours = list(image.getpalette() or ())
        grounds = [value for ground in DUSK_GROUNDS for value in ground]
        image.putpalette([*grounds, *colours[len(grounds) :]])
    return image


def _drawn(samples: int, seed: int) -> Iterator[tuple[dict[str, Any], Scene]]:
    rng = random.Random(f"shapes-records-{seed}")  # noqa: S311 - drawing questions, not secrets
    for number, (scene, questions) in enumerate(islice(training_questions(seed, _QUESTIONS), samples)):
        yield _record(rng, number, questions), scene


def _record(rng: random.Random, number: int, questions: tuple[ChoiceQuestion, ...]) -> dict[str, Any]:
    said: list[dict[str, str]] = []
    chinese = rng.random() < _CHINESE
    for question in questions:
        asked, answer = _turn(rng, question, "cn" if chinese else "en")
        said += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    said[0]["value"] = f"<image>\n{said[0]['value']}"
    return {"id": f"shapes-{number}", "image": f"{number}.png", "conversations": said}


def _turn(rng: random.Random, question: ChoiceQuestion, language: Literal["en", "cn"]) -> tuple[str, str]:
    short = rng.random() < _SHORT and question.fact.template != "exists_which"
    turn: tuple[str, str] = (
        prompts.short_turn(question, language)
        if short
        else prompts.letter_turn(rng, question, language, _SELECT)
    )
    return turn
