"""AI2D and RealWorldQA: multiple choice that needs nothing but its card.

AI2D_TEST covers the labels inside the diagrams with boxes that hold letters, AI2D_TEST_NO_MASK shows the
labels. The two figures are some ten points apart and are not to be mixed. The options often are single
letters, which name the boxes, so `B` may name an option or be one: the compatible rule sets always take it
for the option's letter. The authors of AI2D published no evaluator for answers in words.
"""

from __future__ import annotations

from vlmbench.domain import Card

from . import served
from .families.choice import MultipleChoice


def _ai2d(name: str, md5: str, labels: str) -> MultipleChoice:
    return MultipleChoice(
        Card(
            name=name,
            measures=f"reading the diagrams of grade-school science, labels {labels}",
            family="multiple-choice",
            file=served(name, md5),
            licence="CC BY-SA 4.0",
            source="Allen Institute for AI; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/1603.07396",
            splits=("test",),
            rows=3088,
            quoted="accuracy over rows (`Overall` of VLMEvalKit; AI2D in XTuner's tables and on model cards)",
            record=(
                '{"index": 12, "question": "Which letter names the producer?", "A": "G", "B": "A", "C": "D", '
                '"D": "C", "answer": "B", "category": "foodChainsWebs", "image": "iVBOR…"}'
            ),
        )
    )


BENCHMARKS = (
    _ai2d("AI2D_TEST", "0f593e0d1c7df9a3d69bf1f947e71975", "masked by letters"),
    _ai2d("AI2D_TEST_NO_MASK", "fd8f463634d4fe9fbd23b876e8eea5be", "left as they are"),
    MultipleChoice(
        Card(
            name="RealWorldQA",
            measures="spatial understanding of photographed scenes, many of them from cars",
            family="multiple-choice",
            file=served("RealWorldQA", "4de008f55dc4fd008ca9e15321dc44b7"),
            licence="CC BY-ND 4.0",
            source="xAI; file layout of VLMEvalKit",
            paper="https://x.ai/blog/grok-1.5v",
            rows=765,
            quoted="accuracy over rows (`Overall` of VLMEvalKit; RealWorldQA on model cards)",
            record=(
                '{"index": 3, "question": "Where is the dog relative to us?", "A": "Left", "B": "Right", '
                '"C": "Ahead of us", "answer": "B", "image": "UklGRq…"}'
            ),
        )
    ),
)
