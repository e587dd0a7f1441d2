"""MMMU: college questions with pictures in the middle of the text; up to nine options, or none at all.

`<image N>` says where picture N belongs, in the question and in options. The style `vlmevalkit` puts it
there and shows no picture that no tag names, unless there is no tag at all. The LLaVA styles show the
pictures first and leave the tags in the text, as the wrappers they stand for do.

Open questions are part of the figure. Each rule set has its own way with them: `strict` compares what
the answer claims (`vlmbench/answers/mmmu.py`), the vlmevalkit sets ask for the gold text among two
options (`vlmbench/answers/mmmu.py`), and xtuner has none, so they are not scored there.

The test file has no answers. The authors published them on 12 February 2026 (MMMU-Benchmark/MMMU issue 79):
`vlmbench score --answers answer_dict_test.json` joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.choice import find_choice, score_choice
from vlmbench.answers.joined import WITHHELD
from vlmbench.answers.mmmu import as_choice_question, match_open_question
from vlmbench.answers.original import mmmu as mmmu_original
from vlmbench.answers.scores import score_open
from vlmbench.domain import (
    Card,
    DataFile,
    Decoding,
    Metric,
    Request,
    Response,
    Row,
    RuleSet,
    Sample,
    Score,
)
from vlmbench.prompts import prompt_style

from . import served
from .families.choice import LEVELS, MultipleChoice, problem_of, row_units, tabulate
from .families.figures import FigureUnit, by, check, mean_figure

_QUOTED_SPLIT = "validation"
PRINTED = 3
"""Decimals that the authors' script prints."""


@dataclass(frozen=True, slots=True)
class MMMU(MultipleChoice):
    """Multiple choice with pictures in place, and open questions among it."""

    def asked(self, rows: Iterable[Row]) -> Iterable[Row]:
        """All rows; a question mark, which stood in the test set in place of its answers, is none."""
        for row in rows:
            withheld = row.cells.get("answer") == WITHHELD
            cells = {name: text for name, text in row.cells.items() if name != "answer"}
            yield replace(row, cells=cells) if withheld else row

    def problem_of(self, row: Row, choices: Mapping[str, str]) -> str | None:
        """A question without options is an open one. The figure rests on the split, so that must be known."""
        split = row.cells.get("split")
        if split is not None and split not in self.card.splits:
            return f"its split `{split}` is not one of {', '.join(self.card.splits)}"
        return problem_of(row, choices) if choices else row.problem

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """The worded question; in most styles each picture stands where its tag does."""
        return prompt_style(style).request(sample, self.card, decoding, tagged=True)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """A letter where there are options; the rule set's way with open answers elsewhere."""
        if rules in ("strict", "xtuner"):
            if sample.choices:
                return score_choice(sample, response, rules)
            return score_open(sample, response, rules, match_open_question)
        return score_choice(as_choice_question(sample) if sample.references else sample, response, rules)

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """Which option does the answer mean? Open questions have options under the vlmevalkit sets only."""
        return MultipleChoice.judge_request(self, _as_judged(sample, rules), response, rules)

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """Right when the judge names the reference."""
        return MultipleChoice.score_judged(self, _as_judged(sample, rules), response, reply, rules)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """Accuracy on `validation` first, with its subjects; then each split."""
        return quoted_first(row_units(samples, scores))

    def submission(
        self, samples: Sequence[Sample], answers: Mapping[str, str], rules: RuleSet
    ) -> dict[str, str | bool]:
        """What the authors' server took: by `id`, the letter found or the raw text of an open answer.

        `false` where no letter was found, as the toolkit writes it whose files the server knew.
        """
        return {s.cells.get("id", s.id): _submitted(s, answers.get(s.id, ""), rules) for s in samples}


@dataclass(frozen=True, slots=True)
class MmmuEvaluator:
    """Their evaluator: it draws an option where it finds none, so it reads all answers in one go."""

    def scores(self, samples: Sequence[Sample], responses: Sequence[Response]) -> list[Score]:
        """One score a sample, in the order of the samples."""
        return mmmu_original.scores(samples, responses)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
        """Accuracy on `validation`, as printed, and how many rows of it were drawn; then the rest."""
        units = row_units(samples, scores)
        headline, *others = quoted_first(units)
        if headline.value is None:
            return [headline]
        printed = replace(headline, name="Overall", level="printed", value=round(headline.value, PRINTED))
        kept = {unit.sample.id for unit in quoted(units)}
        drawn = sum(score.reason == mmmu_original.DRAWN and score.id in kept for score in scores)
        count = check(mmmu_original.DRAWN, drawn, headline.n, "rows")
        return [headline, printed, count, *others]


def quoted(units: Sequence[FigureUnit]) -> Sequence[FigureUnit]:
    """The rows of `validation`; all of them where there are none."""
    return [u for u in units if u.sample.split == _QUOTED_SPLIT] or units


def quoted_first(units: Sequence[FigureUnit]) -> list[Metric]:
    """Accuracy on `validation`, then each split if there are several, then the subjects of `validation`.

    Last, how many rows are of no split, where the accuracy on `validation` does not count them.
    """
    rows = quoted(units)
    headline, *levels = tabulate(rows, LEVELS, headline="accuracy")
    if len(rows) == len(units):
        return [headline, *levels]
    splits = by(units, lambda unit: unit.sample.split)
    by_split = [mean_figure(part, name, "split") for name, part in splits.items()]
    lost = sum(u.sample.split is None for u in units)
    outside = [check("rows of no split", lost, len(units), "rows")] if lost else []
    return [headline, *by_split * (len(splits) > 1), *levels, *outside]


def _as_judged(sample: Sample, rules: RuleSet) -> Sample:
    return as_choice_question(sample) if rules != "strict" and sample.references else sample


def _submitted(sample: Sample, answer: str, rules: RuleSet) -> str | bool:
    if not sample.choices:
        return answer
    return find_choice(rules, answer, sample.choices).letter or False


def _mmmu(
    name: str, *md5: str, rows: int, splits: tuple[str, ...], answers_file: DataFile | None = None
) -> MMMU:
    return MMMU(
        Card(
            name=name,
            measures="college questions of thirty subjects, pictures in the middle of the text",
            family="multiple-choice",
            file=served(name, *md5),
            licence="Apache-2.0 (annotations); the pictures keep the licences of their sources",
            source="Yue et al.; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2311.16502",
            splits=splits,
            rows=rows,
            answers=answers_file is None,
            answers_file=answers_file,
            original="MMMU-Benchmark/MMMU@bb0b95a mmmu/main_parse_and_eval.py",
            quoted="accuracy over rows of validation (the authors' Overall; XTuner's MMMU Val)"
            if answers_file is None
            else "accuracy over rows (the authors' Overall)",
            record=(
                '{"index": 5, "id": "validation_Art_5", "question": "Who painted <image 1>?", '
                '"A": "<image 2>", "B": "Goya", "answer": "B", "category": "Art", '
                '"l2-category": "Art & Design", "split": "validation", "image": "[\'/9j/4A…\', \'/9j/4A…\']"}'
            ),
        ),
        original=MmmuEvaluator(),
    )


_TEST_ANSWERS = DataFile(
    name="answer_dict_test.json",
    url="https://github.com/MMMU-Benchmark/MMMU/blob/main/mmmu/answer_dict_test.json",
)

BENCHMARKS = (
    _mmmu(
        "MMMU_DEV_VAL",
        "585e8ad75e73f75dcad265dfd0417d64",
        "521afc0f3bf341e6654327792781644d",
        rows=1050,
        splits=("dev", "validation"),
    ),
    _mmmu(
        "MMMU_TEST",
        "c19875d11a2d348d07e5eb4bdf33166d",
        rows=10500,
        splits=("test",),
        answers_file=_TEST_ANSWERS,
    ),
)
