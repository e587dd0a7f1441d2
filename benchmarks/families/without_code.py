"""A benchmark without code: a TSV or a dataset, and if its columns do not decide enough, a few lines of YAML.

    mine.tsv    index, image, question, answer; A, B, … for multiple choice; category, split, hint at will
    mine/, mine.parquet, mine.jsonl, hf:OWNER/NAME/SPLIT
                a dataset whose columns are recognised or mapped to those (vlmbench/data/sources/)
    mine.yaml   family: multiple-choice | yes-no | short-answer
                prompt: what the prompt adds to each question
                metric: how an answer is compared (see METRICS)
                splits: [test]         only these are asked
                circular: true         the file holds every rotation, numbered as in MMBench (seen by itself)
                question, options, answer, images, …: what the columns are

Without the YAML: columns A and B make it multiple choice, answers that are all Yes or No make it
yes/no, anything else is short answers. Answers that are letters without options are an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.answers.circular import are_rotations
from vlmbench.domain import Benchmark, Card, DataFile, Decoding, Request, Row, Sample
from vlmbench.errors import DataError, NoSuchData, UserError
from vlmbench.prompts import SHORT, prompt_style

from .choice import MultipleChoice
from .open_answers import ShortAnswer, YesNo
from .settings import METRICS, Settings, read_settings


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
        return prompt_style(style).request(sample, self.card, decoding, ending=self.prompt, tagged=True)


@dataclass(frozen=True, slots=True)
class BareYesNo(YesNo):
    """Yes/no from a file alone."""

    own_words: bool = False
    """The suffix is what the YAML asks for, and no style replaces it."""
    splits: tuple[str, ...] = ()

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """The questions of the wanted splits."""
        return YesNo.samples(self, of_splits(rows, self.splits, self.card))

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """As its family asks; a picture stands where the text names it."""
        return asked(self, sample, style, decoding)


@dataclass(frozen=True, slots=True)
class BareShort(ShortAnswer):
    """Short answers from a file alone."""

    own_words: bool = False
    splits: tuple[str, ...] = ()

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """The questions of the wanted splits."""
        return ShortAnswer.samples(self, of_splits(rows, self.splits, self.card))

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """As its family asks; a picture stands where the text names it."""
        return asked(self, sample, style, decoding)


def asked(benchmark: BareYesNo | BareShort, sample: Sample, style: str, decoding: Decoding | None) -> Request:
    """A question with its suffix, a picture where the text names it."""
    return prompt_style(style).request(
        sample, benchmark.card, decoding, suffix=benchmark.suffix, plain=benchmark.own_words, tagged=True
    )


def benchmark_of(
    name: str | Path, mapping: Mapping[str, Any] | Path | None = None, *, limited: bool = False
) -> Benchmark:
    """The benchmark that a TSV, a dataset or a split of a hub's dataset amounts to, with its YAML, if any.

    `limited`: not all of it will be asked, so no picture of a hub's dataset is fetched for this.
    """
    settings = read_settings(name, mapping)
    as_dataset = settings.columns or not is_tsv(name)
    data = _dataset(str(name), settings, limited=limited) if as_dataset else _tsv(Path(name))
    return _benchmark(data, settings)


def benchmark_of_object(given: object, mapping: Mapping[str, Any] | Path | None = None) -> Benchmark:
    """The benchmark that a `datasets.Dataset` or a DataFrame amounts to; `mapping` is as a YAML."""
    from vlmbench.data.sources.opening import open_object

    settings = read_settings("", mapping or {})
    table, key = open_object(given, settings.columns, settings.name)
    file, pictures = DataFile(name=table.name, dataset=key), "images" in table.facts["map"]
    return _benchmark(BareData(table.name, file, table.columns, pictures=pictures), settings)


def _benchmark(data: BareData, settings: Settings) -> Benchmark:
    _refuse_slips(data, settings)
    family = settings.family or family_seen(data, settings)
    if family == "multiple-choice" and settings.circular is None:
        with contextlib.suppress(DataError):  # a damaged file ends its own run, not those beside it
            settings = replace(settings, circular=are_rotations(data.rows()))
    card = card_of(data, family, settings)
    prompt, splits = settings.prompt, card.splits
    if family == "multiple-choice":
        return BareChoice(card, prompt=prompt, splits=splits)
    suffix = f"\n{prompt}" if prompt else ""
    if family == "yes-no":
        return BareYesNo(card, suffix=suffix, own_words=bool(prompt), splits=splits)
    match = METRICS[settings.metric or "equal"]
    return BareShort(card, match, suffix=suffix or SHORT, own_words=bool(prompt), splits=splits)


def _refuse_slips(data: BareData, settings: Settings) -> None:
    """A DataError where a column that decides the run is absent and another nearly has its name.

    Without the answer, it would pass for a test set whose answers are withheld.
    """
    from vlmbench.data.column_names import DECISIVE, did_you_mean, missing_columns, missing_options

    pictures = data.pictures or "image" in data.columns or "image_path" in data.columns
    wanted = [name for name in DECISIVE if "image" not in name or not pictures]
    columns, options = missing_columns(data.columns, wanted), missing_options(data.columns)
    if not columns and not options:
        return
    lines = [f"`{'images' if 'image' in name else name}: {column}`" for name, column in columns.items()]
    if options:
        letters = {c: c for c in data.columns if len(c) == 1 and "A" <= c <= "Z"} | options
        lines.append(f"`options: [{', '.join(letters[letter] for letter in sorted(letters))}]`")
    raise DataError(
        did_you_mean(columns | options),
        file=data.file.name,
        fix=f"Rename it in the file, or write {' and '.join(lines)} into {settings.file.name}.",
    )


@dataclass(frozen=True, slots=True)
class BareData:
    """What a benchmark without code is read from."""

    name: str
    file: DataFile
    columns: Sequence[str]
    limited: bool = False
    """Whether pictures may be left out."""
    pictures: bool = False
    """Whether a column of pictures is known."""

    def rows(self) -> Iterable[Row]:
        """Every row."""
        from vlmbench.data.opening import open_data_file
        from vlmbench.data.sources.limited.split import no_pictures

        return open_data_file(self.file, choose=no_pictures if self.limited else None).rows()


def is_tsv(name: str | Path) -> bool:
    """Whether a name is that of a table in our own layout."""
    return str(name).endswith(".tsv")


def _tsv(path: Path) -> BareData:
    from vlmbench.data.tsv import read_header

    path = path.expanduser().absolute()
    if not path.is_file():
        raise NoSuchData("there is no such file.", file=path)
    header = read_header(path, ("index", "question"))
    pictures = bool({"image", "image_path"} & {*header})
    return BareData(path.stem, DataFile(name=str(path)), header, pictures=pictures)


def _dataset(name: str, settings: Settings, *, limited: bool) -> BareData:
    from vlmbench.data.sources.limited.split import no_pictures
    from vlmbench.data.sources.opening import open_dataset

    table = open_dataset(name, settings.columns, choose=no_pictures if limited else None)
    file = DataFile(name=name, dataset=name, columns=settings.columns)
    return BareData(table.name, file, table.columns, limited, "images" in table.facts["map"])


def card_of(data: BareData, family: str, settings: Settings) -> Card:
    """The card of data that only its name, its columns and its YAML describe."""
    for key, owner in (("circular", "multiple-choice"), ("metric", "short-answer")):
        if getattr(settings, key) and family != owner:
            raise UserError(f"belongs to {owner}, and this is {family}.", file=settings.file, key=key)
    return Card(
        name=settings.name or data.name,
        measures=f"what {Path(data.file.name).name} asks",
        family=family,
        file=data.file,
        languages=(),
        source=data.file.name,
        splits=settings.splits,
        circular=bool(settings.circular),
        answers="answer" in data.columns,
        quoted="circular accuracy over questions" if settings.circular else "accuracy over rows",
    )


def family_seen(data: BareData, settings: Settings) -> str:
    """The family that the columns show; for lack of options the answers are looked through."""
    if {"A", "B"} <= set(data.columns):
        return "multiple-choice"
    rows = [row for row in data.rows() if "answer" in row.cells]
    answers = {row.cells["answer"].strip() for row in rows}
    if answers and all(len(answer) == 1 and "A" <= answer <= "Z" for answer in answers):
        shown = ", ".join(row.index for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise DataError(
            f"the answers are letters ({', '.join(sorted(answers)[:6])}) and no row has options: "
            f"the columns A and B are missing. {len(rows)} rows are concerned: index {shown}.",
            file=data.file.name,
            fix="Add the columns A, B, … with the texts of the options; if a letter is what is asked for, "
            f"write `family: short-answer` into {settings.file.name}.",
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
