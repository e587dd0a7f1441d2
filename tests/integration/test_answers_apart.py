"""Test sets whose answers were published in another file: `vlmbench score --answers` from the outside."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlmbench.cli.main import main
from vlmbench.report.runs import open_run

ROTATION = 1_000_000
OPTIONS = ("cat", "dog", "cow", "horse")
Question = tuple[str, str, Sequence[str], str]
"""Picture's colour, question, options, answer."""

BARN: Question = ("red", "Which animal is in front?", OPTIONS, "cow")
FIELD: Question = ("green", "Which animal is in front?", OPTIONS, "dog")
POND: Question = ("blue", "What colour is the water?", ("green", "blue"), "green")
YARD: Question = ("grey", "Who sits on the fence?", ("a boy", "a girl", "nobody"), "nobody")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(colour: str) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def rows(first: int, question: Question, *, answers: bool, pictures: bool = True) -> list[dict[str, str]]:
    """Every rotation of a question; the base row has the picture and the others name the base row."""
    colour, text, options, answer = question
    made = []
    for k in range(len(options)):
        turned = [options[(i - k) % len(options)] for i in range(len(options))]
        row = {"index": str(first + k * ROTATION), "question": text, "category": colour}
        row |= dict(zip("ABCD", turned, strict=False))
        if pictures:
            row["image"] = str(first) if k else picture(colour)
        if answers:
            row["answer"] = "ABCD"[turned.index(answer)]
        made.append(row)
    return made


def write(name: str, lines: Iterable[Mapping[str, str]]) -> str:
    lines = list(lines)
    header = list(dict.fromkeys(column for line in lines for column in line))
    text = "".join(
        "\t".join(row) + "\n" for row in [header, *([r.get(c, "") for c in header] for r in lines)]
    )
    Path(name).write_text(text, "utf-8")
    return name


def predict(answers: Mapping[str, str]) -> None:
    lines = (json.dumps({"index": index, "prediction": said}) for index, said in answers.items())
    Path("said.jsonl").write_text("\n".join(lines), "utf-8")


def v10(*questions: Question, pictures: bool = True) -> list[dict[str, str]]:
    made = [row for n, q in enumerate(questions) for row in rows(n, q, answers=False, pictures=pictures)]
    write("MMBench_TEST_EN.tsv", made)
    return made


def v11(*questions: Question) -> None:
    made = [row for n, q in enumerate(questions) for row in rows(7000 + n, q, answers=True)]
    write("MMBench_TEST_EN_V11.tsv", made)


def right(made: Sequence[Mapping[str, str]], *questions: Question) -> dict[str, str]:
    """What somebody says who knows the answers."""
    gold = {(text, colour): answer for colour, text, _, answer in questions}
    return {
        row["index"]: next(x for x in "ABCD" if row.get(x) == gold[row["question"], row["category"]])
        for row in made
    }


def score(*more: str, bench: str = "MMBench_TEST_EN") -> int:
    files = ["--bench", bench, "--data", f"{bench}.tsv", "--predictions", "said.jsonl"]
    return main(["score", *files, *more])


def scored(capsys: pytest.CaptureFixture[str], *more: str, bench: str = "MMBench_TEST_EN") -> Any:
    score("--format", "json", *more, bench=bench)
    return json.loads(capsys.readouterr().out)


def test_answers_of_v11_score_the_rows_of_v10(capsys: pytest.CaptureFixture[str]) -> None:
    made = v10(BARN, FIELD, POND, YARD)
    v11((*FIELD[:2], ("horse", "dog", "cat", "cow"), "dog"), YARD, BARN)
    said = right(made, BARN, FIELD, POND, YARD)
    predict({**said, "3": "A"})
    document = scored(capsys, "--answers", "MMBench_TEST_EN_V11.tsv")
    assert document["joined"] == {
        "file": "MMBench_TEST_EN_V11.tsv", "rows": 11, "of_rows": 13, "questions": 3, "of_questions": 4,
        "own": 0, "contradicted": 0, "not_joined": {"no question about this picture": 2},
    }  # fmt: skip
    assert (document["withheld"], document["complete"]) == (False, False)
    assert document["unscored"]["count"] == 1
    assert document["bounds"] == [0.5, 0.75]
    for rules, result in document["by_rules"].items():
        if rules != "original":
            assert (result["headline"]["value"], result["headline"]["n"]) == (pytest.approx(2 / 3), 3), rules


def test_the_table_says_what_was_joined_and_why_the_rest_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    predict(right(v10(BARN, POND), BARN, POND))
    v11(BARN, (POND[0], "Is it warm?", ("yes", "no"), "no"))
    assert score("--answers", "MMBench_TEST_EN_V11.tsv") == 4
    shown = capsys.readouterr().out
    assert "unparsed and unscored all wrong – all right: 50.0 – 100.0" in shown
    assert "answers of MMBench_TEST_EN_V11.tsv: 4 of 6 rows, 1 of 2 questions" in shown
    assert "not joined: 2 rows, this question is not asked of its picture" in shown


def test_without_stored_pictures_words_and_options_must_be_unique(capsys: pytest.CaptureFixture[str]) -> None:
    made = v10(BARN, FIELD, POND, pictures=False)
    v11(BARN, FIELD, POND)
    predict(right(made, BARN, FIELD, POND))
    joined = scored(capsys, "--answers", "MMBench_TEST_EN_V11.tsv")["joined"]
    assert (joined["rows"], joined["questions"]) == (2, 1)
    assert joined["not_joined"] == {"several questions read like this one": 8}


def test_the_file_is_looked_for_where_benchmark_files_are(capsys: pytest.CaptureFixture[str]) -> None:
    predict(right(v10(BARN), BARN))
    v11(BARN)
    Path("data").mkdir()
    Path("MMBench_TEST_EN_V11.tsv").rename("data/MMBench_TEST_EN_V11.tsv")
    answers = ["--answers", "MMBench_TEST_EN_V11.tsv"]
    assert scored(capsys, *answers, "--data-dir", "data")["headline"]["value"] == 1.0
    assert score(*answers) == 2
    assert "The file with the answers is at https://" in capsys.readouterr().err


def test_a_file_that_answers_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    predict(right(v10(BARN), BARN))
    v11(POND)
    assert score("--answers", "MMBench_TEST_EN_V11.tsv") == 1
    assert "answers none of the 1 questions" in capsys.readouterr().err
    write("MMBench_TEST_EN_V11.tsv", rows(7000, BARN, answers=False))
    assert score("--answers", "MMBench_TEST_EN_V11.tsv") == 1
    assert "no column `answer`" in capsys.readouterr().err


def test_without_the_flag_nothing_is_scored_and_the_command_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict(right(v10(BARN), BARN))
    assert score() == 0
    captured = capsys.readouterr()
    assert "withheld" in captured.out
    assert "--answers MMBench_TEST_EN_V11.tsv" in captured.err


def test_a_run_takes_the_answers_too_and_asks_nothing_again(capsys: pytest.CaptureFixture[str]) -> None:
    v10(BARN, FIELD)
    v11(BARN, POND)
    local = ["--data-dir", ".", "--accept-local-data"]
    command = ["run", "--model", "echo:B", "--bench", "MMBench_TEST_EN", *local, "--out", "run"]
    assert main(command) == 0
    assert "add `--answers MMBench_TEST_EN_V11.tsv` to score them" in capsys.readouterr().err
    assert Path("run/mmbench_result.xlsx").exists()
    assert main([*command, "--answers", "MMBench_TEST_EN_V11.tsv"]) == 4
    document = open_run(Path("run")).results
    assert (document["joined"]["rows"], document["headline"]["value"]) == (4, 0.0)
    assert document["timing"]["asked"] == 0
    assert main([*command, "Shapes_DEV_EN", "--answers", "MMBench_TEST_EN_V11.tsv"]) == 2


MMMU = [
    {
        "index": "1",
        "id": "test_Art_1",
        "question": "Who painted it?",
        "A": "Goya",
        "B": "Dix",
        "split": "test",
    },
    {"index": "2", "id": "test_Math_7", "question": "How many?", "A": "", "B": "", "split": "test"},
    {
        "index": "3",
        "id": "test_Art_2",
        "question": "Who carved it?",
        "A": "Goya",
        "B": "Dix",
        "split": "test",
    },
]


def test_mmmu_takes_its_authors_answers_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    write("MMMU_TEST.tsv", MMMU)
    key = {
        "test_Art_1": {"question_type": "multiple-choice", "ground_truth": "B"},
        "test_Math_7": {"question_type": "short-answer", "ground_truth": ["4", "four"]},
        "test_Art_2": {"question_type": "multiple-choice", "ground_truth": "A"},
    }
    Path("answer_dict_test.json").write_text(json.dumps(key), "utf-8")
    predict({"1": "B", "2": "There are 4.", "3": "B"})
    document = scored(capsys, "--answers", "answer_dict_test.json", bench="MMMU_TEST")
    assert document["joined"]["rows"] == 3
    assert (document["headline"]["value"], document["headline"]["n"]) == (pytest.approx(2 / 3), 3)


def test_mmmu_is_scored_from_a_file_that_has_answers(capsys: pytest.CaptureFixture[str]) -> None:
    predict({"1": "B", "2": "4", "3": "B"})
    write("MMMU_TEST.tsv", [row | {"answer": gold} for row, gold in zip(MMMU, "B4A", strict=True)])
    document = scored(capsys, bench="MMMU_TEST")
    assert (document["withheld"], document["headline"]["value"]) == (False, pytest.approx(2 / 3))
    write("MMMU_TEST.tsv", [row | {"answer": "?"} for row in MMMU])
    assert scored(capsys, bench="MMMU_TEST")["withheld"] is True


def test_an_annotation_file_without_pictures_joins_by_number_words_and_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    questions = [BARN, FIELD, (*POND[:3], "blue")]
    plain = [rows(n, q, answers=True)[0] for n, q in enumerate(questions)]
    write("MMT-Bench_ALL.tsv", [{k: v for k, v in row.items() if k != "answer"} for row in plain])
    write("anno.tsv", [{k: v for k, v in row.items() if k != "image"} for row in reversed(plain)])
    predict({"0": "C", "1": "B", "2": "B"})
    document = scored(capsys, "--answers", "anno.tsv", bench="MMT-Bench_ALL")
    assert (document["headline"]["value"], document["joined"]["rows"]) == (1.0, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "list of records"),
        ("{", "cannot be read as JSON"),
        ("{}", "no id has an answer"),
        ('[{"answer": "A"}]', "no id"),
    ],
)
def test_a_broken_answer_key_is_explained(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("MMMU_TEST.tsv", MMMU)
    predict({"1": "B", "2": "4", "3": "B"})
    Path("key.json").write_text(text, "utf-8")
    assert score("--answers", "key.json", bench="MMMU_TEST") == 1
    assert said in capsys.readouterr().err
