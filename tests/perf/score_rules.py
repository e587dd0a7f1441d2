"""How long scoring takes: 14,232 rows (as many as the largest multiple-choice set) under every rule set.

python tests/perf/score_rules.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence

from vlmbench.answers.choice import score_choice
from vlmbench.answers.circular import ROTATION, group_key, score_groups
from vlmbench.answers.toolkits import answers_as_read, samples_as_read
from vlmbench.domain import RULE_SETS, Response, RuleSet, Sample

ROWS = 14_232
ROTATIONS = 4
THINGS = ["dog", "cat", "horse", "bus", "mirror", "window", "beach", "pizza", "kitchen", "gravity", "liquid"]
THINGS += ["football", "Ohio", "Paris", "12", "24", "1999"]
COLOURS = ["red", "blue", "green", "white", "black", "dark", "light", "old", "young", "wooden"]
WORDINGS = (
    *(
        "{letter}",
        "{letter}.",
        "({letter})",
        "{small}",
        "**{letter}**",
        "{letter}. {text}",
        "{text}",
        "（{letter}）",
    ),
    *(
        "The answer is {letter}.",
        "Answer: {letter}\n",
        "答案是{letter}。",
        "I think it is {text}.",
        "\\boxed{{{letter}}}",
    ),
    *("{letter} is the correct answer here", "{letter} or {other}", "It is {letter}, not {other}", "", "nan"),
    "In the picture we can see {text}, which is what the question asks about",
    "I'm sorry, but without the image provided I cannot answer.",
    "Let us look at each option. The picture shows a room with some things in it. " * 3
    + "So the answer is {letter}.",
)


def make_rows(rows: int = ROWS, seed: int = 0) -> tuple[list[Sample], list[str]]:
    """Questions in four rotations, every one with its own options, and answers in awkward wordings."""
    chance = random.Random(seed)
    samples, answers = [], []
    for number in range(rows):
        rotation, question = number % ROTATIONS, number // ROTATIONS
        index = str(question + rotation * ROTATION)
        texts = [f"{chance.choice(COLOURS)} {thing} {question}" for thing in chance.sample(THINGS, ROTATIONS)]
        choices = dict(zip("ABCD", texts, strict=True))
        samples.append(
            Sample(
                id=index,
                group=group_key(index),
                question=f"What is shown in the picture? (case {question})",
                choices=choices,
                references=("B",),
                split="dev",
                categories={"category": THINGS[question % 9], "l2-category": COLOURS[question % 5]},
            )
        )
        letter, other = chance.choice("BBBACD"), chance.choice("ABCD")
        wording = chance.choice(WORDINGS)
        answers.append(wording.format(letter=letter, other=other, small=letter.lower(), text=choices[letter]))
    return samples, answers


def score(samples: Sequence[Sample], answers: Sequence[str], rules: RuleSet) -> float:
    """Score everything once and return the share of questions that count as right."""
    seen = samples_as_read(samples, rules)
    texts = answers_as_read(answers, rules)
    scores = [
        score_choice(sample, Response(id=sample.id, text=text, finish="stop"), rules)
        for sample, text in zip(seen, texts, strict=True)
    ]
    values = [group.value for group in score_groups(seen, scores, rules) if group.value is not None]
    return sum(values) / len(values)


def measure(rows: int = ROWS) -> Mapping[RuleSet, float]:
    """Seconds each rule set takes."""
    samples, answers = make_rows(rows)
    seconds: dict[RuleSet, float] = {}
    for rules in (rules for rules in RULE_SETS if rules != "original"):
        start = time.perf_counter()
        score(samples, answers, rules)
        seconds[rules] = time.perf_counter() - start
    return seconds


def main() -> None:
    seconds = measure()
    print(f"{ROWS} rows, circular")
    for rules, taken in seconds.items():
        print(f"{rules:20} {taken:6.2f} s")
    print(f"{'total':20} {sum(seconds.values()):6.2f} s")


if __name__ == "__main__":
    main()
