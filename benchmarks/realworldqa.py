"""RealWorldQA: plain questions on photographs taken from cars and elsewhere outdoors.

Measures    spatial understanding of real scenes: directions, signs, distances, which of two
Source      xAI, file as VLMEvalKit serves it
Licence     CC BY-ND 4.0
Paper       none; announced with Grok-1.5 Vision
Splits      one, without a split column
Rows        765
Quoted      accuracy over rows, `Overall`

One raw record (two to four options, no category):

    index  image    question                           A     B      C           answer
    3      UklGRq…  Where is the dog relative to us?   Left  Right  Ahead of us  B
"""

from __future__ import annotations

from vlmbench.domain import Card, DataFile

from ._choice import MultipleChoice

BENCHMARKS = (
    MultipleChoice(
        Card(
            name="RealWorldQA",
            measures="spatial understanding of photographed scenes, many of them from cars",
            family="multiple-choice",
            file=DataFile(
                name="RealWorldQA.tsv",
                url="https://opencompass.openxlab.space/utils/VLMEval/RealWorldQA.tsv",
                md5=("4de008f55dc4fd008ca9e15321dc44b7",),
            ),
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
