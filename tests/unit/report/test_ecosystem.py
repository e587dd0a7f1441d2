"""Result files for other tools, read back by those tools where they are installed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from ecosystem_runs import HOSTILE, SITTING, good_run, hostile_run
from huggingface_hub import ModelCard, parse_eval_result_entries
from repository import ROOT

from vlmbench.errors import RunFolderError, UsageError
from vlmbench.finished import FinishedRun
from vlmbench.report.exports.every_eval_ever import default_model_id, every_eval_ever
from vlmbench.report.exports.hub import eval_results, model_card
from vlmbench.report.exports.inspect_ai import inspect_log
from vlmbench.report.results import results_schema

DOCS = ROOT / "docs"


@pytest.fixture
def run() -> FinishedRun:
    return good_run()


@pytest.fixture
def hostile() -> FinishedRun:
    return hostile_run()


def test_the_schema_in_docs_is_the_packaged_one() -> None:
    assert json.loads((DOCS / "results-schema.json").read_text("utf-8")) == results_schema()


def test_the_hub_reads_the_model_card_back(run: FinishedRun) -> None:
    card = ModelCard(model_card(run, model_name="me/mine", dataset="owner/set"))
    assert card.data.model_name == "me/mine"
    found = card.data.eval_results
    assert found is not None
    assert (found[0].metric_value, found[0].metric_name) == (66.67, "circular accuracy (strict)")
    assert (found[0].dataset_type, found[0].dataset_name) == ("owner/set", "Shapes_DEV_EN")
    assert {r.metric_args["rules"] for r in found if r.metric_args} == set(run.results["by_rules"])


def test_eval_results_are_read_back_by_the_hubs_own_parser(run: FinishedRun) -> None:
    text = eval_results(run, dataset="owner/set", task="dev", source_url="https://example.org/run")
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("owner/set", "dev", 66.67)
    assert entry.date == SITTING["started"]
    assert entry.notes is not None
    assert "rules strict, prompt llava, n 30, 95 %" in entry.notes


@pytest.mark.parametrize("change", [{"partial": True}, {"blind": True}, {"complete": False}])
def test_a_figure_that_is_not_the_benchmarks_is_not_published(
    run: FinishedRun, change: dict[str, Any]
) -> None:
    other = replace(run, results={**run.results, **change})
    for publish in (
        lambda: model_card(other, model_name="m"),
        lambda: eval_results(other, dataset="owner/set"),
    ):
        with pytest.raises(RunFolderError, match="its figure is not one of the whole Shapes_DEV_EN"):
            publish()


def test_a_run_without_a_figure_is_refused(run: FinishedRun) -> None:
    headline = {**run.results["headline"], "value": None}
    other = replace(run, results={**run.results, "headline": headline, "withheld": True})
    with pytest.raises(RunFolderError, match="withheld"):
        every_eval_ever(other)


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        ("/models/tuned/", "local/tuned"),
        ("openai:org/gpt@http://host/v1", "local/gpt"),
        ("..", "local/model"),
        (HOSTILE, "local/b_=cmd_---_x_y_z"),
    ],
)
def test_a_model_without_a_hub_name_is_local(name: str, known_as: str) -> None:
    assert default_model_id(name) == known_as


def test_a_model_id_is_a_developer_and_a_model(run: FinishedRun) -> None:
    for wrong in ("mine", "../x", "a/b/c", "a/"):
        with pytest.raises(UsageError, match="DEVELOPER/MODEL"):
            every_eval_ever(run, model_id=wrong)


def test_equal_runs_make_equal_files(run: FinishedRun) -> None:
    assert every_eval_ever(run) == every_eval_ever(run)
    assert inspect_log(run) == inspect_log(run)


def test_every_eval_ever_has_a_line_for_every_scored_row(run: FinishedRun, hostile: FinishedRun) -> None:
    (document, lines) = every_eval_ever(run).values()
    rows = [json.loads(line) for line in lines.splitlines()]
    assert json.loads(document)["detailed_evaluation_results"]["total_rows"] == len(rows) == 60
    assert rows[0]["input"]["raw"] == "What is it?\nA. a cat\nB. a dog"
    assert sum(row["evaluation"]["is_correct"] for row in rows) == 50
    assert len(list(every_eval_ever(hostile).values())[1].splitlines()) == 5  # one request failed


def test_an_inspect_sample_has_question_answer_and_every_rule_set(run: FinishedRun) -> None:
    log = inspect_log(run)
    sample = log["samples"][0]
    assert (sample["target"], sample["choices"]) == (["A"], ["a cat", "a dog"])
    assert [m["role"] for m in sample["messages"]] == ["user", "assistant"]
    assert set(sample["scores"]) == set(run.scores)
    assert log["eval"]["model_generate_config"] == {"max_tokens": 512, "temperature": 0.0}


def test_a_failed_request_is_an_error_of_its_sample(hostile: FinishedRun) -> None:
    failed = next(s for s in inspect_log(hostile)["samples"] if s["id"] == "1")
    assert failed["error"]["message"] == "!"
    assert failed["scores"] == {}
    assert "output" not in failed


def test_hostile_texts_are_only_text(hostile: FinishedRun) -> None:
    whole = replace(hostile, results={**hostile.results, "complete": True})
    read = ModelCard(model_card(whole, model_name=HOSTILE)).data
    assert read.model_name == HOSTILE.replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    (entry,) = yaml.safe_load(eval_results(whole, dataset="owner/set"))
    assert entry["value"] == 50.0
    for text in (*every_eval_ever(hostile).values(), json.dumps(inspect_log(hostile), ensure_ascii=False)):
        text.encode()


def test_a_run_that_does_not_say_when_is_refused(run: FinishedRun) -> None:
    with pytest.raises(RunFolderError, match="no time at which the run started"):
        inspect_log(replace(run, sittings=({"started": HOSTILE},)))
