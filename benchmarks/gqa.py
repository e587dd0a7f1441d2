"""GQA: compositional questions about scenes, answered in a word or two.

Measures    reasoning over objects, their attributes and relations
Source      GQA team (Visual Genome pictures), test-dev balanced; file as VLMEvalKit serves it
Licence     CC BY 4.0
Paper       arXiv 1902.09506
Splits      none
Rows        12578
Quoted      accuracy: the answer is the reference

One raw record (tab separated):

    index      question                     answer  image
    201307251  Is it overcast?              no      /9j/4A…
"""

from __future__ import annotations

from vlmbench.answers.original.rules import read_gqa
from vlmbench.answers.short import match_exact
from vlmbench.domain import Card, DataFile

from ._open import ShortAnswer
from ._originals import RowByRow

BENCHMARKS = (
    ShortAnswer(
        Card(
            name="GQA_TestDev_Balanced",
            measures="compositional questions about scenes",
            family="short-answer",
            file=DataFile(
                name="GQA_TestDev_Balanced.tsv",
                url="https://opencompass.openxlab.space/utils/VLMEval/GQA_TestDev_Balanced.tsv",
                md5=("99b62f22e224d9b2f32dcbe41359d1c9",),
            ),
            licence="CC BY 4.0",
            source="GQA team, pictures of Visual Genome; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/1902.09506",
            rows=12578,
            original="haotian-liu/LLaVA@c121f04 scripts/convert_gqa_for_eval.py, then GQA's eval.py (v1.2)",
            quoted="accuracy by exact match (GQA in LLaVA's tables; `Overall` of VLMEvalKit)",
            record='{"index": 201307251, "question": "Is it overcast?", "answer": "no", "image": "/9j/4A…"}',
        ),
        original=RowByRow(read_gqa),
        match=match_exact,
    ),
)
