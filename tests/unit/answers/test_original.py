"""The rule set `original` where its authors' scripts would draw, stop, or need what is not there."""

from __future__ import annotations

from collections.abc import Sequence

from open_rows import row

from vlmbench.answers.judge import AWAITS_JUDGE
from vlmbench.answers.original import NONE_PUBLISHED, figures_under, scores_under
from vlmbench.answers.original.mmmu import DRAWN
from vlmbench.domain import Metric, Response, Row, Score
from vlmbench.registry import load_benchmark

WORTHLESS = "hard to say"
SUBJECTS = ("Biology", "Art", "Music", "Math", "Physics", "Design")


def scored(name: str, rows: Sequence[Row], said: Sequence[str | None]) -> tuple[list[Score], list[Metric]]:
    """Scores and figures of a benchmark's rows; None stands for a request that failed."""
    benchmark = load_benchmark(name)
    samples = list(benchmark.samples(rows))
    responses = [
        Response(id=s.id, text=text or "", finish="error" if text is None else "stop")
        for s, text in zip(samples, said, strict=True)
    ]
    scores = scores_under(benchmark, samples, responses, "original")
    return scores, figures_under(benchmark, samples, scores, "original")


def mmmu_rows(split: str = "validation") -> list[Row]:
    """Two questions of some subjects, in no order."""
    options = {letter: f"thing {letter}" for letter in "ABCDEFGHI"}
    return [
        Row(index=index, cells={"id": index, "answer": "A", "category": subject, "split": split, **options})
        for subject in SUBJECTS
        for index in (f"{split}_{subject}_10", f"{split}_{subject}_9")
    ]


def letters(rows: Sequence[Row], said: Sequence[str | None]) -> dict[str, str | None]:
    return {score.id: score.extracted for score in scored("MMMU_DEV_VAL", rows, said)[0]}


def test_mmmu_draws_by_subject_and_number_whatever_the_order_of_the_file() -> None:
    rows = mmmu_rows()
    said = [WORTHLESS] * len(rows)
    assert letters(rows, said) == letters(rows[::-1], said)
    scores, figures = scored("MMMU_DEV_VAL", rows, said)
    assert {score.reason for score in scores} == {DRAWN}
    assert next(f.value for f in figures if f.name == DRAWN) == len(rows)


def test_mmmu_draws_nothing_for_answers_that_are_not_there() -> None:
    rows = sorted(mmmu_rows(), key=lambda r: (r.cells["category"], int(r.index.rpartition("_")[2])))
    drawn = list(letters(rows, [WORTHLESS] * len(rows)).values())
    found = letters(rows, [None, *[WORTHLESS] * (len(rows) - 1)])
    assert list(found.values()) == [None, *drawn[:-1]]


def test_mmmu_begins_anew_with_each_split() -> None:
    dev, validation = mmmu_rows("dev"), mmmu_rows("validation")
    both = list(letters([*dev, *validation], [WORTHLESS] * 2 * len(dev)).values())
    assert both[: len(dev)] == both[len(dev) :]


def test_withheld_references_leave_the_letter_without_a_value() -> None:
    rows = [Row(index="test_Art_1", cells={"A": "x", "B": "y", "category": "Art", "split": "test"})]
    (score,), _ = scored("MMMU_TEST", rows, ["(B)"])
    assert (score.extracted, score.value) == ("B", None)


def test_a_category_of_mme_needs_two_questions_a_picture() -> None:
    rows = [row(i, "p", answer="Yes", category="OCR", image_path="p.jpg") for i in range(3)]
    _, figures = scored("MME", rows, ["yes"] * 3)
    assert [figure.value for figure in figures] == [None] * 3
    _, figures = scored("MME", rows[:2], ["yes", "no"])
    assert figures[-1].name == "OCR"
    assert figures[-1].value == 50


def test_an_answer_with_a_line_break_is_read_by_mme_all_the_same() -> None:
    rows = [row(i, "p", answer="Yes", category="OCR", image_path="p.jpg") for i in range(2)]
    scores, _ = scored("MME", rows, ["Yes\nIt is.", "\n\n\n\nyes"])
    assert [score.extracted for score in scores] == ["Yes", None]


def test_pope_has_no_f1_where_its_script_divides_by_zero() -> None:
    rows = [row(i, "p", answer="Yes", category=c) for i, c in enumerate(("adversarial", "popular", "random"))]
    _, (headline, *others) = scored("POPE", rows, ["no", "yes", "yes"])
    assert headline.value is None
    assert {f.name: f.value for f in others if f.name.endswith("F1")} == {
        "adversarial F1": None,
        "popular F1": 1,
        "random F1": 1,
    }


def test_hallusionbench_has_no_figure_without_judgments() -> None:
    rows = [row("VD_illusion_1_0_0_0", "p", answer="Yes", category="VD")]
    scores, figures = scored("HallusionBench", rows, ["Yes"])
    assert [(score.value, score.reason) for score in scores] == [(None, AWAITS_JUDGE)]
    assert [figure.value for figure in figures] == [None]


def test_ai2d_has_no_value_because_its_authors_published_no_evaluator() -> None:
    rows = [row("1", "p", A="x", B="y", answer="A")]
    scores, figures = scored("AI2D_TEST", rows, ["A"])
    assert [(score.value, score.reason) for score in scores] == [(None, NONE_PUBLISHED)]
    assert [figure.value for figure in figures] == [None]
