"""What is shown when: letters without pictures, then pictures without letters, then both together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmbench.shapes import rgb, training_questions
from vlmbench.shapes.questions import ChoiceQuestion
from vlmbench.shapes.scene import Language, Scene
from vlmbench.trainers.demo_model import prompts
from vlmbench.trainers.demo_model.prompts import Turn

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
SELECT_SHARE = 0.2
NEEDS_OPTIONS = ("exists_which",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Shares of one part of the training: text-only batches, and the kinds of turns about a picture."""

    until: float
    text_only: float = 0.0
    describe: float = 0.0
    short: float = 0.0


MIXTURES = (
    Mixture(until=0.05, text_only=1.0),
    Mixture(until=0.35, text_only=0.15, describe=0.6, short=0.4),
    Mixture(until=1.0, text_only=0.03, describe=0.1, short=0.15),
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows of turns, and the pictures they are about (None: no picture)."""

    rows: list[list[Turn]]
    pixels: NDArray[np.float32] | None


def mixture_at(progress: float) -> Mixture:
    """The shares that hold at a point of the training, 0 to 1."""
    return next((mixture for mixture in MIXTURES if progress < mixture.until), MIXTURES[-1])


def normalised(scenes: list[Scene]) -> NDArray[np.float32]:
    """Pictures as the image processor gives them to the tower."""
    pixels = np.stack([rgb(scene) for scene in scenes]).astype(np.float32) / 255
    return np.ascontiguousarray(((pixels - CLIP_MEAN) / CLIP_STD).transpose(0, 3, 1, 2))


def _turn(rng: random.Random, mixture: Mixture, scene: Scene, question: ChoiceQuestion) -> Turn:
    language: Language = "en" if rng.random() < 0.5 else "cn"
    draw = rng.random()
    if draw < mixture.describe:
        tell = prompts.describe_turn if rng.random() < 0.65 else prompts.tally_turn
        return tell(rng, scene, language)
    if draw < mixture.describe + mixture.short and question.fact.template not in NEEDS_OPTIONS:
        return prompts.short_turn(question, language)
    return prompts.letter_turn(rng, question, language, SELECT_SHARE)


def lessons(seed: int, batch_size: int, turns: int, steps: int) -> Iterator[Lesson]:
    """One lesson per step."""
    rng = random.Random(f"demo-model-{seed}")  # noqa: S311 - drawing pictures, not secrets
    source = training_questions(seed, turns)
    for step in range(steps):
        mixture = mixture_at(step / steps)
        asked = [next(source) for _ in range(batch_size)]
        if rng.random() < mixture.text_only:
            rows = [[_copy(rng, question) for question in questions] for _, questions in asked]
            yield Lesson(rows, None)
        else:
            rows = [[_turn(rng, mixture, scene, q) for q in questions] for scene, questions in asked]
            yield Lesson(rows, normalised([scene for scene, _ in asked]))


def _copy(rng: random.Random, question: ChoiceQuestion) -> Turn:
    language: Language = "en" if rng.random() < 0.5 else "cn"
    return prompts.copy_turn(rng, question, language, SELECT_SHARE)
