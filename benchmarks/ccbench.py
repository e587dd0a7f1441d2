"""CCBench: Chinese culture in pictures (calligraphy, food, relics, shows), asked in rotations.

Measures    knowledge of traditional Chinese culture
Source      the MMBench team, file as VLMEvalKit serves it
Licence     Apache-2.0 (annotations)
Paper       arXiv 2307.06281 (with MMBench)
Splits      one, without a split column
Rows        2040 (510 questions)
Quoted      circular accuracy over questions

One raw record (no hint, no l2-category):

    index  image   question        A     B     C     D     answer  category
    12     /9j/4A… 图中的食物是？  饺子  汤圆  粽子  月饼  C       food_clothes
"""

from __future__ import annotations

from vlmbench.domain import Card, DataFile

from ._choice import MultipleChoice

BENCHMARKS = (
    MultipleChoice(
        Card(
            name="CCBench",
            measures="knowledge of traditional Chinese culture, each question in every rotation",
            family="multiple-choice",
            file=DataFile(
                name="CCBench.tsv",
                url="https://opencompass.openxlab.space/utils/VLMEval/CCBench.tsv",
                md5=("f5dde47f24dc5a6fb6e595b409b466ac",),
            ),
            languages=("zh",),
            licence="Apache-2.0 (annotations)",
            source="MMBench team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2307.06281",
            rows=2040,
            groups=510,
            circular=True,
            quoted="circular accuracy over questions (`Overall` of VLMEvalKit; CCBench in XTuner's tables)",
            record=(
                '{"index": 12, "question": "图中的食物是？", "A": "饺子", "B": "汤圆", "C": "粽子", '
                '"D": "月饼", "answer": "C", "category": "food_clothes", "image": "/9j/4A…"}'
            ),
        )
    ),
)
