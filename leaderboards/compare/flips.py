"""The questions that changed between two runs, with what each run said to them."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.domain import RuleSet, Sample
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.compare.nouns import Answer, Flip
from vlmbench.leaderboards.compare.units import Unit


def flips_of(
    pairs: Sequence[tuple[Unit, Unit]],
    first: FinishedRun,
    second: FinishedRun,
    rules: RuleSet,
    samples: Sequence[Sample],
) -> list[Flip]:
    """Every unit that changed, the largest change first, then as in the file."""
    asked = {sample.id: sample for sample in samples}
    answers = [_answers(run, rules) for run in (first, second)]
    flips = []
    for one, two in pairs:
        if one.value == two.value:
            continue
        row = next((i for i in one.rows if answers[0][i].value != answers[1][i].value), one.rows[0])
        sample = asked.get(row)
        flips.append(
            Flip(
                key=one.key,
                row=row,
                change=two.value - one.value,
                question=sample.question if sample else "",
                choices=sample.choices if sample else {},
                references=sample.references if sample else (),
                pictures=sample.images if sample else (),
                first=answers[0][row],
                second=answers[1][row],
            )
        )
    return sorted(flips, key=lambda flip: -abs(flip.change))


def _answers(run: FinishedRun, rules: RuleSet) -> dict[str, Answer]:
    said = run.responses
    return {
        s.id: Answer(extracted=s.extracted, text=said[s.id].text if s.id in said else "", value=s.value)
        for s in run.scores[rules]
    }
