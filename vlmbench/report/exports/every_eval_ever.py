"""Every Eval Ever (schema 0.3.0): figures as JSON and rows as JSONL, in its datastore's layout.

data/BENCHMARK/DEVELOPER/MODEL/UUID.json and UUID_samples.jsonl
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from vlmbench.answers.responses import written
from vlmbench.domain import Response, Sample, Score
from vlmbench.draws import draw_ids
from vlmbench.errors import UsageError
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import encodable
from vlmbench.report.exports.facts import (
    dataset_md5,
    decoding_of,
    library_version,
    model_facts,
    must_be_scored,
    question_text,
    setup_line,
    stable_id,
    started,
    token_usage,
)

VERSION = "0.3.0"
_PART = re.compile(r"[A-Za-z0-9][\w.+=-]*")
_ROWS = ("row accuracy", "accuracy", "aAcc")
"""Figures that are means of rows: single rows are filed under the first of them, else under the headline."""


def default_model_id(name: str) -> str:
    """The name where it is a Hub id; for a local folder `local/` and its last part."""
    if name.count("/") == 1 and all(map(_PART.fullmatch, name.split("/"))):
        return name
    served = re.fullmatch(
        r"(?:openai|responses|anthropic|gemini):(.+?)(?:@https?://.*)?", name, re.IGNORECASE
    )
    last = re.split(r"[/\\]", (served[1] if served else name).rstrip("/\\"))[-1]
    return f"local/{_safe(last) or 'model'}"


def every_eval_ever(
    run: FinishedRun, *, model_id: str | None = None, organization: str = "unknown"
) -> dict[PurePosixPath, str]:
    """Both files by path; a UsageError where `model_id` is not DEVELOPER/MODEL."""
    must_be_scored(run)
    model = model_id or default_model_id(run.model)
    if model.count("/") != 1 or not all(map(_PART.fullmatch, model.split("/"))):
        raise UsageError(f"`{model}` is not of the form DEVELOPER/MODEL.", key="--model-id")
    folder = PurePosixPath("data", _safe(run.benchmark) or "benchmark", model)
    moment = str(int(started(run).timestamp()))
    uuid = stable_id(run.benchmark, model, moment, run.rules)
    evaluation = encodable(f"{run.benchmark}/{model}/{moment}")
    figures = [figure for figure in run.results["metrics"] if figure["value"] is not None]
    joined = next((n for n, figure in enumerate(figures) if figure["name"] in _ROWS), 0)
    keys = {"schema_version": VERSION, "evaluation_id": evaluation}
    rows = [
        {**keys, "model_id": model, "evaluation_result_id": f"{uuid}:{joined}", **row}
        for row in _rows(run, figures[joined]["name"])
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    results = [_result(run, figure, f"{uuid}:{number}") for number, figure in enumerate(figures)]
    document = {
        **keys,
        "evaluation_timestamp": started(run).isoformat(),
        "retrieved_timestamp": moment,
        "source_metadata": _source(run, organization),
        "eval_library": {"name": "vlmbench", "version": library_version(run)},
        "model_info": _model(run, model),
        "evaluation_results": results,
    }
    if rows:
        document["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": str(folder / f"{uuid}_samples.jsonl"),
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(lines.encode()).hexdigest(),
            "total_rows": len(rows),
        }
    files = {folder / f"{uuid}.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n"}
    return files | ({folder / f"{uuid}_samples.jsonl": lines} if rows else {})


def _safe(text: str) -> str:
    """The text as one part of a path."""
    return re.sub(r"[^A-Za-z0-9_.+=-]+", "_", text).strip("._")


def _source(run: FinishedRun, organization: str) -> dict[str, Any]:
    return {
        "source_name": "vlmbench",
        "source_type": "evaluation_run",
        "source_organization_name": organization,
        "evaluator_relationship": "other",
        "additional_details": {
            "setup": setup_line(run),
            "complete": str(run.whole).lower(),
            "partial": str(run.results["partial"]).lower(),
            "blind": str(run.results["blind"]).lower(),
        },
    }


def _model(run: FinishedRun, model_id: str) -> dict[str, Any]:
    facts = model_facts(run)
    info: dict[str, Any] = {
        "name": encodable(run.model),
        "id": model_id,
        "developer": model_id.split("/")[0],
        "additional_details": {
            "deployment_type": "self_deployed" if facts.get("files") else "unknown",
            "model_availability": "unknown",
            "facts": encodable(json.dumps(facts, ensure_ascii=False, sort_keys=True, default=str)),
        },
    }
    if version := facts.get("transformers"):
        info["inference_engine"] = {"name": "transformers", "version": str(version)}
    return info


def _result(run: FinishedRun, figure: Mapping[str, Any], key: str) -> dict[str, Any]:
    fraction = figure["unit"] == "fraction"
    name = run.benchmark if figure["level"] == "overall" else f"{run.benchmark}/{figure['name']}"
    decoding = decoding_of(run)
    sampled = decoding.get("temperature") if decoding.get("do_sample") else 0.0
    arguments = {
        "temperature": sampled if decoding else None,
        "max_tokens": decoding.get("max_new_tokens"),
    }
    return {
        "evaluation_result_id": key,
        "evaluation_name": encodable(name),
        "source_data": {
            "dataset_name": encodable(run.benchmark),
            "source_type": "other",
            "additional_details": {"md5": dataset_md5(run), "prompts": str(run.facts.get("prompts", ""))},
        },
        "metric_config": {
            "metric_id": f"vlmbench.{_safe(figure['name']).lower() or 'score'}",
            "metric_name": encodable(figure["name"]),
            "metric_unit": "proportion" if fraction else encodable(figure["unit"]),
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0 if fraction else "-Infinity",
            "max_score": 1.0 if fraction else "Infinity",
            "additional_details": {"rules": run.rules, "level": encodable(figure["level"])},
        },
        "score_details": {"score": figure["value"], "uncertainty": _uncertainty(figure)},
        "generation_config": {
            "generation_args": {name: value for name, value in arguments.items() if value is not None},
            "additional_details": {"prompt_style": encodable(str(run.results["style"]))},
        },
    }


def _uncertainty(figure: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"num_samples": figure["n"]}
    if figure["stderr"] is not None:
        found["standard_error"] = {"value": figure["stderr"], "method": "analytic"}
    if figure["ci95"] is not None:
        low, high = figure["ci95"]
        found["confidence_interval"] = {"lower": low, "upper": high, "confidence_level": 0.95}
    return found


def _rows(run: FinishedRun, name: str) -> Iterator[dict[str, Any]]:
    """One for each answer: of several draws, each under an id of its own."""
    asked = {sample.id: sample for sample in run.questions.samples}
    answers = run.responses
    for number, scores in enumerate(run.passes):
        for score in scores[run.rules]:
            own = draw_ids(score.id, number + 1)[number]
            if score.value is not None and score.id in asked and own in answers:
                yield _row(score, asked[score.id], answers[own], encodable(f"{run.benchmark}/{name}"))


def _row(score: Score, sample: Sample, response: Response, name: str) -> dict[str, Any]:
    reference = list(map(encodable, sample.references))
    question = encodable(question_text(sample))
    return {
        "evaluation_name": name,
        "sample_id": encodable(response.id),
        "sample_hash": hashlib.sha256("".join((question, *reference)).encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": question,
            "reference": reference,
            "choices": [encodable(text) for text in sample.choices.values()] or None,
        },
        "output": {"raw": [encodable(written(response))]},
        "messages": None,
        "answer_attribution": _attribution(score),
        "evaluation": {"score": score.value, "is_correct": score.value == 1},
        "token_usage": token_usage(response),
        "performance": None if response.seconds is None else {"latency_ms": response.seconds * 1000},
        "metadata": {
            "group": encodable(score.group),
            "rules": score.rules,
            "pictures": " ".join(sample.images),
            **{encodable(level): encodable(text) for level, text in sample.categories.items()},
        },
    }


def _attribution(score: Score) -> list[dict[str, Any]]:
    if score.extracted is None:
        return []
    found = {"turn_idx": 0, "source": "output.raw", "extracted_value": encodable(score.extracted)}
    method = "llm_judge" if score.judged else encodable(f"vlmbench {score.rules}: {score.reason}")
    return [{**found, "extraction_method": method, "is_terminal": True}]
