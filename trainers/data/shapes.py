"""The shapes world as training data: questions about drawn pictures in words, written as LLaVA records.

The option prompts are the usual ones of LLaVA evaluation and of VLMEvalKit, word for word, because a trained
model is asked with them later. Training scenes never repeat the layout of a benchmark picture, so no
evaluation set is among them. At dusk the same scenes lie on grey grounds, which the shipped demo model has
never seen.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmbench.shapes import ChoiceQuestion, picture, training_questions
from vlmbench.shapes.questions import LETTERS
from vlmbench.shapes.scene import COLOURS, SHAPES, Language, Scene, word

if TYPE_CHECKING:
    from PIL.Image import Image

Style = Literal["day", "dusk"]
Turn = tuple[str, str]
"""What is asked, and the answer."""

SHAPES_VERSION = 4
"""Raise it when the same source would be drawn otherwise."""
ANNOTATIONS, PICTURES = "records.json", "pictures"
DUSK_GROUNDS = ((120, 125, 135), (140, 130, 150), (125, 140, 145))
_QUESTIONS = 1
"""About each picture: the demo model was never shown several in one conversation."""
_SHORT, _SELECT, _CHINESE = 0.2, 0.2, 0.25
"""Shares of questions without options, of VLMEvalKit's prompt, and of records in Chinese."""

LETTER_ENGLISH = "Answer with the option's letter from the given choices directly."
LETTER_CHINESE = "请直接回答选项字母。"
SHORT_ENGLISH = "Answer the question directly."
SHORT_CHINESE = "请直接回答问题。"
SELECT = "Please select the correct answer from the options above."
DESCRIBE_ENGLISH = "Describe the picture."
DESCRIBE_CHINESE = "请描述这张图。"
TALLY_ENGLISH = "Count everything."
TALLY_CHINESE = "请数一数。"
WHICH_ENGLISH = "Which option is {word}?"
WHICH_CHINESE = "哪个选项是{word}？"

FIXED = (
    LETTER_ENGLISH, LETTER_CHINESE, SHORT_ENGLISH, SHORT_CHINESE, SELECT, DESCRIBE_ENGLISH, DESCRIBE_CHINESE,
    TALLY_ENGLISH, TALLY_CHINESE, "Question:", "Options:", "Hint:",
)  # fmt: skip
ENGLISH_TEXTS = (WHICH_ENGLISH,)
CHINESE_TEXTS = (WHICH_CHINESE,)


def write_shapes(folder: Path, samples: int, seed: int, style: Style = "day") -> None:
    """Records and pictures, into an existing folder."""
    (folder / PICTURES).mkdir()
    rng = random.Random(f"shapes-records-{seed}")  # noqa: S311 - drawing questions, not secrets
    records = []
    for number, (scene, questions) in enumerate(islice(training_questions(seed, _QUESTIONS), samples)):
        record = _record(rng, number, questions)
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


def _record(rng: random.Random, number: int, questions: tuple[ChoiceQuestion, ...]) -> dict[str, Any]:
    messages: list[dict[str, str]] = []
    language: Language = "cn" if rng.random() < _CHINESE else "en"
    for question in questions:
        short = rng.random() < _SHORT and question.fact.template != "exists_which"
        asked, answer = (
            short_turn(question, language) if short else letter_turn(rng, question, language, _SELECT)
        )
        messages += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    messages[0]["value"] = f"<image>\n{messages[0]['value']}"
    return {"id": f"shapes-{number}", "image": f"{number}.png", "conversations": messages}


def option_prompt(hint: str, question: str, texts: tuple[str, ...]) -> str:
    """The LLaVA way to ask for a letter."""
    start = f"{hint}\n{question}" if hint else question
    body = start + _lettered(texts)
    chinese = re.search(r"[\u4e00-\u9fff]", body)
    return f"{body}\n{LETTER_CHINESE if chinese else LETTER_ENGLISH}"


def select_prompt(hint: str, question: str, texts: tuple[str, ...]) -> str:
    """The VLMEvalKit way to ask for a letter."""
    start = f"Hint: {hint}\n" if hint else ""
    return f"{start}Question: {question}\nOptions:{_lettered(texts)}\n{SELECT} \n"


def letter_turn(
    rng: random.Random, question: ChoiceQuestion, language: Language, select_share: float
) -> Turn:
    """A question with options, answered by a letter."""
    ask = select_prompt if rng.random() < select_share else option_prompt
    return ask(*question.wording(language), question.texts(language)), question.letter


def short_turn(question: ChoiceQuestion, language: Language) -> Turn:
    """A question without options, answered by the word itself."""
    hint, text = question.wording(language)
    start = f"{hint}\n{text}" if hint else text
    suffix = SHORT_ENGLISH if language == "en" else SHORT_CHINESE
    return f"{start}\n{suffix}", word(question.fact.answer, language)


def describe_turn(rng: random.Random, scene: Scene, language: Language) -> Turn:
    """Every thing in the picture, in any order, each time with its place, colour and shape in another order.

    Naming the shape first makes the next word a look-up by shape, and so on: what a question will ask for.
    """
    order = rng.sample(("place", "colour", "shape"), 3)
    things = rng.sample(scene.things, len(scene.things))
    parts = [" ".join(word(getattr(thing, name), language) for name in order) for thing in things]
    return (DESCRIBE_ENGLISH if language == "en" else DESCRIBE_CHINESE), ", ".join(parts)


def tally_turn(rng: random.Random, scene: Scene, language: Language) -> Turn:
    """How often each colour or each shape occurs, in any order."""
    kind, keys = rng.choice((("shape", SHAPES), ("colour", COLOURS)))
    counts = Counter(getattr(thing, kind) for thing in scene.things)
    parts = [f"{word(key, language)} {counts[key]}" for key in rng.sample(keys, len(keys))]
    return (TALLY_ENGLISH if language == "en" else TALLY_CHINESE), ", ".join(parts)


def copy_turn(rng: random.Random, question: ChoiceQuestion, language: Language, select_share: float) -> Turn:
    """Which of the options is this word? Needs no picture; teaches how letters stand for options."""
    template = WHICH_ENGLISH if language == "en" else WHICH_CHINESE
    ask = select_prompt if rng.random() < select_share else option_prompt
    text = template.format(word=word(question.fact.answer, language))
    return ask("", text, question.texts(language)), question.letter


def _lettered(texts: tuple[str, ...]) -> str:
    return "".join(f"\n{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=False))
