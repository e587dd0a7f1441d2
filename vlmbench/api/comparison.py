"""`vlmbench.compare`: is the second run better than the first, and where do they differ?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.api import html
from vlmbench.api.run_result import RunResult, load_run
from vlmbench.domain import RuleSet
from vlmbench.plain_text import visible
from vlmbench.registry import rule_set

if TYPE_CHECKING:
    import pandas as pd

    from vlmbench.leaderboards.compare.nouns import Comparison, Flip, Verdict
    from vlmbench.stats import Difference

_MOST_FLIPS = 10
"""Changed questions that a notebook shows in each direction; `flips()` has all."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class ComparisonResult:
    """Two runs over the same questions. A positive difference means that the second is better."""

    comparison: Comparison

    @property
    def verdict(self) -> Verdict:
        """The second run against the first: `better`, `worse` or `cannot be told apart`, at the 5 % level."""
        return self.comparison.verdict

    @property
    def difference(self) -> float:
        """The second run's figure less the first's."""
        return self.comparison.difference.value

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference."""
        return self.comparison.difference.ci95

    @property
    def p(self) -> float | None:
        """Of the paired test; None where there is a single cluster of questions."""
        return self.comparison.adjusted_p

    def differences(self) -> pd.DataFrame:
        """The whole benchmark first, then row by row where the units are questions, then each category.

        `low` and `high` are the 95 % interval of `difference`; the `p` of categories is adjusted by Holm's
        method.
        """
        import pandas as pd

        return pd.DataFrame(list(self._difference_rows()))

    def flips(self) -> pd.DataFrame:
        """Every question whose score changed, with both answers; the largest changes first."""
        import pandas as pd

        found = self.comparison
        flips = sorted((*found.worse, *found.better), key=lambda flip: -abs(flip.change))
        return pd.DataFrame([_flip_row(flip) for flip in flips], columns=_FLIP_COLUMNS)

    def __repr__(self) -> str:
        from vlmbench.leaderboards.compare.text import evidence, flipped

        found = self.comparison
        runs = visible(f"{found.benchmark} · {found.second.name} against {found.first.name}")
        return f"<ComparisonResult {runs}: {found.verdict}, {evidence(found)}; {flipped(found)}>"

    def _repr_html_(self) -> str:
        from vlmbench.leaderboards.compare.text import evidence, flipped, reach, score, verdict

        found = self.comparison
        sides = [
            (side.name, side.model, score(found.fraction, side.value)) for side in (found.first, found.second)
        ]
        return "".join(
            (
                html.paragraph(f"{found.benchmark}: {verdict(found)}", bold=True),
                html.table(("run", "model", found.measure or "score"), sides),
                *map(html.paragraph, (evidence(found), reach(found), flipped(found), *found.notes)),
                *_flip_tables(found),
            )
        )

    def _difference_rows(self) -> Iterator[dict[str, Any]]:
        found = self.comparison
        yield _row(
            "overall",
            found.measure or found.first.headline_name,
            (found.first.value, found.second.value),
            found.difference,
            found.units,
            found.adjusted_p,
        )
        if found.by_row is not None:
            rows = found.by_row
            yield _row(
                "row", "by row", (rows.first, rows.second), rows.difference, rows.rows, rows.difference.p
            )
        for part in found.categories:
            yield _row(
                part.level, part.name, (part.first, part.second), part.difference, part.units, part.adjusted_p
            )


def compare(
    first: RunResult | str | Path,
    second: RunResult | str | Path,
    *,
    rules: RuleSet | None = None,
    common: bool = False,
    data_dir: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
) -> ComparisonResult:
    """Test the second run against the first, the baseline; each is a result or a run folder.

    `rules` is by default that of the first run's headline. `common` compares the rows with a score in both,
    where a run is incomplete or partial. A RunFolderError names what makes two runs incomparable.
    """
    from vlmbench.leaderboards.compare import compare as comparing

    if rules is not None:
        rule_set(rules)
    runs = [
        run if isinstance(run, RunResult) else load_run(run, data_dir=data_dir, plugins=plugins)
        for run in (first, second)
    ]
    found = comparing.compare(runs[0].finished, runs[1].finished, rules=rules, common=common)
    return ComparisonResult(comparison=found)


def _row(
    level: str, name: str, values: tuple[float, float], difference: Difference, n: int, p: float | None
) -> dict[str, Any]:
    low, high = difference.ci95 or (None, None)
    return {
        "level": level,
        "name": name,
        "first": values[0],
        "second": values[1],
        "difference": difference.value,
        "low": low,
        "high": high,
        "p": p,
        "n": n,
        "clusters": difference.n,
        "test": difference.test,
    }


_FLIP_COLUMNS = (
    "index",
    "change",
    "question",
    "choices",
    "references",
    "first_answer",
    "second_answer",
    "first_extracted",
    "second_extracted",
    "first_score",
    "second_score",
    "pictures",
)


def _flip_row(flip: Flip) -> dict[str, Any]:
    sides = {"first": flip.first, "second": flip.second}
    return {
        "index": flip.row,
        "change": flip.change,
        "question": flip.question,
        "choices": dict(flip.choices),
        "references": flip.references,
        **{f"{side}_answer": answer.text for side, answer in sides.items()},
        **{f"{side}_extracted": answer.extracted for side, answer in sides.items()},
        **{f"{side}_score": answer.value for side, answer in sides.items()},
        "pictures": flip.pictures,
    }


def _flip_tables(found: Comparison) -> Iterator[str]:
    for title, flips in (("got worse", found.worse), ("got better", found.better)):
        if flips:
            rows = [
                (f.row, f.question, ", ".join(f.references), f.first.text, f.second.text)
                for f in flips[:_MOST_FLIPS]
            ]
            yield html.paragraph(f"{len(flips)} {title}")
            yield html.table(("row", "question", "reference", "first answer", "second answer"), rows)
