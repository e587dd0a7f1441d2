"""COCO captions: five thousand photographs, described in a sentence.

Measures    how like people's captions a description is
Source      COCO team, file as VLMEvalKit serves it
Licence     CC BY 4.0 (annotations); the pictures keep their Flickr licences
Paper       arXiv 1504.00325
Splits      val
Rows        5000, with five captions each
Quoted      CIDEr times 100; BLEU-1 to BLEU-4 and ROUGE-L beside it

One raw record (there is no question column: every row is asked the same):

    index  answer                                              image
    0      ['A man rides a wave.', 'A surfer on a wave', …]    /9j/4A…

The compatible sets part words at blanks and nothing else, so a capital or a full stop costs points, as it
does in the tables they stand for. `strict` compares small letters without marks, which is near what the
COCO server does with its tokeniser. METEOR and SPICE, which need Java, are left out, as they are there.
A row's own value is its ROUGE-L; BLEU belongs to the set, and CIDEr takes its weights from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.answers.captions import CaptionScores, plain_words, rouge_l, score_captions
from vlmbench.answers.scores import references_of, score_of, unscored
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Card, DataFile, Decoding, Metric, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import prompt_style

from ._figures import Scored, empty, mean_over, metric, scored

QUESTION = (
    "Please describe this image in general. Directly provide the description, "
    'do not include prefix like "This image depicts". '
)
_HUNDRED = 100.0
_UNIT = "points"


@dataclass(frozen=True, slots=True)
class Captions:
    """A benchmark answered by a description."""

    card: Card

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One picture a row."""
        for row in rows:
            references = references_of(row.cells)
            yield Sample(
                id=row.index,
                question=row.cells.get("question", QUESTION),
                group=row.index,
                images=row.images,
                references=references,
                split=row.cells.get("split"),
                cells=row.cells,
                problem=row.problem
                or (None if references else "no caption to compare with: `answer` is empty"),
            )

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """The picture and the question, in every prompt style."""
        return prompt_style(style).request(sample, sample.question, self.card.family, decoding)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """The caption in the form it is compared in, and its ROUGE-L."""
        why_not = unscored(sample, response, rules)
        if why_not is not None:
            return score_of(sample, rules, None, None, why_not)
        caption = compared(response.text, rules)
        if rules == "strict" and not caption:
            return score_of(sample, rules, None, 0.0, "empty answer")
        return score_of(sample, rules, caption, rouge_l(caption, references_as(sample, rules)), "")

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """CIDEr, BLEU-4 to BLEU-1, ROUGE-L, all times 100."""
        rows = scored(samples, scores)
        if not rows:
            return [empty("CIDEr", unit=_UNIT)]
        result = measured(rows, rules)
        bleu = [
            Metric(
                name=f"BLEU-{n}",
                split=None,
                level="measure",
                value=result.bleu[n - 1] * _HUNDRED,
                n=len(rows),
                unit=_UNIT,
                rows=len(rows),
            )
            for n in (4, 3, 2, 1)
        ]
        return [
            _mean("CIDEr", result.cider_rows, rows, "overall"),
            *bleu,
            _mean("ROUGE-L", result.rouge_l_rows, rows, "measure"),
        ]

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """That toolkit's figures for these scores."""
        kept = {score.id for score in scores[rules]}
        seen = [sample for sample in samples_as_read(samples, rules) if sample.id in kept]
        result = measured(scored(seen, scores[rules]), rules)
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


def _mean(name: str, values: Sequence[float], rows: Sequence[Scored], level: str) -> Metric:
    estimate = mean_over(values, [row.picture for row in rows])
    return metric(name, estimate, level, rows=len(rows), scale=_HUNDRED, unit=_UNIT)


BENCHMARKS = (
    Captions(
        Card(
            name="COCO_VAL",
            measures="how like people's captions a description is",
            family="caption",
            file=DataFile(
                name="COCO_VAL.tsv",
                url="https://opencompass.openxlab.space/utils/VLMEval/COCO_VAL.tsv",
                md5=("72a5079dead060269ac222c5aa5128af",),
            ),
            licence="CC BY 4.0 (annotations)",
            source="COCO team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/1504.00325",
            splits=("val",),
            rows=5000,
            quoted="CIDEr, times 100 (`CIDEr` of VLMEvalKit and of captioning papers)",
            record='{"index": 0, "answer": "[\'A man rides a wave.\', …]", "image": "/9j/4A…"}',
        ),
    ),
)
