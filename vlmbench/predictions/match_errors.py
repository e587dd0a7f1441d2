"""The errors for predictions that do not fit: what was found, what was expected, what to type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vlmbench.domain import Card, Sample
from vlmbench.errors import PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions.authors import CATEGORIES
from vlmbench.predictions.files import listed
from vlmbench.predictions.nouns import Answers, StoredAnswer
from vlmbench.predictions.ways import Way

_ROTATION = 1_000_000
_MMBENCH_2023 = 4377
"""Rows of mmbench_dev_20230712.tsv, which LLaVA's figures rest on: 12 questions more than MMBench_DEV_EN."""

_PATTERNS = (
    (r"(dev|validation)_\w+_\d+", "MMMU's validation questions", "MMMU_DEV_VAL"),
    (r"test_\w+_\d+", "MMMU's test questions", "MMMU_TEST"),
    (r"v1_\d+", "MM-Vet", "MMVet"),
    (r"v2_\d+", "MM-Vet v2, which asks other questions than v1", None),
    (rf"({'|'.join(sorted(CATEGORIES))})/.+", "MME", "MME"),
    (r"\d+_\d+", "SEED-Bench-2", None),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A file and the benchmark it is held against."""

    answers: Answers
    samples: Sequence[Sample]
    card: Card
    cards: Callable[[], Iterable[Card]]

    def error(self, what: str, fix: str | None = None) -> PredictionsError:
        """An error that names the file."""
        return PredictionsError(f"{what} Nothing was scored.", file=self.answers.path, fix=fix)


@dataclass(frozen=True, slots=True)
class Reworded:
    """Ids that fit although the questions under them are others."""

    count: int
    compared: int
    answer: StoredAnswer
    sample: Sample


def unknown(case: Case, strange: Sequence[StoredAnswer]) -> PredictionsError:
    """Answers to what the benchmark does not ask."""
    total, name = len(case.answers.answers), case.card.name
    number = len(strange)
    by_index = strange[0].ids
    count = (
        counted(number, "index is", "indexes are")
        if by_index
        else counted(number, "question is", "questions are")
    )
    what = (
        f"{count} not in the benchmark, of {total}: {listed(map(_name, strange))}. "
        f"{name} has {len(case.samples)} questions, such as {listed(s.id for s in case.samples[:3])}."
    )
    other = _other_benchmark(case, strange)
    if other is not None:
        return case.error(f"{what} {other[0]}", other[1])
    if len(strange) == total:
        return case.error(what, "Is it another benchmark or split? `vlmbench list` names them.")
    return case.error(what, "Remove these rows, or name the benchmark they belong to with `--bench`.")


def missing(case: Case, absent: Sequence[Sample]) -> PredictionsError:
    """Questions without an answer. VLMEvalKit writes two files of one look, and only one has every row."""
    total = len(case.samples)
    count = counted(len(absent), "question has", "questions have")
    what = f"{count} no prediction, of {total}: {listed(s.id for s in absent)}."
    answered = {row for answer in case.answers.answers for row in answer.ids.values()}
    if all(_is_rotation(s.id) for s in absent) and not any(map(_is_rotation, answered)):
        return case.error(
            what,
            "Every one of them is a rotation: a `…_result.xlsx` holds the base rows only, the prediction "
            "file beside it holds all.",
        )
    kinds = {s.cells.get("category") for s in absent}
    others = {s.cells.get("category") for s in case.samples} - kinds
    if others and None not in kinds and len(kinds) * 2 <= len(kinds | others) + 1:
        what += f" They are all of {listed(sorted(str(kind) for kind in kinds))}."
    other = _other_benchmark(case, case.answers.answers)
    if other is not None:
        return case.error(f"{what} {other[0]}", f"{other[1]} Or add `--allow-missing`.")
    return case.error(
        what,
        "Add `--allow-missing` to leave these questions unscored, or the rows that were lost on the way.",
    )


def questions(case: Case, count: int) -> PredictionsError:
    """A question file, whose `text` is what was asked."""
    what = (
        f"{count} of its {len(case.answers.answers)} texts are the questions themselves; no model answered."
    )
    return case.error(what, "Name the file that holds the answers.")


def repeated(case: Case, rows: Sequence[str]) -> PredictionsError:
    """Two answers to one question."""
    count = counted(len(rows), "index has", "indexes have")
    what = f"{count} more than one prediction: {listed(rows)}."
    return case.error(what, "Keep one row of each; two runs may have been written into one file.")


def contradicted(case: Case, rows: Sequence[str]) -> PredictionsError:
    """A question that the file asks repeatedly and the benchmark once."""
    count = counted(len(rows), "question is", "questions are")
    what = (
        f"{count} asked repeatedly and answered differently: {listed(rows)}; {case.card.name} has each once."
    )
    return case.error(what, "Name a file that has them as often as they were asked: `--data FILE.tsv`.")


def ambiguous(
    case: Case, way: Way, several: Sequence[tuple[StoredAnswer, Sequence[str]]]
) -> PredictionsError:
    """Answers that may belong to several rows."""
    answer, rows = several[0]
    what = (
        f"{counted(len(several), 'answer', 'answers')} of {len(case.answers.answers)} may belong to several "
        f"rows: by {way.name}, {_name(answer)} is {listed(rows)}."
    )
    return case.error(what, "Add a column `index` with the benchmark's own index to the file.")


def reworded(case: Case, found: Reworded) -> PredictionsError:
    """The ids are there and the questions are not: an answer file of another version."""
    answer, sample = found.answer, found.sample
    theirs, own = visible(answer.question or "", 80), visible(sample.question, 80)
    if answer.options and own and own in theirs:
        theirs, own = _options(answer.options), _options(sample.choices)
    what = (
        f"its ids are among those of {case.card.name}, but {found.count} of {found.compared} belong to other "
        f"questions or options there: {_name(answer)} is “{theirs}” in the file and “{own}” here. "
        "It answers another version or another benchmark."
    )
    other = _other_benchmark(case, case.answers.answers)
    fix = other[1] if other else "Name what it answers with `--bench` or `--data`; `vlmbench list` helps."
    return case.error(what, fix)


def _options(options: object) -> str:
    pairs = options.items() if isinstance(options, dict) else ()
    return visible(" ".join(f"{letter}. {text}" for letter, text in pairs), 80)


def _other_benchmark(case: Case, strange: Sequence[StoredAnswer]) -> tuple[str, str] | None:
    """What the ids look like, or which benchmark has just as many questions, and what to type."""
    return _by_pattern(case, strange) or _by_size(case)


def _by_pattern(case: Case, strange: Sequence[StoredAnswer]) -> tuple[str, str] | None:
    ids = [next(iter(answer.ids.values()), "") for answer in strange]
    for pattern, what, bench in _PATTERNS:
        if ids and all(re.fullmatch(pattern, i) for i in ids) and bench != case.card.name:
            fix = f"Type `--bench {bench}`." if bench else "vlmbench has none of these benchmarks."
            return f"Such ids are those of {what}.", fix
    return None


def _by_size(case: Case) -> tuple[str, str] | None:
    count, name = len(case.answers.answers), case.card.name
    if count == _MMBENCH_2023 and name.startswith("MMBench_DEV"):
        what = f"{count} rows are those of mmbench_dev_20230712.tsv, the file that LLaVA's figures rest on."
        return what, "Type `--data mmbench_dev_20230712.tsv`."
    if count == len(case.samples) or count < 50:
        return None
    same = sorted(card.name for card in case.cards() if card.rows == count and card.name != name)
    if not same:
        return None
    nearest = max(same, key=lambda other: difflib.SequenceMatcher(None, other, name).ratio())
    return f"{count} is as many as {listed(same)} asks.", f"Type `--bench {nearest}` if it is that one."


def _name(answer: StoredAnswer) -> str:
    """An answer as its file calls it."""
    known = next(iter(answer.ids.values()), None)
    return visible(known, 60) if known is not None else f"row {answer.row}"


def _is_rotation(index: str) -> bool:
    return index.isascii() and index.isdigit() and len(index) < 20 and int(index) >= _ROTATION


def counted(count: int, one: str, many: str) -> str:
    """The number with the words that go with it."""
    return f"{count} {one if count == 1 else many}"
