"""SEED-Bench, its image part: nine kinds of perception and reasoning, four options each.

Measures    scene, identity, attributes, place, number, relations, interaction, reasoning, text in pictures
Source      Tencent AI Lab, file as VLMEvalKit serves it; the video part is not in it
Licence     CC BY-NC 4.0 (annotations); the pictures keep the licences of Conceptual Captions
Paper       arXiv 2307.16125
Splits      one, without a split column
Rows        14232
Quoted      accuracy over rows, `Overall` (`SEED-IMG` in tables)

One raw record (neither hint nor l2-category):

    index  image   question                     A    B    C      D     answer  category
    7      /9j/4A… How many towels are there?   One  Two  Three  Four  A       Instances Counting

33 rows have an option called `None` or `NA`. The compatible rule sets do not see such options, see
`vlmbench/answers/toolkits.py`; `strict` does, so its figure is not comparable there to the last digit.
"""

from __future__ import annotations

from functools import partial

from vlmbench.answers.original.rules import read_seedbench
from vlmbench.domain import Card, DataFile

from ._choice import LEVELS, MultipleChoice
from ._figures import mean_figures
from ._originals import RowByRow

TOTAL = "total accuracy"

BENCHMARKS = (
    MultipleChoice(
        Card(
            name="SEEDBench_IMG",
            measures="nine kinds of perception and reasoning about one picture",
            family="multiple-choice",
            file=DataFile(
                name="SEEDBench_IMG.tsv",
                url="https://opencompass.openxlab.space/utils/benchmarks/SEEDBench/SEEDBench_IMG.tsv",
                md5=("68017231464752261a2526d6ca3a10c0",),
            ),
            licence="CC BY-NC 4.0 (annotations)",
            source="Tencent AI Lab; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2307.16125",
            rows=14232,
            original="AILab-CVC/SEED-Bench@991e849 eval.py (ranks options); "
            "for words haotian-liu/LLaVA@c121f04 scripts/convert_seed_for_submission.py",
            quoted="accuracy over rows (SEED-I of papers, not LLaVA's SEED with videos; `Overall`)",
            record=(
                '{"index": 7, "question": "How many towels are there?", "A": "One", "B": "Two", '
                '"C": "Three", "D": "Four", "answer": "A", "category": "Instances Counting"}'
            ),
        ),
        original=RowByRow(read_seedbench, partial(mean_figures, levels=LEVELS, headline=TOTAL), TOTAL),
    ),
)
