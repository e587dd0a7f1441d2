"""COCO captions: photographs, described in a sentence.

There is no question column: every row is asked the same. The compatible sets part words at blanks and
nothing else, so a capital or a full stop costs points, as it does in the tables they stand for. `strict`
compares small letters without marks, which is near what the COCO server does with its tokeniser. METEOR and
SPICE, which need Java, are left out, as they are there. A row's own value is its ROUGE-L; BLEU belongs to
the set, and CIDEr takes its weights from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from vlmbench.answers.captions import CaptionScores, plain_words, rouge_l, score_captions
from vlmbench.answers.scores import score_of, unscored
from vlmbench.domain import Card, Metric, Response, Row, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import Scored, empty, metric
from .families.open_answers import OpenQuestions

QUESTION = (
    "Please describe this image in general. Directly provide the description, "
    'do not include prefix like "This image depicts". '
)
_HUNDRED = 100.0


@dataclass(frozen=True, slots=True)
class Captions(OpenQuestions):
    """A benchmark answered by a description."""

    levels: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = "points"

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One picture a row."""
        for sample in OpenQuestions.samples(self, rows):
            yield sample if sample.question else replace(sample, question=QUESTION)

    def problem_of(self, row: Row) -> str | None:
        """Every row has the same question; only its captions can be missing."""
        return None if self.references_of(row.cells) else "no caption to compare with: `answer` is empty"

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """The caption in the form it is compared in, and its ROUGE-L."""
        why_not = unscored(sample, response, rules)
        if why_not is not None:
            return score_of(sample, rules, None, None, why_not)
        caption = compared(response.text, rules)
        if rules == "strict" and not caption:
            return score_of(sample, rules, None, 0.0, "empty answer")
        return score_of(sample, rules, caption, rouge_l(caption, references_as(sample, rules)), "")

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """CIDEr, BLEU-4 to BLEU-1, ROUGE-L, all times 100. BLEU belongs to the whole set and has no error."""
        result = measured(rows, rules)
        count, unit = len(rows), self.unit
        bleu = [
            replace(empty(f"BLEU-{n}", "measure", unit=unit), value=score * _HUNDRED, n=count, rows=count)
            for n, score in reversed(list(enumerate(result.bleu, 1)))
        ]
        return [
            self._mean(self.headline, result.cider_rows, rows, "overall"),
            *bleu,
            self._mean("ROUGE-L", result.rouge_l_rows, rows, "measure"),
        ]

    def _mean(self, name: str, values: Sequence[float], rows: Sequence[Scored], level: str) -> Metric:
        estimate = mean_over(values, [row.draw for row in rows])
        return metric(name, estimate, level, rows=len(rows), scale=_HUNDRED, unit=self.unit)

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """That toolkit's figures."""
        result = measured(rows, rules)
        return {
            "Bleu": [score * _HUNDRED for score in result.bleu],
            "ROUGE_L": result.rouge_l * _HUNDRED,
            "CIDEr": result.cider * _HUNDRED,
        }


def compared(text: str, rules: RuleSet) -> str:
    """A text in the form it is compared in."""
    return plain_words(text) if rules == "strict" else text


def references_as(sample: Sample, rules: RuleSet) -> tuple[str, ...]:
    """The references in the same form."""
    return tuple(compared(text, rules) for text in sample.references)


def measured(rows: Sequence[Scored], rules: RuleSet) -> CaptionScores:
    """All measures over the rows that have a caption."""
    captions = tuple(compared(row.score.extracted or "", rules) for row in rows)
    return score_captions(captions, tuple(references_as(row.sample, rules) for row in rows))


BENCHMARKS = (
    Captions(
        Card(
            name="COCO_VAL",
            measures="how like people's captions a description is",
            family="caption",
            file=served("COCO_VAL", "72a5079dead060269ac222c5aa5128af"),
            licence="CC BY 4.0 (annotations); the pictures keep their Flickr licences",
            source="COCO team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/1504.00325",
            splits=("val",),
            rows=5000,
            quoted="CIDEr, times 100 (`CIDEr` of VLMEvalKit and of captioning papers)",
            record='{"index": 0, "answer": "[\'A man rides a wave.\', …]", "image": "/9j/4A…"}',
        ),
        headline="CIDEr",
    ),
)
