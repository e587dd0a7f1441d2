"""DocVQA and InfoVQA: questions about scanned documents and infographics.

Measures    reading documents; InfoVQA also counting, comparing and reckoning
Source      DocVQA team (UCSF Industry Documents; infographics from the web), validation; files as
            VLMEvalKit serves them
Licence     for research, as the challenge's terms say
Paper       arXiv 2007.00398 (DocVQA), 2104.12756 (InfoVQA)
Splits      validation; the test answers are withheld by the challenge
Rows        DocVQA 5349, InfoVQA 2801
Quoted      ANLS: 1 less the normalised edit distance to the nearest reference, 0 under a half

One raw record (tab separated):

    index  question                                     answer                          image
    49153  What is the name of the company?             ['ITC Limited', 'itc limited']  iVBORw…
"""

from __future__ import annotations

from vlmbench.answers.short import match_anls
from vlmbench.domain import Card, DataFile

from ._open import ShortAnswer


def _anls(name: str, md5: str, *, measures: str, paper: str, rows: int) -> ShortAnswer:
    return ShortAnswer(
        Card(
            name=name,
            measures=measures,
            family="short-answer",
            file=DataFile(
                name=f"{name}.tsv",
                url=f"https://opencompass.openxlab.space/utils/VLMEval/{name}.tsv",
                md5=(md5,),
            ),
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
