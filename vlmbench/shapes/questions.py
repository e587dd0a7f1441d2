"""Multiple-choice questions about a scene, with one certain answer each.

A *fact* is a template, what fills its blanks, and the answer. `facts` lists every fact that holds in a
scene and can be asked without ambiguity ("What colour is the star?" needs exactly one star). The answer's
rivals are drawn evenly from the template's pool, so that options say nothing about which one is right.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vlmbench.shapes.scene import COLOURS, PLACES, SHAPES, SIDES, Language, Scene, Thing, plural, word

LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class QuestionTemplate:
    """One way to ask: what it is about, the answers it can have, and its wording in both languages."""

    topic: str
    pool: tuple[str, ...]
    english: str
    chinese: str
    english_hint: str = ""
    chinese_hint: str = ""
    asked_as: str | None = ""
    """The benchmark's category; empty: the topic. None: asked in training only."""

    @property
    def category(self) -> str:
        """The benchmark's category; empty where it does not ask this."""
        return "" if self.asked_as is None else self.asked_as or self.topic


GROUPS = {
    "existence": "coarse_perception",
    "colour": "finegrained_perception (instance-level)",
    "shape": "finegrained_perception (instance-level)",
    "counting": "logic_reasoning",
    "position": "relation_reasoning",
}

_FEW = ("1", "2", "3", "4")
_ALL = ("2", "3", "4", "5", "6")
_YES_NO = ("yes", "no")

TEMPLATES: dict[str, QuestionTemplate] = {
    "colour_of": QuestionTemplate("colour", COLOURS, "What colour is the {shape}?", "{shape}是什么颜色？"),
    "colour_at": QuestionTemplate(
        "colour", COLOURS, "What colour is the shape at the {place}?", "{place}的图形是什么颜色？",
        asked_as="position",
    ),
    "colour_hinted": QuestionTemplate(
        "colour", COLOURS, "What colour is this shape?", "这个图形是什么颜色？",
        "The question is about the {shape}.", "问题是关于{shape}的。",
    ),
    "shape_of": QuestionTemplate(
        "shape", SHAPES, "What is the shape of the {colour} one?", "{colour}的图形是什么形状？"
    ),
    "shape_at": QuestionTemplate(
        "shape", SHAPES, "Which shape is at the {place}?", "{place}的图形是什么形状？", asked_as="position"
    ),
    "shape_hinted": QuestionTemplate(
        "shape", SHAPES, "Which shape is it?", "它是什么形状？",
        "The question is about the {colour} shape.", "问题是关于{colour}图形的。",
    ),
    "count_shape": QuestionTemplate(
        "counting", _FEW, "How many {shapes} are there in the picture?", "图中有几个{shape}？"
    ),
    "count_colour": QuestionTemplate(
        "counting", _FEW, "How many {colour} shapes are there in the picture?", "图中有几个{colour}图形？"
    ),
    "count_all": QuestionTemplate(
        "counting", _ALL, "How many shapes are there in the picture?", "图中一共有几个图形？"
    ),
    "exists_shape": QuestionTemplate(
        "existence", _YES_NO, "Is there a {shape} in the picture?", "图中有没有{shape}？"
    ),
    "exists_pair": QuestionTemplate(
        "existence", _YES_NO, "Is there a {colour} {shape} in the picture?", "图中有没有{colour}的{shape}？"
    ),
    "exists_which": QuestionTemplate(
        "existence", SHAPES, "Which of these shapes is in the picture?", "图中有下列哪种形状？"
    ),
    "place_of": QuestionTemplate(
        "position", PLACES, "Where is the {colour} {shape}?", "{colour}的{shape}在哪里？", asked_as=None
    ),
    "place_hinted": QuestionTemplate(
        "position", PLACES, "Where in the picture is it?", "它在图中的哪里？",
        "The question is about the {shape}.", "问题是关于{shape}的。",
        asked_as=None,
    ),
    "side_of": QuestionTemplate(
        "position", SIDES, "Where is the {shape}, seen from the {other}?", "从{other}看，{shape}在哪里？",
        asked_as=None,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """A template, what fills its blanks, and the answer that holds in the scene."""

    template: str
    answer: str
    colour: str = ""
    shape: str = ""
    other: str = ""
    place: str = ""
    barred: tuple[str, ...] = ()  # answers that would be right as well, never offered


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A fact with its options in order (as keys, not yet in a language)."""

    fact: Fact
    options: tuple[str, ...]

    @property
    def category(self) -> str:
        """The question type."""
        return TEMPLATES[self.fact.template].category

    @property
    def letter(self) -> str:
        """The right option's letter."""
        return LETTERS[self.options.index(self.fact.answer)]

    def rotated(self, steps: int) -> ChoiceQuestion:
        """The same question with each option text moved `steps` letters forward."""
        cut = -steps % len(self.options)
        return ChoiceQuestion(self.fact, self.options[cut:] + self.options[:cut])

    def texts(self, language: Language) -> tuple[str, ...]:
        """The option texts."""
        return tuple(word(option, language) for option in self.options)

    def wording(self, language: Language) -> tuple[str, str]:
        """The hint (empty if none) and the question, as text."""
        template, fact = TEMPLATES[self.fact.template], self.fact
        blanks = {
            name: word(key, language) if key else ""
            for name, key in (
                ("colour", fact.colour), ("shape", fact.shape), ("other", fact.other), ("place", fact.place),
            )
        }  # fmt: skip
        blanks["shapes"] = plural(fact.shape, language) if fact.shape else ""
        english = language == "en"
        hint = template.english_hint if english else template.chinese_hint
        question = template.english if english else template.chinese
        return hint.format(**blanks), question.format(**blanks)


def facts(scene: Scene) -> list[Fact]:
    """Everything that can be asked about a scene with one certain answer."""
    return [*_about_kinds(scene), *_about_places(scene), *_about_sides(scene), *_about_numbers(scene)]


def _single(scene: Scene, attribute: str) -> list[Thing]:
    """The things that alone have their colour (or shape)."""
    counts = Counter(getattr(thing, attribute) for thing in scene.things)
    return [thing for thing in scene.things if counts[getattr(thing, attribute)] == 1]


def _about_kinds(scene: Scene) -> Iterator[Fact]:
    for thing in _single(scene, "shape"):
        yield Fact("colour_of", thing.colour, shape=thing.shape)
        yield Fact("colour_hinted", thing.colour, shape=thing.shape)
        yield Fact("place_hinted", thing.place, shape=thing.shape)
    for thing in _single(scene, "colour"):
        yield Fact("shape_of", thing.shape, colour=thing.colour)
        yield Fact("shape_hinted", thing.shape, colour=thing.colour)


def _about_places(scene: Scene) -> Iterator[Fact]:
    pairs = Counter((thing.colour, thing.shape) for thing in scene.things)
    for thing in scene.things:
        yield Fact("colour_at", thing.colour, place=thing.place)
        yield Fact("shape_at", thing.shape, place=thing.place)
        if pairs[thing.colour, thing.shape] == 1:
            yield Fact("place_of", thing.place, colour=thing.colour, shape=thing.shape)


def _about_sides(scene: Scene) -> Iterator[Fact]:
    single = _single(scene, "shape")
    for thing in single:
        for other in single:
            if thing is other or (thing.row != other.row and thing.column != other.column):
                continue
            if thing.row == other.row:
                side = "left" if thing.column < other.column else "right"
            else:
                side = "above" if thing.row < other.row else "below"
            yield Fact("side_of", side, shape=thing.shape, other=other.shape)


def _about_numbers(scene: Scene) -> Iterator[Fact]:
    shapes = Counter(thing.shape for thing in scene.things)
    colours = Counter(thing.colour for thing in scene.things)
    pairs = {(thing.colour, thing.shape) for thing in scene.things}
    yield Fact("count_all", str(len(scene.things)))
    for colour, count in colours.items():
        if str(count) in _FEW:
            yield Fact("count_colour", str(count), colour=colour)
    for shape in SHAPES:
        if str(shapes[shape]) in _FEW:
            yield Fact("count_shape", str(shapes[shape]), shape=shape)
        if shape in shapes:
            yield Fact("exists_which", shape, barred=tuple(sorted(set(shapes) - {shape})))
        yield Fact("exists_shape", "yes" if shape in shapes else "no", shape=shape)
        for colour in COLOURS:
            if shape in shapes and colour in colours:
                answer = "yes" if (colour, shape) in pairs else "no"
                yield Fact("exists_pair", answer, colour=colour, shape=shape)


def choices(rng: random.Random, fact: Fact, most: int = 4) -> ChoiceQuestion | None:
    """The fact with rivals drawn evenly from its pool, in random order; None if too few rivals are left."""
    pool = TEMPLATES[fact.template].pool
    rivals = [key for key in pool if key != fact.answer and key not in fact.barred]
    if len(rivals) < min(2, len(pool) - 1):
        return None
    size = min(most, len(rivals) + 1)
    options = [fact.answer, *rng.sample(rivals, size - 1)]
    rng.shuffle(options)
    return ChoiceQuestion(fact, tuple(options))
