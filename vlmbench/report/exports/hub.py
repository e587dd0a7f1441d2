"""Result files for the Hub: a model card's front matter, and `.eval_results/*.yaml`.

huggingface_hub's own classes write both, so the Hub can read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlmbench.finished import FinishedRun
from vlmbench.plain_text import encodable
from vlmbench.report.exports.facts import must_be_whole, setup_line, shown_value, started

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

TASK = "image-text-to-text"


def model_card(run: FinishedRun, *, model_name: str, dataset: str | None = None) -> str:
    """Front matter for a README.md: every figure of the run's rule set, then the other headlines."""
    from huggingface_hub import ModelCardData

    results = card_results(run, dataset=dataset)
    card = ModelCardData(model_name=encodable(model_name), eval_results=results)
    return f"---\n{card.to_yaml()}\n---\n"


def card_results(run: FinishedRun, *, dataset: str | None = None) -> list[EvalResult]:
    """The same figures as the Hub's own class."""
    from huggingface_hub import EvalResult

    must_be_whole(run)
    figures = [(rules, part["headline"]) for rules, part in run.results["by_rules"].items()]
    figures += [(run.rules, figure) for figure in run.results["metrics"][1:]]
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=encodable(dataset or run.benchmark),
            dataset_name=encodable(run.benchmark),
            metric_type="accuracy" if "accuracy" in figure["name"] else "score",
            metric_name=encodable(f"{figure['name']} ({rules})"),
            metric_value=shown_value(figure["value"], figure["unit"]),
            metric_args=_args(figure, rules),
        )
        for rules, figure in sorted(figures, key=lambda pair: pair[0] != run.rules)
        if figure["value"] is not None
    ]


def eval_results(
    run: FinishedRun, *, dataset: str, task: str = "default", source_url: str | None = None
) -> str:
    """One entry for `.eval_results/NAME.yaml` in a model's repository; the value as tables print it."""
    return entries_text([eval_result_entry(run, dataset=dataset, task=task, source_url=source_url)])


def eval_result_entry(
    run: FinishedRun, *, dataset: str, task: str = "default", source_url: str | None = None
) -> EvalResultEntry:
    """The same as the Hub's own class."""
    from huggingface_hub import EvalResultEntry

    must_be_whole(run)
    headline = run.results["headline"]
    return EvalResultEntry(
        dataset_id=dataset,
        task_id=task,
        value=shown_value(headline["value"], headline["unit"]),
        date=started(run).isoformat(),
        source_url=source_url,
        source_name="vlmbench run" if source_url else None,
        notes=setup_line(run),
    )


def entries_text(entries: list[EvalResultEntry]) -> str:
    """A file of `.eval_results`."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    return yaml.safe_dump(
        eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000
    )


def _args(figure: dict[str, Any], rules: str) -> dict[str, Any]:
    """Rule set, n, level and interval of a figure, the interval in the unit of the value."""
    args: dict[str, Any] = {"rules": rules, "n": figure["n"], "level": figure["level"]}
    if figure["ci95"] is not None:
        args["ci95"] = [shown_value(end, figure["unit"]) for end in figure["ci95"]]
    return args
