"""`vlmbench score` with files of every origin: what it says of them, and what it makes of bad ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from repository import ROOT

from vlmbench.cli.main import main
from vlmbench.report.results import results_schema

PAGE = ROOT / "docs" / "predictions.md"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(name: str, *rows: dict[str, object]) -> str:
    header = list(dict.fromkeys(key for row in rows for key in row))
    lines = [header, *([str(row.get(key, "")) for key in header] for row in rows)]
    Path(name).write_text("".join("\t".join(line) + "\n" for line in lines), "utf-8")
    return name


def written(name: str, *records: Any) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return name


class Score:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def error(self, bench: str, data: str, predictions: str, *more: str) -> str:
        command = ["score", "--bench", bench, "--data", data, "--predictions", predictions, *more]
        assert main(command) == 1
        out, err = self.capsys.readouterr()
        assert not out
        *doing, error = err.strip().splitlines()
        assert all(line.startswith("scoring ") for line in doing)
        return error

    def json(self, bench: str, data: str, predictions: str, *more: str, code: int = 0) -> dict[str, Any]:
        command = ["score", "--bench", bench, "--data", data, "--predictions", predictions, *more]
        assert main([*command, "--format", "json"]) == code
        out, err = self.capsys.readouterr()
        assert [line.split()[0] for line in err.splitlines()] == ["scoring"]
        document: dict[str, Any] = json.loads(out)
        jsonschema.validate(document, results_schema())
        return document

    def line(self, bench: str, data: str, predictions: str) -> str:
        main(["score", "--bench", bench, "--data", data, "--predictions", predictions])
        return self.capsys.readouterr().err.partition("\n")[2]


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Score:
    return Score(capsys)


def choice(index: object, answer: str = "A", **more: object) -> dict[str, object]:
    return {
        "index": index,
        "question": f"Which is {index}?",
        "A": "cat",
        "B": "dog",
        "answer": answer,
        **more,
    }


def llava(question_id: object, prompt: str, text: str) -> dict[str, object]:
    return {"question_id": question_id, "prompt": prompt, "text": text, "model_id": "m", "metadata": {}}


def test_the_format_is_said_in_one_line_and_in_the_document(score: Score) -> None:
    data = table("d.tsv", choice(1), choice(2, "B"))
    said = written("p.jsonl", *(llava(n, f"Which is {n}?", "A") for n in (1, 2)))
    line = score.line("MMStar", data, said)
    assert line == "vlmbench: read p.jsonl as LLaVA's answers: 2 answers, `text`, matched by index.\n"
    document = score.json("MMStar", data, said)
    assert document["headline"]["value"] == 0.5
    assert document["predictions"] == {
        "format": "LLaVA's answers", "used": "`text`", "rows": 2, "matched_by": "index", "notes": [],
    }  # fmt: skip


def test_a_table_is_named_by_its_suffix_and_column(score: Score) -> None:
    data = table("d.tsv", choice(1))
    Path("p.csv").write_text("id,response\n1,A\n", "utf-8")
    assert "as table (csv): 1 answer, `response`, matched by index" in score.line("MMStar", data, "p.csv")


def test_mme_is_read_from_llava_s_file_and_from_its_own_folder(score: Score) -> None:
    ask = " Please answer yes or no."
    asked = [("count", "Are there 2 cats?", "Yes"), ("count", "Are there 3 cats?", "No")]
    asked += [("color", "Is it red?", "Yes"), ("color", "Is it blue?", "No")]
    rows = [
        {"index": n, "category": c, "question": q + ask, "answer": a, "image_path": f"{c}/1.png", "image": ""}
        for n, (c, q, a) in enumerate(asked)
    ]
    data = table("MME.tsv", *rows)
    prompted = (
        llava(f"{c}/1.png", f"{q}\nAnswer the question using a single word or phrase.", a)
        for c, q, a in asked[::-1]
    )
    llavas = written("llava.jsonl", *prompted)
    for category in ("count", "color"):
        lines = (f"1.txt\t{q} {ask}\t{a}\t{a}\n" for c, q, a in asked if c == category)
        written(f"tool/{category}.txt")
        Path(f"tool/{category}.txt").write_text("".join(lines), "utf-8")
    for said in (llavas, "tool"):
        document = score.json("MME", data, said)
        assert document["predictions"]["matched_by"] == "picture and question"
        assert {m["name"]: m["value"] for m in document["metrics"]}["count"] == 200.0


def test_a_split_that_the_file_leaves_out_makes_the_run_partial(score: Score) -> None:
    rows = [choice(n, split="validation" if n else "dev", id=f"validation_Art_{n}") for n in range(3)]
    data = table("d.tsv", *rows)
    subject = [
        {"id": f"validation_Art_{n}", "question_type": "multiple-choice", "response": "A"} for n in (1, 2)
    ]
    written("m/Art/output.json", subject)
    document = score.json("MMMU_DEV_VAL", data, "m")
    assert document["predictions"]["format"] == "MMMU's folder of output.json"
    assert document["predictions"]["matched_by"] == "column `id`"
    assert document["predictions"]["notes"] == ["no answer to the split `dev`, whose 1 question is left out"]
    assert (document["partial"], document["complete"], document["headline"]["value"]) == (True, True, 1.0)
    assert "--predictions m" in score.error("MMMU_DEV_VAL", data, ".")


def test_an_lmms_eval_log_is_matched_by_what_its_metrics_say(score: Score) -> None:
    data = table("d.tsv", choice(10), choice(11, "B"))
    options = "A. cat\nB. dog"
    log = [
        {"doc_id": n, "input": f"Which is {i}?\n{options}", "filtered_resps": "A", "submission": {"index": i}}
        for n, i in enumerate((11, 10))
    ]
    document = score.json("MMStar", data, written("1_samples_x.jsonl", *log))
    assert (document["predictions"]["matched_by"], document["headline"]["value"]) == ("index", 0.5)


def test_every_scienceqa_question_has_a_name_and_the_page_shows_how(score: Score) -> None:
    problem = {
        "question": "Which?",
        "choices": ["x", "y"],
        "answer": 1,
        "hint": "",
        "topic": "t",
        "subject": "s",
    }
    problems = {str(n): {**problem, "image": "image.png" if n % 2 else None} for n in range(4)}
    written("problems.json", problems)
    written("pid_splits.json", {"test": ["1", "2", "3"], "train": ["0"]})
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    said = written("r.json", {"acc": 1, "results": {}, "outputs": {"1": "B", "2": "A", "3": "B"}})
    document = score.json("ScienceQA_TEST_ALL", "ScienceQA_TEST_ALL.tsv", said)
    figures = {m["name"]: (m["value"], m["n"]) for m in document["metrics"]}
    assert figures["accuracy"] == (2 / 3, 3)
    assert figures["IMG-Accuracy"] == (1.0, 2)
    assert figures["accuracy without a picture"] == (0.0, 1)
    theirs = {m["name"]: m["value"] for m in document["by_rules"]["original"]["metrics"]}
    assert (theirs["accuracy"], theirs["IMG-Accuracy"]) == (2 / 3, 1.0)


# Bad input


def test_answers_to_another_version_are_not_scored(score: Score) -> None:
    data = table("d.tsv", *(choice(n) for n in range(4)))
    records = [{"index": n, "question": f"Was it {n}?", "prediction": "A"} for n in range(4)]
    error = score.error("MMStar", data, written("p.jsonl", *records))
    assert "4 of 4 belong to other questions" in error
    assert "Nothing was scored." in error


def test_half_the_rows_are_not_scored(score: Score) -> None:
    data = table("d.tsv", *(choice(n) for n in range(4)))
    error = score.error(
        "MMStar", data, written("p.jsonl", *({"index": n, "prediction": "A"} for n in range(2)))
    )
    assert "2 questions have no prediction, of 4: 2, 3. Nothing was scored. Add `--allow-missing`" in error


def test_a_file_of_another_benchmark_names_it(score: Score) -> None:
    data = table("d.tsv", *(choice(n) for n in range(4)))
    said = written("p.json", {f"validation_Art_{n}": "A" for n in range(4)})
    assert "Type `--bench MMMU_DEV_VAL`." in score.error("MMStar", data, said)
    said = written("q.jsonl", *({"index": n + 9000, "prediction": "A"} for n in range(2017)))
    assert "Type `--bench ScienceQA_TEST`" in score.error("MMStar", data, said)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"index": 0, "prediction": "A"},\n{"index": 1, "prediction": "A"},\n', "sed -i"),
        ('{"index": 0, "predicton": "A"}\n', "Did you mean `predicton`?"),
        (
            '{"index": 0, "predictions": "A", "text": "?"}\n',
            "did you mean `predictions`? `text` is there as well",
        ),
        ('{"indx": 0, "prediction": "A"}\n', "rename it to `index`"),
        ('{"index": 0, "prediction": {"text": "A"}}\n', "this is an object; a prediction is one text"),
        ('{"index": 0, "prediction": "A"', "cut off"),
    ],
)
def test_a_broken_file_says_how_to_mend_it(score: Score, content: str, complaint: str) -> None:
    data = table("d.tsv", choice(0), choice(1))
    Path("p.jsonl").write_text(content, "utf-8")
    assert complaint in score.error("MMStar", data, "p.jsonl")


def test_rows_without_options_are_named_and_not_scored(score: Score) -> None:
    said = written("p.jsonl", *({"index": n, "prediction": "A"} for n in range(3)))
    data = table("d.tsv", choice(0), choice(1, A="", B=""), choice(2))
    for bench in ("MMStar", "./d.tsv"):
        error = score.error(bench, data, said)
        assert "1 row has no options" in error
        assert "index 1" in error
        assert "Fill the columns A, B, …" in error
    bare = table("e.tsv", *({"index": n, "question": "Which?", "answer": "AB"[n % 2]} for n in range(3)))
    assert "3 rows have no options, and MMStar is multiple choice: index 0, 1, 2." in score.error(
        "MMStar", bare, said
    )
    error = score.error("./e.tsv", bare, said)
    assert "the answers are letters (A, B) and no row has options" in error
    assert "write `family: short-answer` into e.yaml" in error
    Path("e.yaml").write_text("family: short-answer\n", "utf-8")
    assert score.json("./e.tsv", bare, said)["headline"]["value"] == 2 / 3


def test_a_key_that_names_no_option_is_said(score: Score) -> None:
    data = table("d.tsv", choice(0), choice(1, "D"))
    said = written("p.jsonl", *({"index": n, "prediction": "A"} for n in range(2)))
    assert "the benchmark's own answer names no option: 1" in score.line("MMStar", data, said)


@pytest.mark.parametrize(
    "header",
    ["idx\tquestion\tA\tB\tanswer", "index\tquestoin\tA\tB\tanswer", "A\tB", "index,question,A", "x"],
)
def test_no_message_about_a_benchmark_s_header_says_a_word_twice(score: Score, header: str) -> None:
    Path("d.tsv").write_text(f"{header}\n", "utf-8")
    error = score.error("MMStar", "d.tsv", "none.jsonl").split("d.tsv: ")[1]
    names = re.findall("`([^`]*)`", error.partition("; it has ")[0])
    assert len(names) == len(set(names)) > 0
    words = re.findall(r"[A-Za-z]{4,}", re.sub("`[^`]*`|it has [^.]*", "", error).lower())
    assert len(words) == len(set(words)), error


def test_a_near_miss_in_a_benchmark_s_header_is_suggested(score: Score) -> None:
    Path("d.tsv").write_text("idx\tquestoin\tA\n1\tq\tx\n", "utf-8")
    error = score.error("MMStar", "d.tsv", "none.jsonl")
    assert "rename `idx` to `index` and rename `questoin` to `question`" in error
