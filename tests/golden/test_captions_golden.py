"""Caption measures equal pycocoevalcap's; `captions.json` says how its values were made."""

from __future__ import annotations

from typing import Any

import pytest
from golden_cases import GOLDEN, read_json

from vlmbench.answers.captions import plain_words, score_captions

CASES = read_json(GOLDEN / "captions.json")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_measure_equals_pycocoevalcap(case: dict[str, Any]) -> None:
    scores = score_captions(tuple(case["captions"]), tuple(map(tuple, case["references"])))
    assert list(scores.bleu) == case["bleu"]
    assert (scores.rouge_l, list(scores.rouge_l_rows)) == (case["rouge_l"], case["rouge_l_rows"])
    assert (scores.cider, list(scores.cider_rows)) == (case["cider"], case["cider_rows"])


def test_plain_words_forget_capitals_and_marks() -> None:
    assert plain_words('"A dog\'s life," said  the well-known man.') == "a dog's life said the well-known man"
