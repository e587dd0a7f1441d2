"""How long scoring takes under all rule sets, for the largest sets of the open families.

python tests/perf/score_families.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from vlmbench.domain import Response, Row
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark

WORDS = [
    "red",
    "green",
    "table",
    "left",
    "right",
    "man",
    "woman",
    "dog",
    "street",
    "sign",
    "coca-cola",
    "10,000",
    "3.14",
    "the",
    "a",
    "nokia",
    "stop",
    "one",
    "way",
]


def gqa(chance: random.Random) -> Iterator[dict[str, str]]:
    for i in range(12578):
        yield {"index": str(i), "question": "What is it?", "answer": chance.choice(WORDS)}


def textvqa(chance: random.Random) -> Iterator[dict[str, str]]:
    for i in range(5000):
        answers = [f"{chance.choice(WORDS)} {chance.randrange(300)}" for _ in range(10)]
        yield {"index": str(i), "question": "what does it say?", "answer": repr(answers)}


def docvqa(chance: random.Random) -> Iterator[dict[str, str]]:
    for i in range(5349):
        answers = [" ".join(chance.choices(WORDS, k=4)) for _ in range(2)]
        yield {"index": str(i), "question": "Which company?", "answer": repr(answers)}


def pope(chance: random.Random) -> Iterator[dict[str, str]]:
    for i in range(9000):
        category = chance.choice(("random", "popular", "adversarial", "adversarial,popular,random"))
        answer = chance.choice(("Yes", "No"))
        yield {"index": str(i), "question": "Is there a dog?", "answer": answer, "category": category}


def mme(chance: random.Random) -> Iterator[dict[str, str]]:
    from vlmbench.benchmarks.mme import COGNITION, PERCEPTION

    for i in range(2374):
        yield {
            "index": str(i),
            "question": "Is it? Please answer yes or no.",
            "answer": ("Yes", "No")[i % 2],
            "category": (PERCEPTION + COGNITION)[i // 2 % 14],
            "image_path": f"{i // 2}.jpg",
        }


CASES = {
    "GQA_TestDev_Balanced": gqa,
    "TextVQA_VAL": textvqa,
    "DocVQA_VAL": docvqa,
    "POPE": pope,
    "MME": mme,
}


def said(name: str, row: dict[str, str], chance: random.Random) -> str:
    """Half the answers are right, some are sentences, no two sentences the same."""
    if name in ("POPE", "MME"):
        return chance.choice(("Yes", "No", "Yes.", f"No, there are {chance.randrange(10**6)} of them."))
    right = row["answer"].strip("[]'").split("', '")[0]
    return chance.choice((right, right.upper(), f"It says {chance.randrange(10**6)} {right}.", "unknown"))


def seconds(name: str) -> tuple[int, float, float]:
    """Rows, seconds to make questions of them, seconds to score them under all rule sets.

    Seconds of the processor: scoring is one thread, and what else the machine does is not its fault.
    """
    chance = random.Random(0)
    cells = list(CASES[name](chance))
    rows = [Row(index=c["index"], cells=c, images=(f"picture {i // 6}",)) for i, c in enumerate(cells)]
    answers = {c["index"]: Response(id=c["index"], text=said(name, c, chance), finish="stop") for c in cells}
    benchmark = load_benchmark(name)
    start = time.process_time()
    samples = tuple(benchmark.samples(rows))
    between = time.process_time()
    score_under_all(benchmark, samples, answers)
    return len(rows), between - start, time.process_time() - between


def main() -> None:
    print(f"{'benchmark':24}{'rows':>8}{'questions s':>14}{'scoring s':>12}")
    for name in CASES:
        rows, questions, scoring = seconds(name)
        print(f"{name:24}{rows:8}{questions:14.2f}{scoring:12.2f}")


if __name__ == "__main__":
    main()
