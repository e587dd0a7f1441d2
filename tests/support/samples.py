"""Questions and runs made up for tests."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.domain import RULE_SETS, Card, DataFile, Metric, Response, Run, RunSpec, Sample, Score

COLUMNS = ("index", "question", "hint", "A", "B", "C", "answer", "category", "image", "l2-category", "split")


def sample(index: str, **cells: str) -> Sample:
    """A circular question as the benchmarks make it from its cells."""
    cells = {"index": index, "question": "What is it?", "A": "a cat", "B": "a dog", **cells}
    number = int(index) % 1_000_000 if index.isdigit() else index
    return Sample(
        id=index,
        question=cells["question"],
        group=str(number),
        hint=cells.get("hint"),
        choices={name: text for name, text in cells.items() if len(name) == 1},
        references=(cells["answer"],) if "answer" in cells else (),
        split=cells.get("split"),
        categories={name: cells[name] for name in ("l2-category", "category") if name in cells},
        cells=cells,
    )


def rotated(questions: int, **cells: str) -> list[Sample]:
    """Two rotations of each question, base rows first."""
    turned = {**cells, "A": "a dog", "B": "a cat"}
    return [sample(str(i), **cells) for i in range(questions)] + [
        sample(str(1_000_000 + i), **turned) for i in range(questions)
    ]


def metric(name: str, value: float | None = 0.614, **more: object) -> Metric:
    """A figure with an interval around it."""
    known = value is not None
    values: dict[str, object] = {
        "name": name,
        "split": None,
        "level": "overall",
        "value": value,
        "n": 1164 if known else 0,
        "rows": 4329 if known else 0,
        "stderr": 0.0143 if known else None,
        "ci95": None if value is None else (max(0.0, value - 0.028), min(1.0, value + 0.028)),
        **more,
    }
    return Metric(**values)  # type: ignore[arg-type]


def run(
    samples: list[Sample],
    metrics: list[Metric],
    texts: Mapping[str, str | None] | None = None,
    *,
    name: str = "Shapes_DEV_EN",
    model: str = "demo",
    limit: int | None = None,
    blind: bool = False,
    timing: Mapping[str, object] | None = None,
) -> Run:
    """A run with these figures under every rule set. A text of None is a failed request."""
    said = dict.fromkeys((s.id for s in samples), "A") if texts is None else texts
    responses = {
        i: Response(id=i, text=t or "", finish="stop" if t is not None else "error", error=None if t else "!")
        for i, t in said.items()
    }
    return Run(
        spec=RunSpec(model=model, benchmark=name, style="llava", limit=limit, blind=blind),
        card=Card(
            name=name, measures="", family="multiple-choice", file=DataFile(name="x.tsv"), circular=True
        ),
        facts={},
        columns=COLUMNS,
        samples=tuple(samples),
        responses=responses,
        scores={rules: tuple(score(s, said.get(s.id), rules) for s in samples) for rules in RULE_SETS},
        metrics={rules: tuple(metrics) for rules in RULE_SETS},
        partial=limit is not None,
        timing=timing or {"asked": len(said), "seconds": 1.5},
    )


def score(question: Sample, text: str | None, rules: str) -> Score:
    """Right when the text is the reference; `?` and nothing are unparsed."""
    found = text if text not in (None, "", "?") else None
    value = None if text is None or not question.references else float(found == question.references[0])
    return Score(id=question.id, group=question.group, rules=rules, extracted=found, value=value)
