"""HallusionBench: statements about illusions, charts, maps and film strips, in sets that belong together.

The index is six parts: category, subcategory, whether there is a picture, set, figure, question.

    aAcc   share of right answers
    fAcc   share of figures with every question about them right
    qAcc   share of questions right for every figure of their set

A subcategory with an underscore moves the parts: the compatible rules count from the front, `strict` from
the end. fAcc and qAcc are not the official ones, which want the rows without a picture right as well: 178
of the 1129 rows in the file, left out here as VLMEvalKit does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.answers.judge import AWAITS_JUDGE
from vlmbench.answers.original.judged import judged_hallusionbench, read_hallusionbench, without_picture
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Card, Metric, Row, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import empty, linearised, metric, percent
from .families.open_answers import LEVELS, YesNo
from .families.originals import FromJudgments

PARTS = 6
CHANGED = "2"
"""The third part of an index whose picture was changed."""
NAMES = ("aAcc", "fAcc", "qAcc")
MEAN = "mean of aAcc, fAcc, qAcc"


@dataclass(frozen=True, slots=True)
class IndexParts:
    """The parts of an index that name set, figure and question."""

    l2: str
    set_: str
    figure: str
    question: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, where it stands, and what its answer is worth if that is known."""

    sample: Sample
    place: IndexParts | None
    value: float | None

    @property
    def cluster(self) -> Hashable:
        """The figures of a set are changes to one picture: a set is one draw."""
        return (self.place.l2, self.place.set_) if self.place else self.sample.id


@dataclass(frozen=True, slots=True)
class HallusionBench(YesNo):
    """Yes/no questions counted by answer, by figure and by question."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """The questions about a picture."""
        return YesNo.samples(self, (row for row in rows if not is_text_only(row)))

    def left_out(self, rows: Iterable[Row]) -> int:
        """How many questions are asked without a picture, which these figures do not count."""
        return sum(map(is_text_only, rows))

    def group_of(self, row: Row) -> str:
        """A set is asked together, or neither figure nor question would be whole under `--limit`."""
        place = place_of(row.index, row.cells, "strict")
        return f"{place.l2} {place.set_}" if place else row.index

    def problem_of(self, row: Row) -> str | None:
        """As for any yes/no question; the index must name set, figure and question."""
        if place_of(row.index, row.cells, "strict") is None:
            return f"the index `{row.index[:60]}` is not six parts joined by `_`, such as VD_illusion_1_0_0_0"
        return YesNo.problem_of(self, row)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """aAcc, the mean of the three, fAcc, qAcc; then the three by category."""
        rows = answered(samples, scores, rules)
        if all(row.value is None for row in rows):
            return [empty(self.headline)]
        over_all, figures, questions = three_figures(rows, "overall")
        table = [over_all, mean_of_three(rows), figures, questions]
        for level in reversed(LEVELS):
            for name, part in by_level(rows, level).items():
                table += three_figures(part, level, f"{name} ")
        return table

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """A line over all, one a category, one an l2 category; in percent, sorted by name."""
        rows = answered(samples_as_read(samples, rules), scores[rules], rules)
        parts = [item for level in LEVELS for item in by_level(rows, level).items()]
        return {
            "records": [
                record("Overall", rows),
                *(record(*part) for part in sorted(parts, key=lambda p: p[0])),
            ]
        }


def is_text_only(row: Row) -> bool:
    """Whether the question goes without a picture: the index has 0 before set, figure and question."""
    return not row.images and row.index.split("_")[-4:-3] == ["0"]


@dataclass(frozen=True, slots=True)
class HallusionBenchEvaluator(FromJudgments):
    """Their evaluator, from GPT-4's judgments of the answers."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
        """aAcc; then the leaderboard's qAcc, fAcc and what it calls easy and hard aAcc; then by category.

        Easy and hard are counted by question like qAcc, over the rows whose picture is not changed, or is.
        """
        rows = answered(samples, scores, "original")
        waiting = any(score.value is None and score.reason == AWAITS_JUDGE for score in scores)
        if waiting or all(row.value is None for row in rows):
            return [empty(self.headline)]
        table = authors_figures(rows, "overall")
        for name, part in by_level(rows, "category").items():
            table += authors_figures(part, "category", f"{name} ")
        return table


def authors_figures(rows: Sequence[Answered], level: str, prefix: str = "") -> list[Metric]:
    """aAcc, qAcc, fAcc, easy, hard."""
    changed = [row for row in rows if visual_input(row.sample.id) == CHANGED]
    kept = [row for row in rows if visual_input(row.sample.id) != CHANGED]
    shown = [row for row in rows if not without_picture(row.sample.id)]
    units = {
        "aAcc": units_of(rows, "aAcc"),
        "qAcc": units_of(rows, "qAcc"),
        "fAcc": units_of(shown, "fAcc"),
        "easy aAcc": units_of(kept, "qAcc"),
        "hard aAcc": units_of(changed, "qAcc"),
    }
    scored = sum(row.value is not None for row in rows)
    return [_figure(part, prefix + name, level, scored) for name, part in units.items()]


def visual_input(index: str) -> str:
    """0: no picture; 1: the picture as it was; 2: a changed one."""
    return index.split("_")[-4]


def place_of(index: str, cells: Mapping[str, str], rules: RuleSet) -> IndexParts | None:
    """The place an index names; None if it is not of six parts."""
    parts = index.split("_")
    if len(parts) < PARTS:
        return None
    from_end = rules in ("strict", "original")
    set_, figure, question = parts[-3:] if from_end else parts[3:6]
    return IndexParts(cells.get("l2-category") or "_".join(parts[:-4]), set_, figure, question)


def answered(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Answered]:
    """Every question with its place."""
    pairs = zip(samples, scores, strict=True)
    return [Answered(s, place_of(s.id, s.cells, rules), score.value) for s, score in pairs]


def by_level(rows: Iterable[Answered], level: str) -> dict[str, list[Answered]]:
    """Rows by category, sorted by its name."""
    parts: dict[str, list[Answered]] = {}
    for row in rows:
        if level in row.sample.categories:
            parts.setdefault(row.sample.categories[level], []).append(row)
    return dict(sorted(parts.items()))


Units = list[tuple[Hashable, float]]
"""What is counted once: the set it belongs to, and its value."""


def units_of(rows: Iterable[Answered], name: str) -> Units:
    """Answers (aAcc), or figures (fAcc), or questions (qAcc), as far as their value is known."""
    if name == "aAcc":
        return [(row.cluster, row.value) for row in rows if row.value is not None]
    groups: dict[tuple[str, str, str], list[Answered]] = {}
    for row in rows:
        if row.place is not None:
            own = row.place.figure if name == "fAcc" else row.place.question
            groups.setdefault((row.place.l2, row.place.set_, own), []).append(row)
    values = [(part[0].cluster, all_right([row.value for row in part])) for part in groups.values()]
    return [(cluster, value) for cluster, value in values if value is not None]


def all_right(values: Sequence[float | None]) -> float | None:
    """1 when every value is 1, 0 as soon as one is not; None while one that is missing decides."""
    if any(value is not None and value < 1 for value in values):
        return 0.0
    return None if None in values else 1.0


def three_figures(rows: Sequence[Answered], level: str, prefix: str = "") -> list[Metric]:
    """aAcc, fAcc, qAcc."""
    scored = sum(row.value is not None for row in rows)
    return [_figure(units_of(rows, name), prefix + name, level, scored) for name in NAMES]


def mean_of_three(rows: Sequence[Answered]) -> Metric:
    """The leaderboard's figure. The three rest on the same sets, whose effects on them are added."""
    each = [units_of(rows, name) for name in NAMES]
    if not all(each):
        return empty(MEAN)
    means = [sum(value for _, value in units) / len(units) for units in each]
    effects = [
        (value - mean) / len(units) / len(each)
        for units, mean in zip(each, means, strict=True)
        for _, value in units
    ]
    clusters = [cluster for units in each for cluster, _ in units]
    estimate = linearised(sum(means) / len(each), effects, clusters)
    return metric(MEAN, estimate, rows=len(each[0]))


def record(name: str, rows: Sequence[Answered]) -> dict[str, object]:
    """A line of that toolkit's table."""
    line: dict[str, object] = {"split": name}
    for column in NAMES:
        units = units_of(rows, column)
        line[column] = percent(sum(value for _, value in units), len(units))
    return line


def _figure(units: Units, name: str, level: str, rows: int) -> Metric:
    if not units:
        return empty(name, level)
    return metric(name, mean_over([v for _, v in units], [c for c, _ in units]), level, rows=rows)


BENCHMARKS = (
    HallusionBench(
        Card(
            name="HallusionBench",
            measures="whether the picture is believed, or what is known by heart",
            family="yes-no",
            file=served("HallusionBench", "0c23ac0dc9ef46832d7a24504f2a0c7c"),
            licence="BSD-3-Clause",
            source="HallusionBench team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2310.14566",
            rows=951,
            original="tianyi-lab/HallusionBench@744007c evaluation.py, from stored judgments of GPT-4",
            quoted="aAcc (XTuner's tables); OpenVLM's leaderboard quotes the mean of aAcc, fAcc and qAcc",
            record='{"index": "VD_illusion_1_0_0_0", "category": "VD", "l2-category": "VD_illusion", '
            '"question": "Are the two lines parallel?", "answer": "Yes", "image": "/9j/4A…"}',
        ),
        original=HallusionBenchEvaluator(read_hallusionbench, headline="aAcc", judged=judged_hallusionbench),
        headline="aAcc",
    ),
)
