"""ScienceQA: school science with a hint to read first; of three files one has questions without a picture.

Nobody serves ScienceQA_TEST_ALL.tsv; docs/predictions.md shows how to write it. Its index is the authors' own
number, a row without a picture has an empty `image` or `image_path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vlmbench.answers.original.rules import read_scienceqa
from vlmbench.domain import Card, DataFile, Metric, RuleSet, Sample, Score

from . import served
from .families.choice import LEVELS, MultipleChoice, row_units
from .families.figures import Scored, mean_figure, mean_figures
from .families.originals import RowByRow

IMG_ACCURACY = "IMG-Accuracy"
"""What LLaVA's script calls the accuracy over questions with a picture."""
BARE_ACCURACY = "accuracy without a picture"


@dataclass(frozen=True, slots=True)
class EveryQuestion(MultipleChoice):
    """All questions, and apart those with a picture and those without."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The headline counts every question; IMG-Accuracy those that have a picture."""
        headline, *others = MultipleChoice.metrics(self, samples, scores, rules)
        units = row_units(samples, scores)
        shown = [unit for unit in units if has_picture(unit.sample)]
        bare = [unit for unit in units if not has_picture(unit.sample)]
        parts = [mean_figure(shown, IMG_ACCURACY, "picture"), mean_figure(bare, BARE_ACCURACY, "picture")]
        return [headline, *parts, *others]


def has_picture(sample: Sample) -> bool:
    """Whether a question has one, also where its file is absent."""
    return bool(sample.images or sample.cells.get("image_path"))


def original_figures(rows: Sequence[Scored]) -> list[Metric]:
    """Both figures of LLaVA's script, then those of each kind."""
    headline, *others = mean_figures(rows, LEVELS, "accuracy")
    shown = [row for row in rows if has_picture(row.sample)]
    return [headline, mean_figure(shown, IMG_ACCURACY, "picture"), *others]


def _card(name: str, measures: str, file: DataFile, source: str, split: str, rows: int, quoted: str) -> Card:
    return Card(
        name=name,
        measures=f"{measures}: natural, social and language science",
        family="multiple-choice",
        file=file,
        licence="CC BY-NC-SA 4.0",
        source=source,
        paper="https://arxiv.org/abs/2209.09513",
        splits=(split,),
        rows=rows,
        original="haotian-liu/LLaVA@c121f04 llava/eval/eval_science_qa.py",
        quoted=quoted,
        record=(
            '{"index": 4, "question": "Which month is the hottest?", "hint": "Use the graph.", '
            '"A": "May", "B": "July", "answer": "B", "category": "Geography", '
            '"l2-category": "natural science", "split": "test", "image": "/9j/4A…"}'
        ),
    )


def _with_picture(split: str, md5: str, rows: int) -> MultipleChoice:
    name = f"ScienceQA_{split.upper()}"
    file = served(name, md5, under="benchmarks/ScienceQA")
    source = "Lu et al.; file layout of VLMEvalKit, questions with a picture only"
    quoted = "accuracy over rows (SQA of LLaVA-1.5's and XTuner's tables; `Overall` of VLMEvalKit)"
    return MultipleChoice(
        _card(name, "school science with a picture", file, source, split, rows, quoted),
        original=RowByRow(
            read_scienceqa, partial(mean_figures, levels=LEVELS, headline=IMG_ACCURACY), IMG_ACCURACY
        ),
    )


BENCHMARKS = (
    _with_picture("val", "96320d05e142e585e7204e72affd29f3", 2097),
    _with_picture("test", "e42e9e00f9c59a80d8a5db35bc32b71f", 2017),
    EveryQuestion(
        _card(
            "ScienceQA_TEST_ALL",
            "school science with and without a picture",
            DataFile(name="ScienceQA_TEST_ALL.tsv"),
            "Lu et al.; a TSV made of their problems.json",
            "test",
            4241,
            "accuracy over all questions (LLaVA-1's 90.9, the paper's); IMG-Accuracy as ScienceQA_TEST",
        ),
        original=RowByRow(read_scienceqa, original_figures),
    ),
)
