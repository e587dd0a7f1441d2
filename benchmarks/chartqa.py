"""ChartQA: questions about charts, half written by people and half by a machine.

Measures    reading values off charts and reckoning with them
Source      ChartQA team, test; file as VLMEvalKit serves it
Licence     GPL-3.0
Paper       arXiv 2203.10244
Splits      test_human, test_augmented
Rows        2500 (1250 each)
Quoted      relaxed accuracy over all rows; some papers quote the human half
Original    none: the authors' repository compares exactly while it trains and leaves relaxed accuracy to
            the reader. What others use was written for Pix2Struct

One raw record (tab separated):

    index  question                                       answer  split       image
    0      How many food items are shown in the bar graph? 14     test_human  iVBORw…
"""

from __future__ import annotations

from vlmbench.answers.short import match_relaxed
from vlmbench.domain import Card, DataFile

from ._open import ShortAnswer

BENCHMARKS = (
    ShortAnswer(
        Card(
            name="ChartQA_TEST",
            measures="reading values off charts and reckoning with them",
            family="short-answer",
            file=DataFile(
                name="ChartQA_TEST.tsv",
                url="https://opencompass.openxlab.space/utils/VLMEval/ChartQA_TEST.tsv",
                md5=("c902e0aa9be5582a7aad6dcf52734b42",),
            ),
            licence="GPL-3.0",
            source="ChartQA team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2203.10244",
            splits=("test_human", "test_augmented"),
            rows=2500,
            quoted="relaxed accuracy over all rows (`Overall` of VLMEvalKit; ChartQA on model cards)",
            record='{"index": 0, "question": "How many food items are shown in the bar graph?", '
            '"answer": "14", "split": "test_human", "image": "iVBORw…"}',
        ),
        match=match_relaxed,
        headline="relaxed accuracy",
    ),
)
