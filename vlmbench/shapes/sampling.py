"""Many questions whose answers are spread evenly.

Scenes are drawn at random, and among the facts of a scene the one whose template and answer were asked
least so far is asked next. So yes is as frequent as no, every colour as frequent as every other, and a
model that does not look at the picture gains nothing from knowing the questions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

from vlmbench.shapes.questions import TEMPLATES, ChoiceQuestion, Fact, choices, facts
from vlmbench.shapes.scene import Scene, random_scene

Layout = frozenset[tuple[str, str, str]]
Asked = tuple[Scene, tuple[ChoiceQuestion, ...]]

BENCHMARK_SEEDS = {"dev": "shapes-dev-1", "test": "shapes-test-1"}
QUESTION_SEEDS = {"dev": "shapes-dev-questions-4", "test": "shapes-test-questions-4"}
BENCHMARK_ROUNDS = {"dev": 36, "test": 12}
CATEGORIES = ("colour", "shape", "counting", "existence", "position")
_PER_PICTURE = 3
_PASSES = 6


def benchmark_questions(split: str) -> list[Asked]:
    """The benchmark's pictures with their questions; `split` is dev or test. Always the same."""
    rng = random.Random(QUESTION_SEEDS[split])  # noqa: S311 - drawing pictures, not secrets
    wanted = [
        goal
        for category in CATEGORIES
        for goal in _goals(rng, _templates("category", category), BENCHMARK_ROUNDS[split])
    ]
    rng.shuffle(wanted)
    letters: Counter[tuple[int, str]] = Counter()
    asked: dict[Layout, tuple[Scene, tuple[ChoiceQuestion, ...]]] = {}
    scenes = [scene for scene, _ in _all_questions(split)]
    # A picture gets few questions before any gets many: the limit grows from pass to pass.
    for limit in range(1, _PASSES + 1):
        for scene in scenes:
            had = asked.get(scene.layout(), (scene, ()))[1]
            if wanted and len(had) < limit:
                met = _meet_goals(rng, scene, wanted, letters, had, limit - len(had))
                asked[scene.layout()] = (scene, (*had, *met))
    if wanted:
        raise ValueError(f"no picture of {split} can be asked {wanted}")
    return [(scene, questions) for scene, questions in asked.values() if questions]


def _all_questions(split: str) -> list[Asked]:
    """The pictures, drawn so that every template could be asked; training never sees one of them."""
    rng = random.Random(BENCHMARK_SEEDS[split])  # noqa: S311 - drawing pictures, not secrets
    wanted = [
        goal
        for topic in CATEGORIES
        for goal in _goals(rng, _templates("topic", topic), BENCHMARK_ROUNDS[split])
    ]
    rng.shuffle(wanted)
    letters: Counter[tuple[int, str]] = Counter()
    seen: set[Layout] = set() if split == "dev" else set(_layouts("dev"))
    asked: list[Asked] = []
    while wanted:
        scene = random_scene(rng)
        if scene.layout() in seen:
            continue
        found = _meet_goals(rng, scene, wanted, letters)
        if found:
            seen.add(scene.layout())
            asked.append((scene, found))
    return asked


def _templates(kind: Literal["topic", "category"], value: str) -> list[str]:
    return [name for name, template in TEMPLATES.items() if getattr(template, kind) == value]


def _goals(rng: random.Random, names: Sequence[str], count: int) -> list[tuple[str, str]]:
    """`count` pairs of template and answer: templates in turn, each going evenly through its answers."""
    goals: list[tuple[str, str]] = []
    answers: dict[str, list[str]] = {name: [] for name in names}
    for turn in range(count):
        name = names[turn % len(names)]
        if not answers[name]:
            pool = TEMPLATES[name].pool
            answers[name] = rng.sample(pool, len(pool))
        goals.append((name, answers[name].pop()))
    return goals


def _meet_goals(
    rng: random.Random,
    scene: Scene,
    wanted: list[tuple[str, str]],
    letters: Counter[tuple[int, str]],
    had: Sequence[ChoiceQuestion] = (),
    most: int = _PER_PICTURE,
) -> tuple[ChoiceQuestion, ...]:
    """Questions about the scene that meet wanted pairs, at most so many, each of another template."""
    found: list[ChoiceQuestion] = []
    truths = facts(scene)
    rng.shuffle(truths)
    for fact in truths:
        goal = (fact.template, fact.answer)
        if goal not in wanted or any(q.fact.template == fact.template for q in (*had, *found)):
            continue
        question = choices(rng, fact, rng.choice((3, 4, 4)))
        if question is None:
            continue
        wanted.remove(goal)
        found.append(_even_letter(question, letters))
        if len(found) == most:
            break
    return tuple(found)


def _even_letter(question: ChoiceQuestion, letters: Counter[tuple[int, str]]) -> ChoiceQuestion:
    """The rotation whose right letter was used least among questions of as many options."""
    size = len(question.options)
    best = min((question.rotated(k) for k in range(size)), key=lambda turned: letters[size, turned.letter])
    letters[size, best.letter] += 1
    return best


@cache
def _layouts(split: str) -> frozenset[Layout]:
    return frozenset(scene.layout() for scene, _ in _all_questions(split))


def benchmark_layouts() -> frozenset[Layout]:
    """What is where in each benchmark picture; training scenes never repeat one of these."""
    return _layouts("dev") | _layouts("test")


def training_scenes(seed: int) -> Iterator[Scene]:
    """Endless training scenes, none laid out like a benchmark picture."""
    rng = random.Random(f"shapes-training-{seed}")  # noqa: S311 - drawing pictures, not secrets
    closed = benchmark_layouts()
    while True:
        scene = random_scene(rng)
        if scene.layout() not in closed:
            yield scene


def training_questions(
    seed: int, per_picture: int = 4, templates: Sequence[str] = tuple(TEMPLATES)
) -> Iterator[Asked]:
    """Endless training scenes, each with `per_picture` questions, answers spread evenly."""
    rng = random.Random(f"shapes-training-questions-{seed}")  # noqa: S311 - drawing pictures, not secrets
    asked: Counter[tuple[str, str]] = Counter()
    for scene in training_scenes(seed):
        by_template: dict[str, list[Fact]] = {name: [] for name in templates}
        for fact in facts(scene):
            if fact.template in by_template:
                by_template[fact.template].append(fact)
        found: list[ChoiceQuestion] = []
        for _ in range(per_picture):
            question = _least_asked(rng, by_template, asked)
            if question is not None:
                found.append(question)
        if found:
            yield scene, tuple(found)


def _least_asked(
    rng: random.Random, by_template: dict[str, list[Fact]], asked: Counter[tuple[str, str]]
) -> ChoiceQuestion | None:
    """A question of a random topic and template, with the answer asked least so far."""
    open_templates = [name for name, truths in by_template.items() if truths]
    if not open_templates:
        return None
    topic = rng.choice(sorted({TEMPLATES[name].topic for name in open_templates}))
    name = rng.choice([name for name in open_templates if TEMPLATES[name].topic == topic])
    fact = min(by_template[name], key=lambda truth: (asked[name, truth.answer], rng.random()))
    asked[name, fact.answer] += 1
    return choices(rng, fact, rng.choice((3, 4, 4)))
