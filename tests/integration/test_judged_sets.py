"""MathVista, MM-Vet and LLaVA-Bench: answers kept without a judge, figures only with one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import Behaviour, Fault, chat_server, question_of
from tiny_models import picture

from vlmbench.api.run import judge
from vlmbench.cli.main import main
from vlmbench.report.runs import first_problem

PICTURE = base64.b64encode(picture(24, 24)).decode()
Rows = list[dict[str, str]]

MATH: Rows = [
    {"question": "Pick. (A) 3 (B) 5", "answer": "5", "question_type": "multi_choice", "answer_type": "text",
     "choices": "['3', '5']", "answer_option": "B", "skills": "['geometry']", "task": "puzzle"},
    {"question": "How many?", "answer": "7", "question_type": "free_form", "answer_type": "integer",
     "skills": "['geometry', 'counting']", "task": "puzzle"},
    {"question": "How long?", "answer": "1.5", "question_type": "free_form", "answer_type": "float",
     "precision": "1.0", "skills": "['counting']", "task": "figure"},
    {"question": "Which years?", "answer": "[2011, 2014]", "question_type": "free_form",
     "answer_type": "list", "skills": "['counting']", "task": "figure"},
    {"question": "Who?", "answer": "Ann", "question_type": "free_form", "answer_type": "text",
     "skills": "['counting']", "task": "figure"},
]  # fmt: skip
VET: Rows = [
    {"question": "What is x?", "answer": "-1 <AND> -5", "category": "ocr,math"},
    {"question": "Where?", "answer": "left", "category": "spat"},
]
WILD: Rows = [
    {
        "question": "What is this place?",
        "caption": "A crater.",
        "gpt4_ans": "Diamond Head.",
        "category": "conv",
    },
    {"question": "Describe it.", "caption": "A fridge.", "gpt4_ans": "A full fridge.", "category": "detail"},
]

Score = Callable[..., tuple[int, dict[str, Any]]]


def replying(part: str, reply: str | Fault, otherwise: str) -> Behaviour:
    """One reply to the prompts that hold a text, another one to the rest."""
    return lambda body, _before: reply if part in question_of(body) else otherwise


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    """Scores rows and answers under a name."""

    def scored(bench: str, rows: Rows, said: list[str], *more: str) -> tuple[int, dict[str, Any]]:
        columns = ["index", *dict.fromkeys(name for row in rows for name in row), "image"]
        table = [columns] + [
            [str(i), *[row.get(name, "") for name in columns[1:-1]], PICTURE] for i, row in enumerate(rows)
        ]
        (tmp_path / "data.tsv").write_text("".join("\t".join(line) + "\n" for line in table), "utf-8")
        lines = [json.dumps({"index": i, "prediction": text}) for i, text in enumerate(said)]
        (tmp_path / "said.jsonl").write_text("".join(line + "\n" for line in lines), "utf-8")
        files = ["--data", str(tmp_path / "data.tsv"), "--predictions", str(tmp_path / "said.jsonl")]
        judge._load.cache_clear()
        code = main(["score", "--bench", bench, *files, "--format", "json", *more])
        return code, json.loads(capsys.readouterr().out)

    return scored


@pytest.mark.parametrize(
    ("bench", "rows"),
    [("MathVista_MINI", MATH), ("MMVet", VET), ("LLaVABench", WILD)],
    ids=["math", "vet", "wild"],
)
def test_without_a_judge_there_is_no_number(bench: str, rows: Rows, score: Score) -> None:
    code, document = score(bench, rows, ["B"] * len(rows))
    assert code == 4
    assert document["needs_judge"] is True
    assert {r["headline"]["value"] for r in document["by_rules"].values()} == {None}


def test_a_run_keeps_its_answers_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["index\tquestion\tanswer\tcategory\timage", f"0\tWhere?\tleft\tspat\t{PICTURE}", ""]
    (tmp_path / "MMVet.tsv").write_text("\n".join(lines), "utf-8")
    out = tmp_path / "out"
    data = ["--data-dir", str(tmp_path), "--accept-local-data", "--out", str(out)]
    run = ["run", "--model", "echo:on the left", "--bench", "MMVet", *data]
    assert main(run) == 4
    shown = capsys.readouterr()
    assert "--judge openai:MODEL@URL" in shown.err
    assert "needs a judge" in shown.out
    assert main([*run, "--judge", "echo:0.7"]) == 0
    document = json.loads((out / "results.json").read_text("utf-8"))
    assert (document["headline"]["value"], document["timing"]["kept_from_before"]) == (0.7, 1)


def test_mathvista_asks_only_where_rules_read_nothing(score: Score) -> None:
    said = [
        "The answer is B",
        "The answer is 7.",
        "about 1.5 or so, I am not sure",
        "from 2011 to 2014",
        "It was Ann!",
    ]
    replies = {"How long?": "1.50", "Which years?": "[2011, 2014]", "Who?": "Ann", "How many?": "7"}
    behaviour: Behaviour = lambda body, _: next(  # noqa: E731
        reply for asked, reply in replies.items() if f"Question: {asked}\n" in question_of(body)
    )
    with chat_server(behaviour) as server:
        code, document = score("MathVista_MINI", MATH, said, "--judge", server.spec)
        assert len(server.bodies) == 4
    assert code == 0
    assert document["headline"]["value"] == 1.0
    assert document["judged"]["by_rules"] == {
        "strict": 3, "original": 0, "vlmevalkit": 4, "vlmevalkit-2025-08": 4, "vlmevalkit-2024": 4,
        "xtuner": 0,
    }  # fmt: skip
    # Texts and lists can never be right there.
    assert document["by_rules"]["vlmevalkit"]["headline"]["value"] == pytest.approx(3 / 5)
    assert {m["name"] for m in document["metrics"]} >= {"puzzle", "figure", "geometry", "counting"}


def test_mathvista_counts_what_the_judge_did_not_have_to_read(score: Score) -> None:
    _, table = score(
        "MathVista_MINI", MATH, ["A", "7", "x", "x", "x"], "--judge", "echo:7", "--format", "vlmevalkit"
    )
    overall = table["records"][0]
    assert (overall["tot"], overall["prefetch"], overall["hit"], overall["acc"]) == (5, 2, 1, 20.0)


def test_mmvet_grades_by_ability(score: Score) -> None:
    behaviour = replying("answer: -1", "0.5", "1")
    with chat_server(behaviour) as server:
        _, document = score("MMVet", VET, ["-1", "left"], "--judge", server.spec)
    figures = {m["name"]: m["value"] for m in document["metrics"] if m["level"] in ("overall", "ability")}
    assert figures == {"mean grade": 0.75, "ocr": 0.5, "math": 0.5, "spat": 1.0}


def test_mmvet_without_a_grade_in_the_reply_is_0_and_unparsed(score: Score) -> None:
    code, document = score("MMVet", VET, ["-1", "left"], "--judge", "echo:quite good")
    assert (code, document["headline"]["value"], document["unparsed"]["count"]) == (0, 0.0, 2)
    assert document["bounds"] == [0.0, 1.0]


def test_llavabench_is_the_ratio_of_the_means(score: Score) -> None:
    behaviour = replying("crater", "8 6\nbecause", "10 3")
    with chat_server(behaviour) as server:
        _, document = score("LLaVABench", WILD, ["A hill.", "Food."], "--judge", server.spec)
    figures = {m["name"]: m["value"] for m in document["metrics"]}
    assert figures["relative score"] == pytest.approx(9 / 18)
    assert (figures["conv"], figures["detail"]) == (pytest.approx(6 / 8), pytest.approx(3 / 10))


def test_llavabench_counts_unreadable_points_as_minus_1_only_where_that_toolkit_does(score: Score) -> None:
    behaviour = replying("crater", "8 6", "both are fine")
    with chat_server(behaviour) as server:
        _, document = score("LLaVABench", WILD, ["A hill.", "Food."], "--judge", server.spec)
    assert document["headline"]["value"] == pytest.approx(6 / 8)
    assert document["by_rules"]["vlmevalkit"]["headline"]["value"] == pytest.approx(5 / 7)


def test_where_the_judge_fails_the_row_is_an_error_and_not_a_zero(score: Score) -> None:
    refused = Fault(status=400, body=b'{"error": {"message": "filtered"}}')
    behaviour = replying("answer: -1", refused, "0.4")
    with chat_server(behaviour) as server:
        code, document = score("MMVet", VET, ["-1", "left"], "--judge", server.spec)
    assert (code, document["headline"]["value"], document["headline"]["n"]) == (4, 0.4, 1)
    assert document["judged"]["failed"] == 1


GRADES = {f"v1_{n}": {"model": ["gpt-4-0613"], "content": ["0.4"], "score": [0.4]} for n in (0, 1)}


def test_stored_grades_give_the_figure_and_say_whose_they_are(score: Score, tmp_path: Path) -> None:
    file = tmp_path / "model_grades.json"
    file.write_text(json.dumps(GRADES), "utf-8")
    code, document = score("MMVet", VET, ["-1", "left"], "--judgments", str(file), "--rules", "original")
    assert (code, document["headline"]["value"], document["headline"]["name"]) == (0, 40.0, "total")
    assert first_problem(document) is None
    stored = document["judged"]["judgments"]
    assert (stored["file"], stored["judge"], stored["rows"]) == (file.name, "gpt-4-0613", 2)
    assert stored["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert stored["by_rules"]["xtuner"] == 0
    assert document["judged"] | {"judgments": None} == {"count": 2, "model": None, "judgments": None}
    assert document["needs_judge"] is False


def test_the_table_names_the_file_of_judgments(
    tmp_path: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model_grades.json"
    file.write_text(json.dumps(GRADES), "utf-8")
    score("MMVet", VET, ["-1", "left"], "--judgments", str(file))
    files = ["--data", str(tmp_path / "data.tsv"), "--predictions", str(tmp_path / "said.jsonl")]
    assert main(["score", "--bench", "MMVet", *files, "--judgments", str(file)]) == 0
    assert "judgments from model_grades.json (gpt-4-0613): 2 rows" in capsys.readouterr().out


def test_a_judge_reads_what_the_file_lacks(score: Score, tmp_path: Path) -> None:
    file = tmp_path / "model_grades.json"
    file.write_text(json.dumps({"v1_0": GRADES["v1_0"]}), "utf-8")
    more = ["--judgments", str(file), "--judge", "echo:1.0"]
    code, document = score("MMVet", VET, ["-1", "left"], *more)
    assert (code, document["headline"]["value"]) == (0, 0.7)
    assert (document["judged"]["asked"], document["judged"]["judgments"]["rows"]) == (1, 1)
    assert document["judged"]["by_rules"]["strict"] == 1


def test_half_a_file_of_judgments_is_refused_unless_it_is_meant(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model_grades.json"
    file.write_text(json.dumps({"v1_0": GRADES["v1_0"]}), "utf-8")
    code, document = score("MMVet", VET, ["-1", "left"], "--judgments", str(file), "--allow-missing")
    assert (code, document["headline"]["value"]) == (4, None)
    files = ["--data", str(tmp_path / "data.tsv"), "--predictions", str(tmp_path / "said.jsonl")]
    assert main(["score", "--bench", "MMVet", *files, "--judgments", str(file)]) == 1
    assert "1 of 2 answers have no judgment in it: 1." in capsys.readouterr().err
