"""The stage between answers and figures where a stored file holds what a judge made of the answers.

A sibling of the live judge with the same `settle`. Judgments come first; a live judge reads what they lack.
Where rules come first, only rows in which they find nothing are looked up; the authors' own evaluators
(`original`) take a stored judgment wherever there is one. `xtuner` never had a judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.judge import NONE_MEANT
from vlmbench.answers.original import original_of
from vlmbench.answers.yes_no import OPPOSITE
from vlmbench.domain import RULE_SETS, Benchmark, Response, RuleSet, Sample, Score, StoredJudging
from vlmbench.engine.judging import can_be_judged

FROM_FILE = "a stored judgment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What a file holds about one answer."""

    words: str | None = None
    """The judge's words, an extract or a grade: read as a reply of a live judge would be."""
    right: bool | None = None
    """Its verdict, where the file has one."""
    authors: str | None = None
    """What the authors' own evaluator reads; None: `words`."""
    by_toolkit: bool = False
    """The verdict is the toolkit's, not a judge's: by rules, a draw, or 0 for a missing reply. Its rule
    sets count that, `strict` does not."""


class Judgments:
    """Judgments by sample id, and how many rows rest on them."""

    def __init__(self, file: str, digest: str, judge: str | None, rows: Mapping[str, Judgment]) -> None:
        self._file, self._digest, self._judge, self._judgments = file, digest, judge, rows
        self._rows: dict[RuleSet, int] = {}

    def settle(
        self,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        responses: Sequence[Response],
        scores: Sequence[Score],
        rules: RuleSet,
    ) -> list[Score]:
        """The scores with every row that the file decides. All four are in the same order."""
        settled = [
            self._settled(benchmark, sample, response, score, rules)
            for sample, response, score in zip(samples, responses, scores, strict=True)
        ]
        self._rows[rules] = sum(score.judged for score in settled)
        return settled

    def tally(self) -> StoredJudging:
        """Whose judgments they are, and what rests on them."""
        return StoredJudging(
            file=self._file,
            sha256=self._digest,
            judge=self._judge,
            judgments=len(self._judgments),
            rows={rules: self._rows.get(rules, 0) for rules in RULE_SETS},
        )

    def _settled(
        self, benchmark: Benchmark, sample: Sample, response: Response, score: Score, rules: RuleSet
    ) -> Score:
        judgment = self._judgments.get(sample.id)
        if judgment is None or response.finish == "error" or not sample.references:
            return score
        if rules == "original":
            return _as_authors(benchmark, sample, score, judgment)
        if score.extracted is not None or rules == "xtuner" or not can_be_judged(benchmark):
            return score
        ways = list(_ways(benchmark, sample, response, judgment, rules))
        read = (replace(way, judged=True) for way in ways if way.extracted is not None)
        return next(read, ways[0] if ways else score)


def _as_authors(benchmark: Benchmark, sample: Sample, score: Score, judgment: Judgment) -> Score:
    read = getattr(original_of(benchmark), "score_judged", None)
    words = judgment.words if judgment.authors is None else judgment.authors
    if read is None or words is None:
        return score
    judged: Score = read(sample, words)
    return replace(judged, judged=True, reason=judged.reason or FROM_FILE)


def _ways(
    benchmark: Benchmark, sample: Sample, response: Response, judgment: Judgment, rules: RuleSet
) -> Iterator[Score]:
    """The readings of a judgment, the preferred one first.

    Toolkits keep the verdict; `strict` reads the judge's words again, and takes a verdict without words.
    """
    strict = rules == "strict"
    words = "" if strict and judgment.by_toolkit else judgment.words
    if judgment.right is not None and not strict:
        yield _verdict(sample, rules, judgment.right)
    if words is not None and can_be_judged(benchmark):
        reply = Response(id=sample.id, text=words, finish="stop")
        score = benchmark.score_judged(sample, response, reply, rules)
        yield score if score.extracted is None else replace(score, reason=FROM_FILE)
    elif judgment.right is not None and strict and not judgment.by_toolkit:
        yield _verdict(sample, rules, judgment.right)


def _verdict(sample: Sample, rules: RuleSet, right: bool) -> Score:
    """A row that is known to be right or wrong; its extracted answer follows from that as far as it can."""
    reference = sample.references[0]
    wrong = OPPOSITE.get(reference.strip().capitalize(), NONE_MEANT)
    return Score(
        id=sample.id,
        group=sample.group,
        rules=rules,
        extracted=reference if right else wrong,
        value=float(right),
        reason=FROM_FILE,
    )
