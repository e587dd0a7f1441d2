"""A run as a log that inspect_ai reads (`read_eval_log`, `inspect view`): JSON, log version 2.

It has no pictures: a sample names them by digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vlmbench.answers.thinking import bare
from vlmbench.domain import Response, Sample, Score
from vlmbench.draws import draw_ids
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import encodable
from vlmbench.report.exports.facts import (
    dataset_md5,
    decoding_of,
    library_version,
    question_text,
    stable_id,
    started,
    token_usage,
)

_STOP = {"stop": "stop", "length": "max_tokens", "error": "unknown"}


def inspect_log(run: FinishedRun) -> dict[str, Any]:
    """The whole log, with a scorer for each rule set."""
    moment = started(run).isoformat()
    uuid = stable_id(run.benchmark, run.model, moment)
    samples = run.questions.samples
    scores: list[dict[str, dict[str, Score]]] = [{} for _ in run.passes]
    for number, by_rules in enumerate(run.passes):
        for rules, rows in by_rules.items():
            for row in rows:
                scores[number].setdefault(row.id, {})[rules] = row
    return {
        "version": 2,
        "status": "success" if run.whole else "error",
        "eval": _spec(run, uuid, moment, samples),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": _config(run)},
        "results": _results(run),
        "stats": {"started_at": moment, "completed_at": moment, "model_usage": {}},
        "samples": [
            _sample(run, sample, draw, one.get(sample.id, {}), uuid)
            for draw, one in enumerate(scores)
            for sample in samples
        ],
    }


def _spec(run: FinishedRun, uuid: str, moment: str, samples: tuple[Sample, ...]) -> dict[str, Any]:
    results = run.results
    return {
        "eval_id": uuid,
        "run_id": uuid,
        "task_id": uuid,
        "created": moment,
        "task": encodable(run.benchmark),
        "task_args": {"style": encodable(results["style"]), "rules": run.rules, "blind": results["blind"]},
        "dataset": {
            "name": encodable(run.benchmark),
            "samples": len(samples),
            "sample_ids": [encodable(sample.id) for sample in samples],
        },
        "model": encodable(run.model),
        "model_generate_config": _config(run),
        "config": {"limit": results["limit"], "epochs": run.draws},
        "packages": {"vlmbench": library_version(run)},
        "metadata": {"dataset md5": dataset_md5(run), "prompts": str(run.facts.get("prompts"))},
    }


def _config(run: FinishedRun) -> dict[str, Any]:
    decoding = decoding_of(run)
    if not decoding:
        return {}
    config = {"max_tokens": decoding.get("max_new_tokens"), "temperature": 0.0}
    if decoding.get("do_sample"):
        config |= {name: decoding.get(name) for name in ("temperature", "top_p", "seed")}
        config |= {name: decoding[name] for name in ("top_k",) if name in decoding}
    if "stop" in decoding:
        config["stop_seqs"] = decoding["stop"]
    return config | {name: decoding[name] for name in ("presence_penalty",) if name in decoding}


def _results(run: FinishedRun) -> dict[str, Any]:
    # An epoch is a draw of every question.
    rows, reducer = run.results.get("draws", run.results["rows"]), "mean" if run.draws > 1 else None
    return {
        "total_samples": rows["asked"],
        "completed_samples": rows["answered"],
        "scores": [
            {"name": rules, "scorer": rules, "reducer": reducer, "metrics": _metrics(part["metrics"])}
            for rules, part in run.results["by_rules"].items()
        ],
    }


def _metrics(figures: list[Mapping[str, Any]]) -> dict[str, Any]:
    known = [figure for figure in figures if figure["value"] is not None]
    names = figure_names([(figure["name"], figure["level"]) for figure in known])
    return {
        name: {
            "name": name,
            "value": figure["value"],
            "metadata": {key: figure[key] for key in ("level", "unit", "stderr", "ci95", "n")},
        }
        for name, figure in zip(names, known, strict=True)
    }


def figure_names(figures: Iterable[tuple[str, str]]) -> list[str]:
    """Names of figures by name and level; where two have one name, the later is called `LEVEL: NAME`."""
    names: dict[str, None] = {}
    for name, level in figures:
        names[encodable(name if encodable(name) not in names else f"{level}: {name}")] = None
    return list(names)


def _sample(
    run: FinishedRun, sample: Sample, draw: int, scores: Mapping[str, Score], uuid: str
) -> dict[str, Any]:
    own = draw_ids(sample.id, draw + 1)[draw]
    response = run.responses.get(own)
    question = encodable(question_text(sample))
    document: dict[str, Any] = {
        "id": encodable(sample.id),
        "epoch": draw + 1,
        "uuid": stable_id(uuid, own),
        "input": question,
        "choices": [encodable(text) for text in sample.choices.values()] or None,
        "target": [encodable(text) for text in sample.references] or "",
        "messages": [{"role": "user", "content": question}],
        "scores": {rules: _score(score) for rules, score in scores.items() if score.value is not None},
        "metadata": {
            "group": encodable(sample.group),
            "pictures": list(sample.images),
            **{encodable(level): encodable(text) for level, text in sample.categories.items()},
        },
    }
    if response is None or response.finish == "error":
        why = encodable((response.error if response else sample.problem) or "not answered")
        return document | {"error": {"message": why, "traceback": why, "traceback_ansi": why}}
    answer = {"role": "assistant", "content": _content(response), "source": "generate"}
    output = _output(run, response, answer)
    return document | {"messages": [*document["messages"], answer], "output": output}


def _content(response: Response) -> str | list[dict[str, Any]]:
    """The answer, after the thought in a part of its own."""
    if response.thought is None:
        return encodable(response.text)
    words = bare(response.thought, response.answer_at)
    return [
        {"type": "reasoning", "reasoning": encodable(words)},
        {"type": "text", "text": encodable(response.text)},
    ]


def _output(run: FinishedRun, response: Response, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": encodable(run.model),
        "choices": [{"message": answer, "stop_reason": _STOP[response.finish]}],
        "completion": encodable(response.text),
        "usage": token_usage(response),
        "time": response.seconds,
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "value": score.value,
        "answer": None if score.extracted is None else encodable(score.extracted),
        "explanation": encodable(score.reason),
        "metadata": {"judged": score.judged},
    }
