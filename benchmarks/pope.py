"""POPE: is there such a thing in the picture? Half the things asked for are not.

Absent objects are drawn at random, by frequency (popular), or by the company they keep (adversarial):
splits whose names stand in `category`, joined by commas where a question is in several. So 5127 questions
stand for about 9000. Under the compatible rules every figure counts a question once for each split it is
in, the overall ones too, as VLMEvalKit does. `strict` counts it once in the overall figures. Undecided
counts as not Yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.original.rules import read_pope
from vlmbench.answers.yes_no import YES
from vlmbench.domain import Card, Metric, RuleSet
from vlmbench.stats import mean_over

from . import served
from .families.figures import Scored, check, empty, linearised, metric
from .families.open_answers import YesNo, accuracy_percent
from .families.originals import RowByRow

SPLITS = ("adversarial", "popular", "random")
MEAN = "mean F1 of the splits"


@dataclass(frozen=True, slots=True)
class Pope(YesNo):
    """Yes/no questions with F1 of Yes, by split and over all."""

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """The mean of the splits' F1, over all, then each split; over all first where papers quote that.

        VLMEvalKit's tables quote F1 over all, and a file without the three splits has no mean.
        """
        parts = by_split(rows)
        overall = four_figures(rows if rules == "strict" else exploded(rows), "overall")
        mean = mean_of_splits(parts)
        first = [mean, *overall] if rules == "strict" and mean.value is not None else [*overall, mean]
        by_name = [figure for name, part in parts.items() for figure in four_figures(part, "split", name)]
        return [*first, *by_name, *outside(rows, parts)]

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """One line over all and one a split, in percent."""
        lines = [record("Overall", exploded(rows))]
        return {"records": lines + [record(name, part) for name, part in by_split(rows).items()]}


def splits_of(row: Scored) -> list[str]:
    """The splits a question is in."""
    return row.sample.categories.get("category", "").split(",")


def exploded(rows: Sequence[Scored]) -> list[Scored]:
    """Each row once for every split it is in, and once if it names none."""
    return [row for row in rows for _ in splits_of(row)]


def by_split(rows: Sequence[Scored]) -> dict[str, list[Scored]]:
    """The rows of each split, sorted by its name. A name that POPE does not have makes a split of its own."""
    names = sorted({name for row in rows for name in splits_of(row) if name})
    return {name: [row for row in rows if name in splits_of(row)] for name in names}


def says_yes(row: Scored) -> bool:
    """Whether the answer is Yes; an undecided one is not."""
    return row.score.extracted == YES


def is_yes(row: Scored) -> bool:
    """Whether the reference is Yes."""
    return row.sample.references[0].strip().capitalize() == YES


def four_figures(rows: Sequence[Scored], level: str, split: str | None = None) -> list[Metric]:
    """F1, accuracy, precision, recall; of a split under its name."""
    prefix = f"{split} " if split else ""
    found = [row for row in rows if says_yes(row)]
    there = [row for row in rows if is_yes(row)]
    return [
        _f1(rows, prefix + "F1", level, split),
        _share(prefix + "accuracy", [(row, row.value) for row in rows], level, split),
        _share(prefix + "precision", [(row, float(is_yes(row))) for row in found], level, split),
        _share(prefix + "recall", [(row, float(says_yes(row))) for row in there], level, split),
    ]


def f1_effects(rows: Sequence[Scored]) -> tuple[float, list[float]]:
    """F1 (twice the true Yes over the answered and the actual Yes), and how much each row moves it."""
    true = [2.0 * (says_yes(row) and is_yes(row)) for row in rows]
    weight = [float(says_yes(row)) + float(is_yes(row)) for row in rows]
    total = sum(weight)
    value = sum(true) / total if total else 0.0
    return value, [(t - value * w) / total if total else 0.0 for t, w in zip(true, weight, strict=True)]


def mean_of_splits(parts: dict[str, list[Scored]]) -> Metric:
    """The mean of the three splits' F1; empty unless all three are there."""
    if any(split not in parts for split in SPLITS):
        return empty(MEAN)
    each = [(parts[split], *f1_effects(parts[split])) for split in SPLITS]
    value = sum(part_value for _, part_value, _ in each) / len(each)
    effects = [effect / len(each) for _, _, part_effects in each for effect in part_effects]
    clusters = [row.draw for part, _, _ in each for row in part]
    return metric(MEAN, linearised(value, effects, clusters), rows=len(clusters))


def outside(rows: Sequence[Scored], parts: dict[str, list[Scored]]) -> list[Metric]:
    """How many questions are in none of the three splits, so that their mean does not count them."""
    inside = {row.sample.id for split in SPLITS for row in parts.get(split, ())}
    count = sum(row.sample.id not in inside for row in rows)
    return [check("questions in none of the splits", count, len(rows), "questions")] if count else []


def figures_of_its_authors(rows: Sequence[Scored]) -> list[Metric]:
    """What LLaVA quotes, the mean of the splits' F1; then what both scripts print of each split.

    Where a split has no F1 because they divide by zero, there is no mean either.
    """
    parts = by_split(rows)
    stops = any(f1_as_printed(part) is None for part in parts.values())
    table = [empty(MEAN) if stops else mean_of_splits(parts)]
    for name, part in parts.items():
        f1, *others = four_figures(part, "split", name)
        ratio = _share(f"{name} yes ratio", [(row, float(says_yes(row))) for row in part], "split", name)
        exact = f1_as_printed(part)
        f1 = empty(f1.name, "split", name) if exact is None else replace(f1, value=exact)
        table += [f1, *others, ratio]
    return [*table, *outside(rows, parts)]


def f1_as_printed(rows: Sequence[Scored]) -> float | None:
    """F1 to the last bit as the scripts compute it; None where they divide by zero."""
    true = sum(says_yes(row) and is_yes(row) for row in rows)
    if not true:
        return None
    precision, recall = true / sum(map(says_yes, rows)), true / sum(map(is_yes, rows))
    return 2 * precision * recall / (precision + recall)


def record(name: str, rows: Sequence[Scored]) -> dict[str, object]:
    """A line of that toolkit's table. Ratios over nothing are 0 there, and F1 is called Overall."""
    hits = sum(says_yes(row) and is_yes(row) for row in rows)
    answered, actual = sum(map(says_yes, rows)), sum(map(is_yes, rows))
    precision = hits / answered if answered else 0
    recall = hits / actual if actual else 0
    both = 2 * (precision * recall) / (precision + recall) if hits else 0
    return {
        "split": name,
        "Overall": both * 100,
        "acc": accuracy_percent(rows),
        "precision": precision * 100,
        "recall": recall * 100,
    }


def _f1(rows: Sequence[Scored], name: str, level: str, split: str | None) -> Metric:
    if not any(says_yes(row) or is_yes(row) for row in rows):
        return empty(name, level, split)
    value, effects = f1_effects(rows)
    return metric(name, linearised(value, effects, [row.draw for row in rows]), level, split, rows=len(rows))


def _share(name: str, pairs: Sequence[tuple[Scored, float]], level: str, split: str | None) -> Metric:
    if not pairs:
        return empty(name, level, split)
    estimate = mean_over([value for _, value in pairs], [row.draw for row, _ in pairs])
    return metric(name, estimate, level, split, rows=len(pairs))


BENCHMARKS = (
    Pope(
        Card(
            name="POPE",
            measures="whether a model sees objects that are not there",
            family="yes-no",
            file=served("POPE", "c12f5acb142f2ef1f85a26ba2fbe41d5"),
            licence="MIT (annotations); the pictures keep their Flickr licences",
            source="POPE team, pictures of COCO val2014; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2305.10355",
            splits=SPLITS,
            rows=5127,
            original="RUCAIBox/POPE@3df3ba1 evaluate.py, the same as "
            "haotian-liu/LLaVA@c121f04 llava/eval/eval_pope.py",
            quoted="mean of the three splits' F1 (LLaVA's tables); VLMEvalKit's: F1 over all (`Overall`)",
            record='{"index": 1, "question": "Is there a dog in the image?", "answer": "Yes", '
            '"category": "adversarial,popular,random", "image": "/9j/4A…"}',
        ),
        original=RowByRow(read_pope, figures_of_its_authors, MEAN),
        headline=MEAN,
    ),
)
