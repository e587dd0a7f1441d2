"""SEED-Bench, its image part: four options each; the video part is not in the file.

33 rows have an option called `None` or `NA`. The compatible rule sets do not see such options, see
`vlmbench/answers/toolkits.py`; `strict` does, so its figure is not comparable there to the last digit.
"""

from __future__ import annotations

from functools import partial

from vlmbench.answers.original.rules import read_seedbench
from vlmbench.domain import Card

from . import served
from .families.choice import LEVELS, MultipleChoice
from .families.figures import mean_figures
from .families.originals import RowByRow

TOTAL = "total accuracy"

BENCHMARKS = (
    MultipleChoice(
        Card(
            name="SEEDBench_IMG",
            measures="nine kinds of perception and reasoning about one picture",
            family="multiple-choice",
            file=served("SEEDBench_IMG", "68017231464752261a2526d6ca3a10c0", under="benchmarks/SEEDBench"),
            licence="CC BY-NC 4.0 (annotations); the pictures keep the licences of Conceptual Captions",
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
