"""MMBench-shaped work: questions of 10 to 30 words with four options, each in its four rotations."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from tiny_models import picture

from vlmbench.domain import Decoding, ImageRef, Request

WORDS = [
    "picture", "colour", "circle", "left", "tree", "cat", "dog", "horse", "cow", "letter", "given", "choices",
    "directly", "correct", "answer", "options",
]  # fmt: skip


def make_work(groups: int, new_tokens: int) -> tuple[list[list[Request]], dict[str, bytes]]:
    """Groups of rotations on one picture each, and the pictures."""
    chance = random.Random(0)
    decoding = Decoding(max_new_tokens=new_tokens)
    images = {f"picture {n}": picture(320 + n % 5 * 40, 240, n) for n in range(groups)}
    work = []
    for number, digest in enumerate(images):
        question = " ".join(chance.choices(WORDS, k=chance.randint(10, 30)))
        options = [" ".join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in "ABCD"]
        rotations = [options[turn:] + options[:turn] for turn in range(4)]
        texts = [
            "\n".join([question + "?", *(f"{letter}. {o}" for letter, o in zip("ABCD", turned, strict=True))])
            + "\nAnswer with the option's letter from the given choices directly."
            for turned in rotations
        ]
        work.append(
            [
                Request(
                    id=f"{number} {turn}",
                    group=str(number),
                    parts=(ImageRef(digest), text),
                    decoding=decoding,
                )
                for turn, text in enumerate(texts)
            ]
        )
    return work, images
