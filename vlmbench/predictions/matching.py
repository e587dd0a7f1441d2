"""Which answer belongs to which question: exactly one row each, or a PredictionsError with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.domain import Card, Sample
from vlmbench.predictions import match_errors
from vlmbench.predictions.files import listed
from vlmbench.predictions.match_errors import counted
from vlmbench.predictions.nouns import Answers, StoredAnswer
from vlmbench.predictions.ways import Way, agrees, plain, ways

Cards = Callable[[], Iterable[Card]]

MOST_REWORDED = 0.05
"""Of the questions that can be compared; beyond it the ids are taken for another benchmark's or version's."""

LARGER = {"ScienceQA_TEST": 4241, "SEEDBench_IMG": 19242, "HallusionBench": 1129}
"""Answers in the files to all questions, those without a picture and on videos too, of which the benchmark
asks a part. SEED-Bench has one question twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The answer to each question, and how the two were matched."""

    path: Path
    format: str
    used: str
    """Which part of the file is taken for the model's words."""
    rows: int
    """Answers in the file."""
    by: str
    """The way in which answers found their rows."""
    texts: Mapping[str, str]
    """By sample id. A null or an empty cell is the empty text; a question without a row is absent."""
    samples: tuple[Sample, ...]
    """The questions that the file is about: all, but for splits it leaves out as a whole."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know of the file."""

    def facts(self) -> dict[str, Any]:
        """For results documents."""
        return {
            "format": self.format,
            "used": self.used,
            "rows": self.rows,
            "matched_by": self.by,
            "notes": list(self.notes),
        }

    def line(self) -> str:
        """For people, in one line."""
        rows = counted(self.rows, "answer", "answers")
        first = f"read {self.path} as {self.format}: {rows}, {self.used}, matched by {self.by}"
        return "; ".join((first, *self.notes))


def match(
    answers: Answers, samples: Sequence[Sample], card: Card, cards: Cards, *, allow_missing: bool = False
) -> Predictions:
    """The answers by row; refuses what is missing, unknown, ambiguous, there twice, or of another version.

    `cards` gives every benchmark there is, to name the one that a strange file may belong to.
    """
    case = match_errors.Case(answers, samples, card, cards)
    way = _choose(case)
    pairs = _pairs(case, way)
    texts = _texts(case, pairs, repeats=way.shared or len(pairs) < len(answers.answers))
    _refuse_questions(case, texts)
    asked, note = _asked(case, texts, allow_missing=allow_missing)
    return Predictions(
        path=answers.path,
        format=answers.format,
        used=answers.used,
        rows=len(answers.answers),
        by=way.name,
        texts=texts,
        samples=asked,
        notes=(*note, *_notes(case, way, len(pairs), len(texts))),
    )


def _notes(case: match_errors.Case, way: Way, pairs: int, texts: int) -> Iterator[str]:
    """What else a reader of the figures must know."""
    if left := len(case.answers.answers) - pairs:
        yield f"{left} answers are left out: {case.card.name} does not ask their questions"
    if again := pairs - texts:
        yield f"{counted(again, 'row repeats', 'rows repeat')} the answer to a question"
    if reworded := _reworded(case.answers.answers, way, case.samples)[0]:
        words = counted(reworded, "question is", "questions are")
        yield f"{words} worded differently in the benchmark's file"
    wrong = [s.id for s in case.samples if s.choices and s.references and s.references[0] not in s.choices]
    if wrong:
        yield f"the benchmark's own answer names no option: {listed(wrong)}"


def _choose(case: match_errors.Case) -> Way:
    """The first way in which every answer has one row, else the first that serves half of them.

    Words and order only help where no id does: a slip in an id is shown, not mended.
    """
    answers, samples = case.answers.answers, case.samples
    fair: Way | None = None
    refused: match_errors.Reworded | None = None
    for way in ways(answers, samples):
        if fair is not None and not way.by_ids:
            break
        if not way.reached:
            continue
        serves = way.reached * 2 >= len(answers) or way.reached == len(samples)
        count, compared, example = _reworded(answers, way, samples)
        if example is not None and count > MOST_REWORDED * compared:
            if serves and refused is None:
                refused = match_errors.Reworded(count, compared, *example)
        elif way.found == len(answers):
            return way
        elif serves and fair is None:
            fair = way
    if refused is not None and not (fair and fair.by_ids):
        raise match_errors.reworded(case, refused)
    if fair is not None:
        return fair
    raise match_errors.unknown(case, answers)


def _reworded(
    answers: Sequence[StoredAnswer], way: Way, samples: Sequence[Sample]
) -> tuple[int, int, tuple[StoredAnswer, Sample] | None]:
    """Of the answers that repeat their question: how many repeat another, of how many, and the first."""
    by_id = {sample.id: sample for sample in samples}
    pairs = [(a, by_id[r[0]]) for a, r in zip(answers, way.rows, strict=True) if len(r) == 1]
    verdicts = [agrees(*pair) for pair in pairs]
    first = next((pair for pair, same in zip(pairs, verdicts, strict=True) if same is False), None)
    return verdicts.count(False), sum(same is not None for same in verdicts), first


def _pairs(case: match_errors.Case, way: Way) -> list[tuple[StoredAnswer, str]]:
    """Answers with their row; those of a known larger file that have none are left out, others refused."""
    both = list(zip(case.answers.answers, way.rows, strict=True))
    several = [(answer, rows) for answer, rows in both if len(rows) > 1]
    if several:
        raise match_errors.ambiguous(case, way, several)
    kept = [(answer, rows[0]) for answer, rows in both if rows]
    strange = [answer for answer, rows in both if not rows]
    if strange and not _is_larger(case, {row for _, row in kept}):
        raise match_errors.unknown(case, strange)
    return kept


def _is_larger(case: match_errors.Case, covered: set[str]) -> bool:
    return len(case.answers.answers) == LARGER.get(case.card.name) and len(covered) == len(case.samples)


def _texts(
    case: match_errors.Case, pairs: Sequence[tuple[StoredAnswer, str]], *, repeats: bool
) -> dict[str, str]:
    """One text a row. `repeats`: a question may be answered again, in the same words."""
    counts = Counter(row for _, row in pairs)
    repeated = [row for row, count in counts.items() if count > 1]
    if repeated and not repeats:
        raise match_errors.repeated(case, repeated)
    texts: dict[str, str] = {}
    contradicted = [row for a, row in pairs if texts.setdefault(row, a.text or "") != (a.text or "")]
    if contradicted:
        raise match_errors.contradicted(case, contradicted)
    return texts


def _refuse_questions(case: match_errors.Case, texts: Mapping[str, str]) -> None:
    """A file of questions has ids and texts too."""
    asked = {plain(sample.question) for sample in case.samples}
    count = sum(len(answer := plain(text)) > 1 and answer in asked for text in texts.values())
    if count * 2 > len(texts):
        raise match_errors.questions(case, count)


def _asked(
    case: match_errors.Case, texts: Mapping[str, str], *, allow_missing: bool
) -> tuple[tuple[Sample, ...], list[str]]:
    """The questions that count; a split without a single answer was not asked, and a note names it."""
    missing = [sample for sample in case.samples if sample.id not in texts]
    if not missing:
        return tuple(case.samples), []
    absent = {sample.split for sample in missing}
    present = {sample.split for sample in case.samples if sample.id in texts}
    if None not in absent and not absent & present and not allow_missing:
        names = ", ".join(f"`{name}`" for name in sorted(str(name) for name in absent))
        left = counted(len(missing), "question is", "questions are")
        asked = tuple(sample for sample in case.samples if sample.split not in absent)
        return asked, [f"no answer to the split {names}, whose {left} left out"]
    if not allow_missing:
        raise match_errors.missing(case, missing)
    return tuple(case.samples), [f"no answer to {len(missing)} of {len(case.samples)} questions"]
