"""ScienceQA, the questions that have a picture: school science with a hint to read first.

Measures    knowledge and reasoning in natural, social and language science, grades 1 to 12
Source      Lu et al., files as VLMEvalKit serves them
Licence     CC BY-NC-SA 4.0
Paper       arXiv 2209.09513
Splits      val and test, a file each
Rows        VAL 2097, TEST 2017
Quoted      accuracy over rows, `Overall`, of ScienceQA_TEST

The paper's own figure counts the questions without a picture too and is not comparable.

One raw record (two to five options; the hint is often empty):

    index  question                     hint            A    B     answer  category   l2-category      split
    4      Which month is the hottest?  Use the graph.  May  July  B       Geography  natural science  test
"""

from __future__ import annotations

from functools import partial

from vlmbench.answers.original.scienceqa import read
from vlmbench.domain import Card, DataFile

from ._choice import LEVELS, MultipleChoice
from ._clusters import mean_figures
from ._originals import RowByRow

IMG_ACCURACY = "IMG-Accuracy"
"""What LLaVA's script calls the accuracy over questions with a picture, as all of these files are."""

_HOST = "https://opencompass.openxlab.space/utils/benchmarks/ScienceQA"


def _scienceqa(split: str, md5: str, rows: int) -> MultipleChoice:
    name = f"ScienceQA_{split.upper()}"
    return MultipleChoice(
        Card(
            name=name,
            measures="school science with a picture: natural, social and language science",
            family="multiple-choice",
            file=DataFile(name=f"{name}.tsv", url=f"{_HOST}/{name}.tsv", md5=(md5,)),
            licence="CC BY-NC-SA 4.0",
            source="Lu et al.; file layout of VLMEvalKit, questions with a picture only",
            paper="https://arxiv.org/abs/2209.09513",
            splits=(split,),
            rows=rows,
            original="haotian-liu/LLaVA@c121f04 llava/eval/eval_science_qa.py",
            quoted="accuracy over rows (Overall)",
            record=(
                '{"index": 4, "question": "Which month is the hottest?", "hint": "Use the graph.", '
                '"A": "May", "B": "July", "answer": "B", "category": "Geography", '
                '"l2-category": "natural science", "split": "test", "image": "/9j/4A…"}'
            ),
        ),
        original=RowByRow(read, partial(mean_figures, levels=LEVELS, headline=IMG_ACCURACY), IMG_ACCURACY),
    )


BENCHMARKS = (
    _scienceqa("val", "96320d05e142e585e7204e72affd29f3", 2097),
    _scienceqa("test", "e42e9e00f9c59a80d8a5db35bc32b71f", 2017),
)
