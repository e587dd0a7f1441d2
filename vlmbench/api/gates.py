"""Gates on a matrix of runs: a least figure, or not worse than a baseline by the paired test of `compare`.

    Shapes_DEV_EN: {min: 60}
    "MMBench_*": {against: runs/main, by: test}
    CCBench: [{min: 40, model: tuned}, {against: runs/main, by: 1.5}]

`min` is in the unit of the tables. `by: test`, the default, fails where the run is significantly worse, with
Holm's method over all gates of the matrix; `by: 1.5` also where it is worse by more than 1.5 points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import RunFolderError, UnknownName, UsageError, UserError
from vlmbench.model_names import folder_of
from vlmbench.report.matrix.cells import GateResult, MatrixCell
from vlmbench.report.tables import figure_text
from vlmbench.store import RUN

if TYPE_CHECKING:
    from vlmbench.leaderboards.compare.nouns import Comparison

KEYS = ("min", "against", "by", "model", "setting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate; `*` in a name stands for anything."""

    benchmark: str
    model: str = "*"
    setting: str = "*"
    least: float | None = None
    """In the unit of the tables."""
    against: Path | None = None
    points: float | None = None
    """The largest loss that passes, significant or not; None: only the test decides."""

    def fits(self, cell: MatrixCell) -> bool:
        """Whether it holds for that cell; a model goes by the name of its runs, or as it is named."""
        own = cell.name.removesuffix(f"/{cell.setting}") if cell.setting else cell.name
        return (
            fnmatchcase(cell.benchmark, self.benchmark)
            and fnmatchcase(cell.setting, self.setting)
            and any(fnmatchcase(name, self.model) for name in (own, cell.model))
        )

    @property
    def words(self) -> str:
        """What it asks for."""
        if self.least is not None:
            return f"at least {self.least:g}"
        also = "" if self.points is None else f", nor worse by more than {self.points:g} points"
        return f"not significantly worse than {self.against}{also}"


def read_gates(given: Mapping[Any, Any], file: Path) -> list[Gate]:
    """The gates of a file, by benchmark."""
    found: list[Gate] = []
    for benchmark, values in given.items():
        for value in values if isinstance(values, list) else [values]:
            found += _gates(str(benchmark), value, file)
    return found


def _gates(benchmark: str, value: Any, file: Path) -> list[Gate]:
    """A gate, or two where both a least figure and a baseline are named."""
    key = f"gates.{benchmark}"
    if not isinstance(value, dict):
        raise UsageError("must be a mapping such as {min: 60}.", file=file, key=key)
    for name in value:
        if name not in KEYS:
            raise UnknownName("key of a gate", str(name), KEYS, fix=f"Correct it in {file}.")
    if "min" not in value and "against" not in value:
        raise UsageError("asks for nothing.", file=file, key=key, fix="Give `min` or `against`.")
    if "by" in value and "against" not in value:
        raise UsageError("`by` needs a run to compare with.", file=file, key=key, fix="Give `against`.")
    plain = Gate(
        benchmark=benchmark, model=str(value.get("model", "*")), setting=str(value.get("setting", "*"))
    )
    gates = []
    if "min" in value:
        gates.append(replace(plain, least=_number(value["min"], file, f"{key}.min")))
    if "against" in value:
        by = value.get("by", "test")
        points = None if by == "test" else _number(by, file, f"{key}.by", " or `test`")
        against = Path(str(value["against"])).expanduser()
        gates.append(replace(plain, against=against, points=points))
    return gates


def _number(value: Any, file: Path, key: str, more: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise UsageError(f"`{value}` is not a number from 0{more}.", file=file, key=key)
    return float(value)


def check_gates(gates: Sequence[Gate], benchmarks: Sequence[str]) -> None:
    """Refuse a gate on a benchmark that the matrix does not ask: it would never fail."""
    for gate in gates:
        if not any(fnmatchcase(name, gate.benchmark) for name in benchmarks):
            raise UnknownName("benchmark in this matrix", gate.benchmark, benchmarks, fix="Correct `gates`.")


def with_gates(
    cells: Sequence[MatrixCell], gates: Sequence[Gate], data_dir: Path | None, plugins: Sequence[Path]
) -> list[MatrixCell]:
    """The cells, each with what became of its gates."""
    pairs = [(gate, cell) for cell in cells for gate in gates if gate.fits(cell)]
    compared: list[Comparison | UserError | None] = [
        None if gate.against is None else _compared(gate.against, cell, data_dir, plugins)
        for gate, cell in pairs
    ]
    results = [
        (cell, _least(gate, cell) if found is None else _by_test(gate, found))
        for (gate, cell), found in zip(pairs, _adjusted(compared), strict=True)
    ]
    return [replace(cell, gates=tuple(r for of, r in results if of is cell)) for cell in cells]


def _least(gate: Gate, cell: MatrixCell) -> GateResult:
    headline = (cell.document or {}).get("headline")
    if headline is None or headline["value"] is None:
        why = cell.score if cell.score == "withheld" else cell.state
        return GateResult(gate=gate.words, state="undecided", reason=f"no figure: {why}")
    shown = headline["value"] * (100 if headline["unit"] == "fraction" else 1)
    # Rounded as the tables print it: 59.96 passes a gate at 60.
    passed = gate.least is not None and round(shown, 1) >= gate.least
    return GateResult(gate=gate.words, state="passed" if passed else "failed", reason=figure_text(headline))


def _by_test(gate: Gate, found: Comparison | UserError) -> GateResult:
    from vlmbench.leaderboards.compare.compare import regressions
    from vlmbench.leaderboards.compare.text import evidence

    if isinstance(found, UserError):
        return GateResult(gate=gate.words, state="undecided", reason=str(found))
    failed = regressions([found], gate.points)
    return GateResult(gate=gate.words, state="failed" if failed else "passed", reason=evidence(found))


def _compared(
    against: Path, cell: MatrixCell, data_dir: Path | None, plugins: Sequence[Path]
) -> Comparison | UserError:
    """The run against its baseline, or why that cannot be."""
    from vlmbench.leaderboards.compare.compare import compare
    from vlmbench.report.runs import open_run

    if cell.document is None:
        return RunFolderError(f"there is no run to compare: {cell.failure}")
    try:
        runs = [
            open_run(folder, data_dir=data_dir, plugins=plugins)
            for folder in (baseline(against, cell), Path(cell.folder))
        ]
        return compare(*runs, names=(str(against), cell.name))
    except UserError as error:
        return error


def baseline(against: Path, cell: MatrixCell) -> Path:
    """The run folder itself, else AGAINST/BENCH, else AGAINST/NAME/BENCH."""
    own = Path(cell.folder)
    names = dict.fromkeys((own.name, cell.benchmark))
    places = [
        against,
        *(folder / name for folder in (against, against / folder_of(cell.name)) for name in names),
    ]
    return next((place for place in places if (place / RUN).exists()), places[-1])


def _adjusted(found: Sequence[Comparison | UserError | None]) -> list[Comparison | UserError | None]:
    """The same with the p-values of all comparisons adjusted by Holm's method."""
    from vlmbench.leaderboards.compare.compare import with_holm
    from vlmbench.leaderboards.compare.nouns import Comparison

    adjusted = iter(with_holm(one for one in found if isinstance(one, Comparison)))
    return [next(adjusted) if isinstance(one, Comparison) else one for one in found]
