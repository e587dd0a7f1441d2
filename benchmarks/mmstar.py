"""MMStar: questions picked by hand so that none can be answered without its picture.

The paper's two measures come from three runs of one model family:

    gain        with pictures - without pictures
    leakage     max(0, without pictures - the language model alone)

`without pictures` is a `--blind` run here: a grey picture of the same size. The paper leaves the picture
out, which some models cannot do at all and others were never trained for. The options stand in the question
too, so most prompts show them twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmbench.answers.original.rules import read_mmstar
from vlmbench.domain import Card, Metric

from . import served
from .families.choice import MultipleChoice
from .families.figures import Scored, by, mean_figure, mean_figures
from .families.originals import RowByRow

FINAL = "final score"


def final_score(rows: Sequence[Scored]) -> list[Metric]:
    """The share of right rows, by category, and by what the file calls `l2_category`.

    The script divides by 250 a category and 1500 in all, whatever was answered; here the rows that have a
    value are counted, which is the same for the whole file.
    """
    table = mean_figures(rows, ("category",), FINAL)
    parts = by(rows, lambda row: _within(row.sample.cells))
    return [*table, *(mean_figure(part, name, "l2_category") for name, part in parts.items())]


def _within(cells: Mapping[str, str]) -> str | None:
    return f"{cells['category']}({cells['l2_category']})" if "l2_category" in cells else None


BENCHMARKS = (
    MultipleChoice(
        Card(
            name="MMStar",
            measures="six abilities, on questions that cannot be answered without the picture",
            family="multiple-choice",
            file=served("MMStar", "e1ecd2140806c1b1bbf54b43372efb9e"),
            licence="CC BY-NC-SA 4.0",
            source="Chen et al.; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2403.20330",
            rows=1500,
            original="MMStar-Benchmark/MMStar@88f243a eval/vlmeval/evaluate/mmstar.py",
            quoted="accuracy over rows (`Overall`, the authors' Avg.); gain and leakage beside a --blind run",
            record=(
                '{"index": 9, "question": "What is shown?\\nOptions: A: cat, B: dog", "A": "cat", '
                '"B": "dog", "answer": "B", "category": "coarse perception", "image": "/9j/4A…"}'
            ),
        ),
        original=RowByRow(read_mmstar, final_score, FINAL),
    ),
)
