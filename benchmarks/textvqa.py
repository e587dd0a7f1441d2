"""TextVQA: questions that need the text in the picture; ten people answered each.

`TextVQA_VAL` asks the bare question. `TextVQA_VAL_OCR` adds LLaVA's line `Reference OCR token: A, B, C`
(LLaVA's own 58.2 has it). The published TSV has no such tokens and the dataset on the hub has, so it reads
that, or a TSV of your own that is named TextVQA_VAL_OCR.tsv: the same columns and `ocr_tokens`, a list or a
text with commas. Whether the dataset's tokens are the ones that LLaVA's authors used is not published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from vlmbench.answers.original.rules import read_textvqa
from vlmbench.answers.vqa import match_consensus
from vlmbench.domain import Card, Row, Sample
from vlmbench.errors import DataError

from . import served
from .families.open_answers import ShortAnswer
from .families.originals import RowByRow

TOKENS = "ocr_tokens"
PREFIX = "Reference OCR token: "


@dataclass(frozen=True, slots=True)
class WithTokens(ShortAnswer):
    """Short answers whose prompt shows what an OCR system read."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row; a DataError when no row has tokens, for then this is the other benchmark."""
        samples = list(ShortAnswer.samples(self, rows))
        if samples and not any(sample.hint for sample in samples):
            raise DataError(
                f"{self.card.name} shows the model what an OCR system read, and no row has any of it.",
                file=self.card.file.name,
                key=TOKENS,
                fix=f"Add the column {TOKENS}, or run TextVQA_VAL, which asks without.",
            )
        return iter(samples)


_CARD = Card(
    name="TextVQA_VAL",
    measures="reading text in everyday pictures",
    family="short-answer",
    file=served("TextVQA_VAL", "b233b31f551bbf4056f2f955da3a92cd"),
    licence="CC BY 4.0",
    source="TextVQA team, pictures of OpenImages; file layout of VLMEvalKit",
    paper="https://arxiv.org/abs/1904.08920",
    rows=5000,
    original="facebookresearch/mmf@b0ffc7f mmf/utils/m4c_evaluators.py (also haotian-liu/LLaVA@c121f04)",
    quoted="consensus accuracy, asked without OCR tokens (`Overall` of VLMEvalKit)",
    record='{"index": 34602, "question": "what is the brand of this camera?", '
    '"answer": "[\'nokia\', \'nokia\', …]", "image": "/9j/4A…"}',
)

BENCHMARKS = (
    ShortAnswer(_CARD, original=RowByRow(read_textvqa), match=match_consensus),
    WithTokens(
        replace(
            _CARD,
            name="TextVQA_VAL_OCR",
            measures="reading text in everyday pictures, helped by an OCR system",
            file=replace(_CARD.file, name="TextVQA_VAL_OCR.tsv", url=None, md5=()),
            quoted="consensus accuracy with OCR tokens in the prompt, as LLaVA reports it",
        ),
        original=RowByRow(read_textvqa),
        match=match_consensus,
        hint_prefix=PREFIX,
        hint_column=TOKENS,
    ),
)
