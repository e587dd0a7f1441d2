"""Every row as the page lists it: the question once, what each run said to it, and how that was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vlmbench.domain import RULE_SETS, Response, Sample, Score
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible
from vlmbench.report.page.chinese import reasons_in_chinese
from vlmbench.report.page.kept import answers_kept
from vlmbench.report.page.prompts import Prompts
from vlmbench.report.page.texts import NAME, limit_for, shown

TEXT = 4_000
"""Of a question, a hint or an option; the prompt has them too."""


class Pool:
    """Values that occur again and again, each written once and named by its number."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """Where the value stands in the list."""
        return self._places.setdefault(value, len(self._places))

    def values(self) -> list[Any]:
        """The list."""
        return list(self._places)


def question_rows(runs: Sequence[FinishedRun], prompts: Sequence[Prompts]) -> dict[str, Any]:
    """Rows in file order but groups together; verdicts, pictures and categories are named by number."""
    verdicts, pictures, categories = Pool(), Pool(), Pool()
    said = [_answers(run, verdicts) for run in runs]
    most = limit_for(len(p) for one in prompts for p in one.texts.values())
    rows = []
    samples = _together(_samples(runs))
    several = len({sample.split for sample in samples}) > 1
    for sample in samples:
        row = _question(sample, pictures)
        row["c"] = [categories.number(pair) for pair in _categories(sample, several)]
        row["a"] = [answers.get(sample.id) for answers in said]
        texts = [one.texts.get(sample.id) for one in prompts]
        row["m"] = [None if t is None else shown(t, most) for t in dict.fromkeys(texts)]
        rows.append(row)
    return {
        "rows": rows,
        "verdicts": verdicts.values(),
        "reasons": reasons_in_chinese(reason for _, _, reason, _ in verdicts.values()),
        "pictures": pictures.values(),
        "categories": categories.values(),
    }


def _samples(runs: Sequence[FinishedRun]) -> list[Sample]:
    """Every question that any run was asked, pictures from the run that has them."""
    ranked = sorted(runs, key=lambda run: run.questions.images is not None)
    found: dict[str, Sample] = {s.id: s for run in ranked for s in run.questions.samples}
    return list(found.values())


def _together(samples: Sequence[Sample]) -> list[Sample]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    return [sample for group in groups.values() for sample in group]


def _question(sample: Sample, pictures: Pool) -> dict[str, Any]:
    return {
        "id": visible(sample.id),
        "g": visible(sample.group),
        "q": shown(sample.question, TEXT),
        "h": shown(sample.hint or "", TEXT),
        "o": [[visible(letter, 20), shown(text, TEXT)] for letter, text in sample.choices.items()],
        "r": [visible(text) for text in sample.references[:20]],
        "p": [pictures.number(digest) for digest in sample.images],
        "x": visible(sample.problem or "", 1_000),
    }


def _categories(sample: Sample, several_splits: bool) -> Iterator[tuple[str, str]]:
    """Level and name, worded as the figures are, so that a figure can be led back to its rows."""
    if several_splits and sample.split is not None:
        yield "split", visible(sample.split, NAME)
    for level, name in sample.categories.items():
        yield visible(level), visible(name, NAME)


def _answers(run: FinishedRun, verdicts: Pool) -> Mapping[str, dict[str, Any]]:
    """By row: the text, why there is none, seconds, tokens, and by rule set the verdict, if there is one."""
    most = limit_for(len(r.text) for r in run.responses.values())
    scores: dict[str, dict[str, Score]] = {}
    for rules in RULE_SETS:
        for score in run.scores[rules]:
            scores.setdefault(score.id, {})[rules] = score
    kept = answers_kept(run)
    return {i: _answer(run.responses.get(i), scores[i], most, verdicts, kept=kept) for i in scores}


def _answer(
    response: Response | None, scores: Mapping[str, Score], most: int, verdicts: Pool, *, kept: bool
) -> dict[str, Any]:
    # What was answered and not kept is no error, and whether a row was one cannot be known any more.
    failed = kept and (response is None or response.finish == "error")
    return {
        "t": shown(response.text, most) if response else "",
        "e": visible((response.error if response else "not asked yet") or "error", 1_000) if failed else "",
        "s": response.seconds if response else None,
        "n": response.new_tokens if response else None,
        "l": response is not None and response.finish == "length",
        "v": [verdicts.number(_verdict(s)) if (s := scores.get(rules)) else None for rules in RULE_SETS],
    }


def _verdict(score: Score) -> tuple[Any, ...]:
    """What was found, what it is worth, why, and whether a judge said so."""
    found = None if score.extracted is None else visible(score.extracted)
    return (found, score.value, visible(score.reason), score.judged)
