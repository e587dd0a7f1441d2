"""The predictions of `vlmbench score`, read with what it takes from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli.main import complain
from vlmbench.domain import Card, Sample
from vlmbench.errors import DataError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.engine.judgments import Judgments
    from vlmbench.predictions import Predictions


def read_predictions(args: argparse.Namespace, card: Card, samples: Sequence[Sample]) -> Predictions:
    """The file or folder that was named; one line on stderr says what it was taken for."""
    from vlmbench.predictions import read

    found = read(args.predictions, samples, card, partial(cards, args), allow_missing=args.allow_missing)
    if args.format != "json":
        complain(f"{visible(found.line(), 2000)}.")
    return found


def stored_judgments(
    args: argparse.Namespace, card: Card, samples: Sequence[Sample], texts: Mapping[str, str]
) -> Judgments | None:
    """What `--judgments` names, held against these answers; None where nothing is named."""
    if args.judgments is None:
        return None
    from vlmbench.predictions.judgments import read_judgments

    partly = args.allow_missing or args.judge is not None
    return read_judgments(args.judgments, samples, card, partial(cards, args), texts, partly=partly)


def cards(args: argparse.Namespace) -> list[Card]:
    """Every benchmark's card, to name the one that a strange file belongs to."""
    from vlmbench.registry import Registry

    return [benchmark.card for benchmark in Registry(args.plugin).benchmarks.values()]


def name_of(path: Path) -> str:
    """What results call the model: the name of a folder or a file."""
    return path.resolve().name if path.is_dir() else path.stem


def refuse_rows_without_options(card: Card, samples: Iterable[Sample], path: Path) -> None:
    """A multiple-choice question without options cannot be scored as anything else."""
    if card.family != "multiple-choice":
        return
    bare = [sample.id for sample in samples if sample.problem and not sample.choices]
    if bare:
        from vlmbench.predictions.files import listed

        rows = "1 row has" if len(bare) == 1 else f"{len(bare)} rows have"
        raise DataError(
            f"{rows} no options, and {card.name} is multiple choice: index {listed(bare)}.",
            file=path,
            fix="Fill the columns A, B, … of these rows, or take the rows out.",
        )
