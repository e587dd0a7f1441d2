"""MMBench and CCBench: each question in every rotation of the options, against guessing by position.

MMBench's V1.0 TEST files have no answers. The authors' server closed on 31 March 2026 and the answers are
in the V1.1 files since (open-compass/MMBench issues 61 and 62): `vlmbench score --answers` joins those. A
picture is base64, or the index of the row that has it.
"""

from __future__ import annotations

from vlmbench.domain import Card

from . import served
from .families.choice import MultipleChoice

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
            file=served(name, *md5, under="benchmarks/MMBench"),
            languages=("zh",) if "_CN" in name else ("en",),
            licence="Apache-2.0 (annotations); the pictures keep the licences of their sources",
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
    MultipleChoice(
        Card(
            name="CCBench",
            measures="knowledge of traditional Chinese culture, each question in every rotation",
            family="multiple-choice",
            file=served("CCBench", "f5dde47f24dc5a6fb6e595b409b466ac"),
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
