"""A file of judgments: read, recognised, and held against the answers that it judges."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.answers.toolkits import PRINTED_GAP
from vlmbench.domain import Card, Sample
from vlmbench.engine.judgments import Judgment, Judgments
from vlmbench.errors import NoSuchPredictions, PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions.authors import records_of
from vlmbench.predictions.files import Nested, TextRow, listed, read_json, read_table
from vlmbench.predictions.judgment_layouts import LAYOUTS, BadJudgment, Layout, Record, rotations
from vlmbench.predictions.matching import Cards, match
from vlmbench.predictions.nouns import ID_NAMES, Answers, StoredAnswer, some_text, whole

MOST_OTHER = 0.05
"""Of the answers that the file repeats; beyond it the file judges other answers."""

_HALLUSION = ("category", "subcategory", "visual_input", "set_id", "figure_id", "question_id")
"""Parts of an index of HallusionBench, in its authors' names."""


@dataclass(frozen=True, slots=True)
class JudgedRecord:
    """A record of the file and its judgment."""

    row: int | str
    record: Record
    judgment: Judgment


def read_judgments(
    path: Path, samples: Sequence[Sample], card: Card, cards: Cards, texts: Mapping[str, str], *, partly: bool
) -> Judgments:
    """The judgments by sample id; a PredictionsError where the file is not about these answers.

    `texts` are the answers by sample id. `partly`: a judge reads those without a judgment, or nobody.
    """
    records = _records(path)
    layout = _layout(path, records, card)
    stored = list(_judged(path, layout, records))
    if not stored:
        raise PredictionsError("none of its records holds a judgment.", file=path, key=layout.columns[0])
    by_id = _by_id(path, layout, stored, samples, card, cards)
    _refuse_other_answers(path, layout, by_id, texts)
    rows = _rotated(by_id, samples) if card.circular else {i: one.judgment for i, one in by_id.items()}
    if not partly:
        _refuse_missing(path, set(by_id), samples, card, texts)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Judgments(path.name, digest, _judge(records), rows)


def _records(path: Path) -> list[tuple[int | str, Record]]:
    """Every record with the row it stands in; a JSON object's keys become ids."""
    if path.is_dir():
        raise NoSuchPredictions("this is a folder.", file=path, fix="Name the file in it that holds them.")
    try:
        if path.suffix.lower() not in (".json", ".jsonl"):
            return [(row.number, _plain(row)) for row in read_table(path).rows]
        value = read_json(path)
    except FileNotFoundError:
        raise NoSuchPredictions("there is no such file.", file=path) from None
    except OSError as error:
        raise PredictionsError(f"cannot be opened: {error.strerror or error}.", file=path) from None
    if isinstance(value, dict) and value and all(isinstance(record, dict) for record in value.values()):
        return [(key, {"id": key, **record}) for key, record in value.items()]
    if records := records_of(value):
        return list(records)
    raise PredictionsError(
        "neither a list of records nor an object from id to record.",
        file=path,
        fix="docs/judge.md shows the files of judgments that are read.",
    )


def _plain(row: TextRow) -> Record:
    return {name: None if isinstance(cell, Nested) else cell for name, cell in row.cells.items()}


def _layout(path: Path, records: Sequence[tuple[int | str, Record]], card: Card) -> Layout:
    columns = {name for _, record in records for name in record}
    there = [layout for layout in LAYOUTS if columns.issuperset(layout.columns)]
    found = next((layout for layout in there if layout.serves(card)), None)
    if found is not None:
        return found
    if there:
        what = f"it holds {there[0].name}, which do not judge {card.name}."
        raise PredictionsError(what, file=path, fix="Name the benchmark that was judged with `--bench`.")
    wanted = [" and ".join(f"`{c}`" for c in layout.columns) for layout in LAYOUTS if layout.serves(card)]
    present = listed(sorted(filter(None, columns)), 12) or "none"
    if not wanted:
        raise PredictionsError(
            f"{card.name} is scored by rules alone; no stored judgment changes it.",
            file=path,
            fix="Leave `--judgments` out.",
        )
    columns_wanted = ", or ".join(wanted)
    raise PredictionsError(
        f"it holds no judgments of {card.name}: these need {columns_wanted}; its columns are {present}.",
        file=path,
        fix="docs/judge.md shows the files of judgments that are read.",
    )


def _judged(
    path: Path, layout: Layout, records: Sequence[tuple[int | str, Record]]
) -> Iterator[JudgedRecord]:
    for row, record in records:
        try:
            judgment = layout.read(record) if set(layout.columns) & set(record) else None
        except (BadJudgment, KeyError) as error:
            column = next((c for c in layout.columns if c in record), layout.columns[0])
            shown = visible(str(record.get(column)), 60)
            wanted = error.args[0] if isinstance(error, BadJudgment) else "a judgment"
            what = f"this judgment is `{shown}` where {wanted} was expected."
            fix = "Was the file written for this benchmark, and is it whole?"
            raise PredictionsError(what, file=path, row=row, key=column, fix=fix) from None
        if judgment is not None:
            yield JudgedRecord(row, record, judgment)


def _by_id(
    path: Path,
    layout: Layout,
    stored: Sequence[JudgedRecord],
    samples: Sequence[Sample],
    card: Card,
    cards: Cards,
) -> dict[str, JudgedRecord]:
    """Each on its row, by the rules that match predictions."""
    answers = [
        StoredAnswer(text=str(n), row=one.row, ids=_ids(one), question=_question(one))
        for n, one in enumerate(stored)
    ]
    _refuse_repeats(path, answers)
    held = Answers(path=path, format=layout.name, used=layout.columns[0], answers=tuple(answers))
    found = match(held, samples, card, cards, allow_missing=True)
    return {sample: stored[int(place)] for sample, place in found.texts.items()}


def _refuse_repeats(path: Path, answers: Sequence[StoredAnswer]) -> None:
    counts = Counter(next(iter(answer.ids.values()), None) for answer in answers)
    twice = [name for name, count in counts.items() if name is not None and count > 1]
    if twice:
        what = f"{len(twice)} of its answers are judged more than once: {listed(twice)}. Nothing was scored."
        raise PredictionsError(what, file=path, fix="Keep one record of each.")


def _ids(one: JudgedRecord) -> dict[str, str]:
    """What the record calls its question. `v1_7` of MM-Vet is question 7."""
    parts = [one.record.get(name) for name in _HALLUSION]
    if all(isinstance(part, str) and part for part in parts):
        return {"index": "_".join(map(str, parts))}
    ids = {name: whole(v) for name in ID_NAMES if isinstance(v := one.record.get(name), str) and v}
    first = next(iter(ids.values()), "")
    return ids | ({"number": first.removeprefix("v1_")} if first.startswith("v1_") else {})


def _question(one: JudgedRecord) -> str | None:
    return some_text(one.record, "query", "question")


def _refuse_other_answers(
    path: Path, layout: Layout, by_id: Mapping[str, JudgedRecord], texts: Mapping[str, str]
) -> None:
    """The judgments must be on these answers, where the file repeats what it judged."""
    pairs = {
        i: (theirs, texts[i])
        for i, one in by_id.items()
        if i in texts and isinstance(theirs := one.record.get(layout.answer), str)
    }
    other = [i for i, (theirs, own) in pairs.items() if _words(theirs) != _words(own)]
    if len(other) <= MOST_OTHER * len(pairs):
        return
    theirs, own = (visible(text, 60) for text in pairs[other[0]])
    raise PredictionsError(
        f"it judges other answers: {len(other)} of {len(pairs)} in its column `{layout.answer}` are not "
        f"those of `--predictions`: for {visible(other[0], 60)} it has “{theirs}”, they have “{own}”. "
        "Nothing was scored.",
        file=path,
        fix="Name the predictions that were judged.",
    )


def _words(text: str) -> list[str]:
    """Workbooks change white space, and VLMEvalKit writes `nan` for an empty answer."""
    words = text.split()
    return [] if words == [PRINTED_GAP] else words


def _refuse_missing(
    path: Path, judged: set[str], samples: Sequence[Sample], card: Card, texts: Mapping[str, str]
) -> None:
    wanted = [s.id for s in samples if s.id in texts and (not card.circular or s.id == s.group)]
    missing = [i for i in wanted if i not in judged]
    if missing:
        raise PredictionsError(
            f"{len(missing)} of {len(wanted)} answers have no judgment in it: {listed(missing)}. "
            "Nothing was scored.",
            file=path,
            fix="Add `--allow-missing` to score without them, or `--judge MODEL` to ask about them.",
        )


def _rotated(by_id: Mapping[str, JudgedRecord], samples: Sequence[Sample]) -> dict[str, Judgment]:
    """Verdicts on questions, spread over the rows of each; verdicts on rows as they are."""
    groups: dict[str, list[str]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample.id)
    group_of = {sample.id: sample.group for sample in samples}
    if len({group_of[i] for i in by_id}) < len(by_id):
        return {i: one.judgment for i, one in by_id.items()}
    rows: dict[str, Judgment] = {}
    for sample_id, one in by_id.items():
        members = groups[group_of[sample_id]]
        spread = rotations(one.judgment, len(members))
        rows |= {row: judgment for row, judgment in zip(members, spread, strict=True) if judgment is not None}
    return rows


def _judge(records: Sequence[tuple[int | str, Record]]) -> str | None:
    """Who judged, where a column `model` or `judge` names it."""
    names: dict[str, None] = {}
    for _, record in records:
        for column in ("judge", "model"):
            value = record.get(column)
            names |= dict.fromkeys(
                v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)
            )
    return listed(names, 3) if names else None
