"""AI2D: questions on the diagrams of grade-school science books.

Measures    reading diagrams: parts, arrows, cycles, food webs
Source      Allen Institute for AI, files as VLMEvalKit serves them
Licence     CC BY-SA 4.0
Paper       arXiv 1603.07396
Splits      test, without a split column
Rows        3088, in both files
Quoted      accuracy over rows, `Overall`, of AI2D_TEST

AI2D_TEST covers the labels inside the diagrams with boxes that hold letters, AI2D_TEST_NO_MASK shows
the labels. The two figures are some ten points apart and are not to be mixed.

One raw record (option texts are often single letters, which name the boxes):

    index  image   question                          A  B  C  D  answer  category
    12     iVBOR…  Which letter names the producer?  G  A  D  C  B       foodChainsWebs

The authors published no evaluator for answers in words: under `original` it has no value.

So `B` may name an option or be one. The compatible rule sets always take it for the option's letter.
"""

from __future__ import annotations

from vlmbench.domain import Card, DataFile

from ._choice import MultipleChoice

_HOST = "https://opencompass.openxlab.space/utils/VLMEval"


def _ai2d(name: str, md5: str, labels: str) -> MultipleChoice:
    return MultipleChoice(
        Card(
            name=name,
            measures=f"reading the diagrams of grade-school science, labels {labels}",
            family="multiple-choice",
            file=DataFile(name=f"{name}.tsv", url=f"{_HOST}/{name}.tsv", md5=(md5,)),
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
)
