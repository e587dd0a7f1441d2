"""MMBench: twenty abilities of perception and reasoning, asked in every rotation of the options.

Measures    multi-modal understanding, English and Chinese, against guessing by position
Source      the MMBench team, files as VLMEvalKit serves them
Licence     Apache-2.0 (annotations); the pictures keep the licences of their sources
Paper       arXiv 2307.06281
Splits      DEV and V1.1 TEST have answers. The V1.0 TEST files have none: `vlmbench score --answers` joins
            those of V1.1. The authors' server closed on 31 March 2026 and their answers are in the V1.1
            files since (open-compass/MMBench issues 61 and 62)
Rows        DEV 4329 (1164 questions), TEST 6666 (1784); V1.1 DEV 4876
Quoted      circular accuracy over questions, `Overall`; categories by `l2-category`

One raw record (tab separated, the picture as base64 or as the index of the row that has it):

    index    question                     hint  A    B    C    D     answer  category             image  …
    241      Which animal is in front?          cat  dog  cow  horse  B      object_localization  /9j/4A…
    1000241  Which animal is in front?          horse cat dog  cow    C      object_localization  241

Row `i + k * 1000000` is rotation k of question i; a question counts only if every rotation is right.
"""

from __future__ import annotations

from vlmbench.domain import Card, DataFile

from ._choice import MultipleChoice

_HOST = "https://opencompass.openxlab.space/utils/benchmarks/MMBench"
_RECORD = (
    '{"index": 241, "question": "Which animal is in front?", "A": "cat", "B": "dog", "C": "cow", '
    '"D": "horse", "answer": "B", "category": "object_localization", "image": "/9j/4A…"}'
)


def _mmbench(
    name: str,
    *md5: str,
    rows: int | None = None,
    groups: int | None = None,
    answers_in: MultipleChoice | None = None,
) -> MultipleChoice:
    return MultipleChoice(
        Card(
            name=name,
            measures="twenty abilities of perception and reasoning, each question in every rotation",
            family="multiple-choice",
            file=DataFile(name=f"{name}.tsv", url=f"{_HOST}/{name}.tsv", md5=md5),
            languages=("zh",) if "_CN" in name else ("en",),
            licence="Apache-2.0 (annotations)",
            source="MMBench team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2307.06281",
            splits=("dev",) if "_DEV_" in name else ("test",),
            rows=rows,
            groups=groups,
            circular=True,
            answers=answers_in is None,
            answers_file=None if answers_in is None else answers_in.card.file,
            quoted="circular accuracy over questions (MMBench in LLaVA's and XTuner's tables; `Overall`)",
            record=_RECORD,
        )
    )


# VLMEvalKit's sums of 2026-06-17; the sums before that named files without answers.
_TEST_EN_V11 = _mmbench(
    "MMBench_TEST_EN_V11", "8d1a704e791df6f5d9fb3ef782b65365", "26f0f15381a21720255091d3e0316ce6"
)
_TEST_CN_V11 = _mmbench(
    "MMBench_TEST_CN_V11", "156e6569f9547afb16603eca16e85373", "74bbe4556dac745613c7cbe5ad787050"
)

BENCHMARKS = (
    _mmbench("MMBench_DEV_EN", "b6caf1133a01c6bb705cf753bb527ed8", rows=4329, groups=1164),
    _mmbench(
        "MMBench_TEST_EN", "6939fadb0ce626fefc0bdc9c64efc528", rows=6666, groups=1784, answers_in=_TEST_EN_V11
    ),
    _mmbench("MMBench_DEV_CN", "08b8fc3324a5ed74155350f57be69fbd", rows=4329, groups=1164),
    _mmbench(
        "MMBench_TEST_CN", "7e1239baf0ee4c8b513e19705a0f317e", rows=6666, groups=1784, answers_in=_TEST_CN_V11
    ),
    _mmbench("MMBench_DEV_EN_V11", "30c05be8f2f347a50be25aa067248184", rows=4876),
    _TEST_EN_V11,
    _mmbench("MMBench_DEV_CN_V11", "593f9b5f6bea453d870a798b34ae4f37", rows=4876),
    _TEST_CN_V11,
)
