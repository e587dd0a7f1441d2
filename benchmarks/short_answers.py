"""GQA, ChartQA, DocVQA and InfoVQA: short answers compared by a rule of `vlmbench/answers/` as it stands.

ChartQA's authors published no evaluator: their repository compares exactly while it trains and leaves
relaxed accuracy to the reader. What others use was written for Pix2Struct. Half of ChartQA's questions were
written by people and half by a machine. The test answers of DocVQA and InfoVQA are withheld by the
challenge.
"""

from __future__ import annotations

from vlmbench.answers.original.rules import read_gqa
from vlmbench.answers.short import match_anls, match_exact, match_relaxed
from vlmbench.domain import Card

from . import served
from .families.open_answers import ShortAnswer
from .families.originals import RowByRow


def _anls(name: str, md5: str, *, measures: str, paper: str, rows: int) -> ShortAnswer:
    return ShortAnswer(
        Card(
            name=name,
            measures=measures,
            family="short-answer",
            file=served(name, md5),
            licence="for research, as the challenge's terms say",
            source="DocVQA team; file layout of VLMEvalKit",
            paper=paper,
            rows=rows,
            quoted="ANLS (the challenge's own figure; `Overall` of VLMEvalKit, times 100)",
            record='{"index": 49153, "question": "What is the name of the company?", '
            '"answer": "[\'ITC Limited\', \'itc limited\']", "image": "iVBORw…"}',
        ),
        match=match_anls,
        headline="ANLS",
    )


BENCHMARKS = (
    ShortAnswer(
        Card(
            name="GQA_TestDev_Balanced",
            measures="compositional questions about scenes",
            family="short-answer",
            file=served("GQA_TestDev_Balanced", "99b62f22e224d9b2f32dcbe41359d1c9"),
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
    ShortAnswer(
        Card(
            name="ChartQA_TEST",
            measures="reading values off charts and reckoning with them",
            family="short-answer",
            file=served("ChartQA_TEST", "c902e0aa9be5582a7aad6dcf52734b42"),
            licence="GPL-3.0",
            source="ChartQA team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2203.10244",
            splits=("test_human", "test_augmented"),
            rows=2500,
            quoted="relaxed accuracy over all rows (`Overall` of VLMEvalKit; ChartQA on model cards); "
            "some papers quote the human half",
            record='{"index": 0, "question": "How many food items are shown in the bar graph?", '
            '"answer": "14", "split": "test_human", "image": "iVBORw…"}',
        ),
        match=match_relaxed,
        headline="relaxed accuracy",
    ),
    _anls(
        "DocVQA_VAL",
        "d5ee77e1926ff10690d469c56b73eabf",
        measures="questions about scanned documents",
        paper="https://arxiv.org/abs/2007.00398",
        rows=5349,
    ),
    _anls(
        "InfoVQA_VAL",
        "2342e9c225222f0ef4dec545ebb126fe",
        measures="questions about infographics",
        paper="https://arxiv.org/abs/2104.12756",
        rows=2801,
    ),
)
