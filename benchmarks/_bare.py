"""A benchmark without code: a TSV, and if its columns do not decide enough, a few lines of YAML beside it.

    mine.tsv    index, image, question, answer; A, B, … for multiple choice; category, split, hint at will
    mine.yaml   family: multiple-choice | yes-no | short-answer
                prompt: what the prompt adds to each question
                metric: how an answer is compared (see METRICS)
                splits: [test]         only these are asked
                circular: true         the file holds every rotation, numbered as in MMBench

Without the YAML: columns A and B make it multiple choice, answers that are all Yes or No make it
yes/no, anything else is short answers. Answers that are letters without options are an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.answers.scores import Match
from vlmbench.answers.short import match_anls, match_any, match_contained, match_relaxed
from vlmbench.answers.vqa import match_consensus, match_equal
from vlmbench.domain import Benchmark, Card, DataFile, Decoding, Request, Row, Sample
from vlmbench.errors import DataError, UnknownName, UserError
from vlmbench.files.json_files import read_yaml
from vlmbench.prompts import SHORT

from ._choice import MultipleChoice
from ._open import ShortAnswer, YesNo

FAMILIES = ("multiple-choice", "yes-no", "short-answer")
KEYS = ("family", "prompt", "metric", "splits", "circular")
METRICS: dict[str, Match] = {
    "equal": match_equal,
    "exact": match_any,
    "consensus": match_consensus,
    "relaxed": match_relaxed,
    "edit-distance": match_anls,
    "contains": match_contained,
}
"""For short answers: equal after normalising (the default), equal as written, VQA's consensus of ten
people, numbers within 5 %, edit distance, or found anywhere in the answer."""


@dataclass(frozen=True, slots=True)
class BareChoice(MultipleChoice):
    """Multiple choice from a file alone."""

    prompt: str = ""
    splits: tuple[str, ...] = ()

    def asked(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The questions of the wanted splits."""
        return of_splits(rows, self.splits, self.card)

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """The style's wording, and under it what the YAML adds."""
        request = MultipleChoice.request(self, sample, style, decoding)
        if not self.prompt:
            return request
        text = str(request.parts[-1])
        return replace(request, parts=(*request.parts[:-1], f"{text.rstrip()}\n{self.prompt}"))


@dataclass(frozen=True, slots=True)
class BareYesNo(YesNo):
    """Yes/no from a file alone."""

    splits: tuple[str, ...] = ()

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """The questions of the wanted splits."""
        return YesNo.samples(self, of_splits(rows, self.splits, self.card))


@dataclass(frozen=True, slots=True)
class BareShort(ShortAnswer):
    """Short answers from a file alone."""

    splits: tuple[str, ...] = ()

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """The questions of the wanted splits."""
        return ShortAnswer.samples(self, of_splits(rows, self.splits, self.card))


def benchmark_of(path: Path) -> Benchmark:
    """The benchmark that a TSV and the YAML beside it, if any, amount to."""
    from vlmbench.data.tsv import read_header

    path = path.expanduser().absolute()
    if not path.is_file():
        raise DataError("there is no such file.", file=path)
    settings = yaml_beside(path)
    columns = read_header(path, ("index", "question"))
    family = settings.get("family") or family_seen(path, columns)
    card = card_of(path, family, columns, settings)
    prompt, splits = settings.get("prompt", ""), card.splits
    if family == "multiple-choice":
        return BareChoice(card, prompt=prompt, splits=splits)
    suffix = f"\n{prompt}" if prompt else ""
    if family == "yes-no":
        return BareYesNo(card, suffix=suffix, splits=splits)
    match = METRICS[settings.get("metric", "equal")]
    return BareShort(card, match, suffix=suffix or SHORT, splits=splits)


def card_of(path: Path, family: str, columns: Sequence[str], settings: Mapping[str, Any]) -> Card:
    """The card of a file that only its path, its columns and its YAML describe."""
    circular = bool(settings.get("circular", False))
    for key, owner in (("circular", "multiple-choice"), ("metric", "short-answer")):
        if settings.get(key) and family != owner:
            raise UserError(f"belongs to {owner}, and this is {family}.", file=_yaml(path), key=key)
    return Card(
        name=path.stem,
        measures=f"what {path.name} asks",
        family=family,
        file=DataFile(name=str(path)),
        languages=(),
        source=str(path),
        splits=tuple(settings.get("splits", ())),
        circular=circular,
        answers="answer" in columns,
        quoted="circular accuracy over questions" if circular else "accuracy over rows",
    )


def family_seen(path: Path, columns: Sequence[str]) -> str:
    """The family that the columns show; for lack of options the answers are looked through."""
    if {"A", "B"} <= set(columns):
        return "multiple-choice"
    from vlmbench.data.table import open_table

    rows = [row for row in open_table(path).rows() if "answer" in row.cells]
    answers = {row.cells["answer"].strip() for row in rows}
    if answers and all(len(answer) == 1 and "A" <= answer <= "Z" for answer in answers):
        shown = ", ".join(row.index for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise DataError(
            f"the answers are letters ({', '.join(sorted(answers)[:6])}) and no row has options: "
            f"the columns A and B are missing. {len(rows)} rows are concerned: index {shown}.",
            file=path,
            fix="Add the columns A, B, … with the texts of the options; if a letter is what is asked for, "
            f"write `family: short-answer` into {_yaml(path).name}.",
        )
    return "yes-no" if answers and {a.lower() for a in answers} <= {"yes", "no"} else "short-answer"


def of_splits(rows: Iterable[Row], wanted: Sequence[str], card: Card) -> Iterator[Row]:
    """The rows of the wanted splits, all where none is named; a DataError for one that never comes."""
    seen: dict[str, None] = {}
    for row in rows:
        split = row.cells.get("split", "")
        seen[split] = None
        if not wanted or split in wanted:
            yield row
    unknown = [split for split in wanted if split not in seen]
    if unknown:
        there = ", ".join(f"`{split}`" for split in seen if split) or "no `split` column with a text in it"
        raise DataError(
            f"no row is of the split `{unknown[0]}`; the file has {there}.", file=card.file.name, key="split"
        )


def yaml_beside(path: Path) -> dict[str, Any]:
    """The settings of `mine.yaml` beside `mine.tsv`, each checked; empty where there is no such file."""
    beside = _yaml(path)
    if not beside.is_file():
        return {}
    settings = read_yaml(beside) or {}
    if not isinstance(settings, dict):
        raise UserError(f"must be a mapping with some of {', '.join(KEYS)}.", file=beside)
    return {str(key): _checked(beside, str(key), value) for key, value in settings.items()}


def _checked(file: Path, key: str, value: Any) -> Any:
    """A value of the kind its key takes."""
    where = f"It stands in {file}."
    if key not in KEYS:
        raise UnknownName("key of a benchmark's YAML", key, KEYS, fix=where)
    if key == "family" and value not in FAMILIES:
        raise UnknownName("family", str(value), FAMILIES, fix=where)
    if key == "metric" and value not in METRICS:
        raise UnknownName("metric", str(value), METRICS, fix=where)
    if key == "circular" and not isinstance(value, bool):
        raise UserError(f"must be true or false, not `{value}`.", file=file, key=key)
    if key == "prompt" and not isinstance(value, str):
        raise UserError(f"must be a text, not `{value}`.", file=file, key=key)
    if key == "splits":
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
    return value


def _yaml(path: Path) -> Path:
    return path.with_suffix(".yaml")
