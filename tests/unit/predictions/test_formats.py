"""Files as the benchmarks' authors, LLaVA and other harnesses write them. All data here is made up."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlmbench.errors import PredictionsError
from vlmbench.predictions import FORMATS, read_answers
from vlmbench.predictions.harness_logs import MOST_MEMBER
from vlmbench.predictions.nouns import Answers
from vlmbench.report.exports.sheets import NewSheet, write_workbook


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def said(answers: Answers) -> list[tuple[dict[str, str], str | None]]:
    return [(dict(answer.ids), answer.text) for answer in answers.answers]


def refusal(path: Path) -> str:
    with pytest.raises(PredictionsError) as caught:
        read_answers(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LLAVA = {
    "question_id": 7,
    "prompt": "Which?\nA. x",
    "text": "A",
    "answer_id": "aZ",
    "model_id": "m",
    "metadata": {},
}
SUBJECT = {
    "id": "validation_Art_1", "question_type": "multiple-choice", "answer": "C", "all_choices": ["A", "B"],
    "index2ans": {"A": "x", "B": "y"}, "response": "B",
}  # fmt: skip
SCIENCEQA = {
    "question_id": "4", "parsed_ans": "B", "ground_truth": "B", "question": "Q", "pred": "B.",
    "is_multimodal": False,
}  # fmt: skip
MATHVISTA = {
    "1": {
        "pid": "1", "question": "How many?", "query": "Hint: … How many?", "answer": "2",
        "response": "It is 2.", "extraction": "2", "prediction": "2", "true_false": True,
    },
    "2": {"pid": "2", "question": "How far?", "error": "timed out"},
}  # fmt: skip
LOG = {
    "doc_id": 0,
    "doc": {"id": "validation_Art_1", "question": "Who?"},
    "target": "B",
    "resps": [["I say B"]],
    "filtered_resps": ["B"],
}
INSPECT = {
    "id": 3,
    "epoch": 1,
    "input": "Who?",
    "target": "B",
    "output": {"completion": "B it is", "choices": []},
}


@pytest.mark.parametrize(
    ("name", "content", "form", "expected"),
    [
        ("a.jsonl", lines(LLAVA), "LLaVA's answers", [({"question_id": "7"}, "A")]),
        ("a.json", [LLAVA], "LLaVA's answers", [({"question_id": "7"}, "A")]),
        (
            "result.json",
            {"acc": 50.0, "correct": 1, "results": {"4": 1, "5": -1}, "outputs": {"4": "B", "5": "?"}},
            "LLaVA's ScienceQA result",
            [({"question_id": "4"}, "B"), ({"question_id": "5"}, "?")],
        ),
        (
            "m_output.jsonl",
            json.dumps({"correct": [{**SCIENCEQA, "question_id": "12"}], "incorrect": [SCIENCEQA]}, indent=2),
            "LLaVA's ScienceQA output",
            [({"question_id": "4"}, "B."), ({"question_id": "12"}, "B.")],  # in the order of the questions
        ),
        ("output.json", [SUBJECT], "MMMU's output.json of one subject", [({"id": "validation_Art_1"}, "B")]),
        (
            "total_val_output.json",
            {"validation_Art_1": "B", "validation_Math_2": "5.0"},
            "MMMU's answers by id",
            [({"id": "validation_Art_1"}, "B"), ({"id": "validation_Math_2"}, "5.0")],
        ),
        ("output_m.json", MATHVISTA, "MathVista's output", [({"pid": "1"}, "It is 2.")]),
        (
            "seed.jsonl",
            lines({"question_id": "101", "prediction": "B"}, {"question_id": "9_1", "prediction": "A"}),
            "SEED-Bench's upload",
            [({"question_id": "101"}, "B"), ({"question_id": "9_1"}, "A")],
        ),
        (
            "v.json",
            {"v1_0": "x", "v1_12": "y"},
            "MM-Vet's answers by id",
            [({"id": "v1_0", "number": "0"}, "x"), ({"id": "v1_12", "number": "12"}, "y")],
        ),
        ("v2.json", {"v2_0": "x"}, "MM-Vet's answers by id", [({"id": "v2_0"}, "x")]),
        (
            "pope.json",
            lines({"question": "is there a bird?", "answer": "yes"}, {"question": "a tree?", "answer": "No"}),
            "POPE's answers",
            [({}, "yes"), ({}, "No")],
        ),
        ("vqa.json", [{"question_id": 5, "answer": "red"}], "VQA's upload", [({"question_id": "5"}, "red")]),
        ("vizwiz.json", [{"image": "V_1.jpg", "answer": "red"}], "VQA's upload", [({}, "red")]),
        (
            "samples_mmmu_2026.jsonl",
            lines(LOG),
            "sample log of lmms-eval or lm-eval",
            [({"id": "validation_Art_1"}, "I say B")],
        ),
        (
            "mme.json",
            {"args": {}, "model_configs": {}, "logs": [LOG]},
            "sample log of an early lmms-eval",
            [({"id": "validation_Art_1"}, "I say B")],
        ),
        (
            "log.json",
            {"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [INSPECT]},
            "inspect log",
            [({"id": "3"}, "B it is")],
        ),
        ("p.jsonl", lines({"index": 1, "prediction": "A"}), "table (jsonl)", [({"index": "1"}, "A")]),
        (
            "gqa.json",
            [{"questionId": "2011", "prediction": "red"}],
            "table (json)",
            [({"questionId": "2011"}, "red")],
        ),
    ],
)
def test_a_format_is_recognised_and_read(
    tmp_path: Path, name: str, content: Any, form: str, expected: list[Any]
) -> None:
    answers = read_answers(written(tmp_path / name, content))
    assert answers.format == form
    assert said(answers) == expected


def test_every_format_says_which_part_it_takes(tmp_path: Path) -> None:
    assert "`response`" in read_answers(written(tmp_path / "m.json", MATHVISTA)).used
    assert "not the model's words" in read_answers(written(tmp_path / "m.json", MATHVISTA)).used
    assert all(form.used for form in FORMATS)
    assert len({form.name for form in FORMATS}) == len(FORMATS)


def test_llava_s_mmbench_upload_is_known_by_its_columns(tmp_path: Path) -> None:
    header = ["index", "question", "A", "B", "C", "D", "prediction", "answer", "split"]
    path = tmp_path / "up.xlsx"
    write_workbook(path, [NewSheet("Sheet1", [header, [7, "q", "x", "y", None, None, "B", "A", "dev"]])])
    read = read_answers(path)
    assert (read.format, said(read)) == ("LLaVA's MMBench upload", [({"index": "7"}, "B")])
    assert read.answers[0].options == {"A": "x", "B": "y"}


def test_the_options_of_a_llava_answer_are_those_of_its_first_round(tmp_path: Path) -> None:
    shown = {**LLAVA, "round_id": 0, "options": ["x", "y"], "option_char": ["A", "B"]}
    turned = {**shown, "round_id": 1}
    first, second = read_answers(written(tmp_path / "a.jsonl", lines(shown, turned))).answers
    assert first.options == {"A": "x", "B": "y"}
    assert second.options == {}


def test_mm_vet_s_grades_are_no_answers(tmp_path: Path) -> None:
    grades = {"v1_0": {"model": ["gpt-4"], "content": ["0.5"], "score": [0.5]}}
    assert "grades of a judge" in refusal(written(tmp_path / "g.json", grades))


def test_mmmu_s_folder_is_read_as_a_whole(tmp_path: Path) -> None:
    for n, subject in enumerate(["Art", "Math"]):
        written(tmp_path / "m" / subject / "output.json", [{**SUBJECT, "id": f"validation_{subject}_{n}"}])
    written(tmp_path / "m" / "total_val_output.json", {"validation_Art_0": "A"})
    read = read_answers(tmp_path / "m")
    assert read.format == "MMMU's folder of output.json"
    assert said(read) == [({"id": "validation_Art_0"}, "B"), ({"id": "validation_Math_1"}, "B")]
    assert "m/Art/output.json" not in refusal(written(tmp_path / "e.json", []))
    message = refusal(tmp_path)
    assert "folders in it do: m/" in message
    assert f"--predictions {tmp_path / 'm'}" in message


def test_mme_s_folder_is_read_line_by_line(tmp_path: Path) -> None:
    written(tmp_path / "count.txt", "1.png\tTwo cats? Please answer yes or no.\tYes\tYes, two\tor so\n")
    written(tmp_path / "OCR.txt", "1.png\tIs it?\tNo\tno\r\n\n")
    written(tmp_path / "readme.txt", "hello")
    read = read_answers(tmp_path)
    assert read.format == "MME's folder of categories"
    assert [(a.category, a.picture, a.text) for a in read.answers] == [
        ("OCR", "1.png", "no"),
        ("count", "1.png", "Yes, two\tor so"),
    ]
    written(tmp_path / "color.txt", "1.png\tIs it?\tNo\n")
    assert "questions without answers" in refusal(tmp_path)


def test_a_folder_of_something_else_says_what_it_holds(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", lines(LLAVA))
    message = refusal(tmp_path)
    assert "this folder holds a.jsonl" in message
    assert f"--predictions {tmp_path / 'a.jsonl'}" in message
    (tmp_path / "empty").mkdir()
    assert "holds nothing" in refusal(tmp_path / "empty")


# Other harnesses


@pytest.mark.parametrize(
    ("resps", "expected"),
    [
        ({"resps": [["I say B"]], "filtered_resps": ["B"]}, "I say B"),
        ({"resps": ["I say B"], "filtered_resps": "B"}, "I say B"),
        ({"filtered_resps": "B"}, "B"),
        ({"filtered_resps": ["B"]}, "B"),
        ({"resps": [["B", "B"]], "filtered_resps": ["B"]}, "B"),
        ({"resps": [[]], "filtered_resps": []}, None),
        ({"resps": [[""]], "filtered_resps": [""]}, ""),
    ],
)
def test_the_model_s_words_are_taken_from_a_log(
    tmp_path: Path, resps: dict[str, Any], expected: str | None
) -> None:
    path = written(tmp_path / "samples_x.jsonl", lines({"doc_id": 0, **resps}))
    read = read_answers(path)
    assert [answer.text for answer in read.answers] == [expected]
    assert read.used.startswith("`resps`" if "resps" in resps else "`filtered_resps`, because")


@pytest.mark.parametrize("resps", [[[-1.5, False], [-2.25, True]], [["-1.5", "False"], ["-0.25", "True"]]])
def test_likelihoods_are_no_words(tmp_path: Path, resps: list[Any]) -> None:
    path = written(
        tmp_path / "samples_x.jsonl", lines({"doc_id": 0, "resps": resps, "filtered_resps": resps})
    )
    assert "likelihoods" in refusal(path)


def test_several_words_to_one_question_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "samples_x.jsonl", lines({"doc_id": 0, "resps": [["A", "B"]]}))
    assert "2 different responses" in refusal(path)


def test_ids_of_a_log_without_documents_are_those_of_its_metrics(tmp_path: Path) -> None:
    record = {
        "doc_id": 5, "input": "Is it?\nAnswer.", "target": "Yes", "filtered_resps": "yes",
        "mme_score": {"question_id": "OCR/0001.jpg", "category": "OCR", "score": 1.0},
    }  # fmt: skip
    (answer,) = read_answers(written(tmp_path / "1_samples_mme.jsonl", lines(record))).answers
    assert answer.ids == {"question_id": "OCR/0001.jpg"}
    assert (answer.picture, answer.question) == ("OCR/0001.jpg", "Is it?\nAnswer.")


def test_a_document_number_is_never_an_index(tmp_path: Path) -> None:
    path = written(tmp_path / "samples_x.jsonl", lines({"doc_id": 5, "resps": [["A"]], "input": "Q"}))
    assert read_answers(path).answers[0].ids == {}


def test_a_document_that_stands_there_once_a_filter_is_one_answer(tmp_path: Path) -> None:
    records = [
        {**LOG, "doc_id": n, "filter": name, "filtered_resps": [name]}
        for name in ("strict", "free")
        for n in (10, 2)
    ]
    read = read_answers(written(tmp_path / "samples_x.jsonl", lines(*records)))
    assert [answer.row for answer in read.answers] == ["samples_x.jsonl 2", "samples_x.jsonl 1"]
    twice = written(tmp_path / "samples_y.jsonl", lines(LOG, LOG))
    assert len(read_answers(twice).answers) == 2


def test_a_folder_of_logs_is_read_as_a_whole(tmp_path: Path) -> None:
    for task in ("art", "math"):
        written(tmp_path / f"samples_mmmu_{task}_1.jsonl", lines(LOG))
    written(tmp_path / "results_1.json", {})
    read = read_answers(tmp_path)
    assert (read.format, len(read.answers)) == ("folder of sample logs", 2)


def zipped(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(f"samples/{name}.json", value if isinstance(value, bytes) else json.dumps(value))
        archive.writestr("header.json", "{}")
    return path


def test_an_inspect_archive_is_read_member_by_member(tmp_path: Path) -> None:
    message = {
        "role": "assistant",
        "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "B"}],
    }
    older = {**INSPECT, "id": "4", "output": {"choices": [{"message": message}]}}
    failed = {**INSPECT, "id": 5, "output": {"choices": []}, "error": {"message": "timed out"}}
    read = read_answers(zipped(tmp_path / "x.eval", a=INSPECT, b=older, c=failed))
    assert read.format == "inspect log (.eval)"
    assert said(read) == [({"id": "3"}, "B it is"), ({"id": "4"}, "B")]


def test_what_inspect_asked_is_found_wherever_it_stands(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Which?"}, {"type": "image", "image": "data:…"}]
    asked = {
        **INSPECT,
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}],
    }
    long = {**INSPECT, "id": 9, "input": "attachment://ab", "attachments": {"ab": "A long one?"}}
    read = read_answers(zipped(tmp_path / "x.eval", a=asked, b=long))
    assert [answer.question for answer in read.answers] == ["Which?", "A long one?"]


def test_an_inspect_archive_that_cannot_be_scored_says_why(tmp_path: Path) -> None:
    again = {**INSPECT, "epoch": 2}
    assert "several epochs" in refusal(zipped(tmp_path / "a.eval", a=INSPECT, b=again))
    assert "no member" in refusal(zipped(tmp_path / "b.eval"))
    assert "samples/a.json, row 1: broken JSON" in refusal(zipped(tmp_path / "c.eval", a=b"{"))
    assert "not a zip file" in refusal(written(tmp_path / "d.eval", "PK"))


def test_a_member_that_unpacks_to_gigabytes_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_MEMBER < 1 << 30
    monkeypatch.setattr("vlmbench.predictions.harness_logs.MOST_MEMBER", 1000)
    assert "more than is read" in refusal(zipped(tmp_path / "a.eval", a={**INSPECT, "x": "0" * 2000}))


def repacked(path: Path, kind: int, pack: Callable[[bytes], bytes]) -> Path:
    """One member packed otherwise: zipfile writes what we packed, and the headers say `kind`."""
    packed, plain = pack(json.dumps(INSPECT).encode()), json.dumps(INSPECT).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("samples/a.json", packed)
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.find(signature)
        content[start + place] = kind
        crc = start + place + 6
        content[crc : crc + 4] = zlib.crc32(plain).to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_an_archive_packed_with_zstandard_is_read(tmp_path: Path) -> None:
    """As inspect writes them now; Python knows this packing from 3.14 on."""
    import pyarrow as pa

    path = repacked(tmp_path / "a.eval", 93, pa.Codec("zstd").compress)
    assert said(read_answers(path)) == [({"id": "3"}, "B it is")]
    content = path.read_bytes()
    path.write_bytes(content.replace(content[60:64], b"\0\0\0\0", 1))
    assert "damaged" in refusal(path)


def test_a_packing_that_is_not_known_says_how_to_unpack_it(tmp_path: Path) -> None:
    assert "inspect log convert" in refusal(repacked(tmp_path / "a.eval", 97, bytes))
