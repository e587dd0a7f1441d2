"""Files that the benchmarks' authors and LLaVA publish, each as its own scripts write it.

LLaVA        {"question_id", "prompt", "text", …} a line; ScienceQA: {"outputs": {id: text}, …} and
             {"correct": […], "incorrect": […]}; MMBench: an xlsx with `prediction` after the options
MMMU         <Subject>/output.json, a list of {"id", "response", …}; {id: parsed answer} for its evaluator
MathVista    {pid: {"response", "extraction", "prediction", …}}
SEED-Bench   {"question_id", "prediction"} a line
MM-Vet       {"v1_0": text, …}
POPE         {"question", "answer"} a line, in the order of the questions
VQA, VizWiz  [{"question_id", "answer"}, …], [{"image", "answer"}, …]
MME          a folder with one table a category, code_reasoning.txt: picture, question, reference, answer,
             separated by tabs. LLaVA's converter calls the pictures `0020.txt`, so a picture is known by
             the stem of its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.predictions.files import JsonLines, TextTable, decoded, read_json
from vlmbench.predictions.nouns import (
    Folder,
    Format,
    StoredAnswer,
    id_of,
    objects_in,
    picture_of,
    some_text,
    text_of,
    texts_in,
)
from vlmbench.predictions.tables import read_answers_of

CATEGORIES = frozenset(
    (
        "OCR", "artwork", "celebrity", "color", "count", "existence", "landmark", "position", "posters",
        "scene", "code_reasoning", "commonsense_reasoning", "numerical_calculation", "text_translation",
    )
)  # fmt: skip
_CELLS = "picture, question, reference, answer"

_MMMU_ID = re.compile(r"(dev|validation|test)_\w+_\d+")
_MMVET_ID = re.compile(r"v\d_(\d+)")
_LLAVA_UPLOAD = ("index", "question", "A", "B", "C", "D", "prediction")
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

Record = Mapping[str, Any]


def records_of(value: Any) -> Sequence[tuple[int, Record]]:
    """The objects of a list or of a file with one a line, numbered; none for anything else."""
    if isinstance(value, JsonLines):
        return value.records
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return list(enumerate(value, 1))
    return ()


def first_keys(value: Any) -> frozenset[str]:
    """The keys of the first object; empty where there is none."""
    records = records_of(value)
    return frozenset(records[0][1]) if records else frozenset()


def _llava_lines(value: Any) -> bool:
    keys = first_keys(value)
    return {"question_id", "text"} <= keys and bool(keys & {"prompt", "answer_id", "model_id"})


def _read_llava(path: Path, value: Any) -> Iterator[StoredAnswer]:
    for number, record in records_of(value):
        yield StoredAnswer(
            text=text_of(path, number, "text", record),
            row=number,
            ids={"question_id": id_of(path, number, "question_id", record)},
            question=some_text(record, "prompt"),
            options=_llava_options(record),
            picture=picture_of(texts_in(record, ("question_id", "image"))),
        )


def _llava_options(record: Record) -> dict[str, str]:
    """The options of an MMBench answer, under the letters that this round gave them."""
    texts, letters = record.get("options"), record.get("option_char")
    if (
        not isinstance(texts, list)
        or not isinstance(letters, list)
        or record.get("round_id") not in ("0", None)
    ):
        return {}
    pairs = zip(letters, texts, strict=False)
    return {a: b for a, b in pairs if isinstance(a, str) and a in _LETTERS and isinstance(b, str)}


def _scienceqa_result(value: Any) -> bool:
    return isinstance(value, dict) and "outputs" in value and bool({"results", "acc", "correct"} & set(value))


def _read_scienceqa_result(path: Path, value: Any) -> Iterator[StoredAnswer]:
    outputs = value["outputs"]
    if not isinstance(outputs, dict):
        raise PredictionsError("this is not an object from id to text.", file=path, key="outputs")
    for key in outputs:
        yield StoredAnswer(
            text=text_of(path, f"outputs.{key}", key, outputs), row=key, ids={"question_id": key}
        )


def _scienceqa_output(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"correct", "incorrect"}


def _read_scienceqa_output(path: Path, value: Any) -> Iterator[StoredAnswer]:
    """In the order of the questions' numbers, in which they were asked; the file has the right ones first."""
    answers = [
        StoredAnswer(
            text=text_of(path, row, "pred", record),
            row=row,
            ids={"question_id": id_of(path, row, "question_id", record)},
            question=some_text(record, "question"),
            shows_picture=record.get("is_multimodal")
            if isinstance(record.get("is_multimodal"), bool)
            else None,
        )
        for part in ("correct", "incorrect")
        for number, record in enumerate(objects_in(path, value[part], f"`{part}`"), 1)
        for row in [f"{part} {number}"]
    ]
    numbers = [answer.ids["question_id"] for answer in answers]
    numbered = all(number.isascii() and number.isdigit() for number in numbers)
    yield from sorted(answers, key=lambda answer: int(answer.ids["question_id"])) if numbered else answers


def _llava_upload(value: Any) -> bool:
    return isinstance(value, TextTable) and value.columns[: len(_LLAVA_UPLOAD)] == _LLAVA_UPLOAD


def _mmmu_folder(value: Any) -> bool:
    return isinstance(value, Folder) and any(value.path.glob("*/output.json"))


def _read_mmmu_folder(path: Path, _value: Any) -> Iterator[StoredAnswer]:
    for file in sorted(path.glob("*/output.json")):
        yield from _read_mmmu_subject(file, read_json(file))


def _mmmu_subject(value: Any) -> bool:
    keys = first_keys(value)
    return {"id", "response"} <= keys and bool(keys & {"question_type", "all_choices", "index2ans"})


def _read_mmmu_subject(path: Path, value: Any) -> Iterator[StoredAnswer]:
    if not isinstance(value, JsonLines):
        value = objects_in(path, value, "this file")
    for number, record in records_of(value):
        options = record.get("index2ans")
        yield StoredAnswer(
            text=text_of(path, number, "response", record),
            row=f"{path.parent.name}/{path.name} {number}",
            ids={"id": id_of(path, number, "id", record)},
            question=some_text(record, "question"),
            options=texts_in(options, _LETTERS) if isinstance(options, dict) else {},
        )


def _mmmu_parsed(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_MMMU_ID.fullmatch(key) for key in value)


def _read_mmmu_parsed(path: Path, value: Any) -> Iterator[StoredAnswer]:
    for key in value:
        yield StoredAnswer(text=text_of(path, key, key, value), row=key, ids={"id": key})


def _mathvista(value: Any) -> bool:
    if not isinstance(value, dict) or not value or not all(isinstance(v, dict) for v in value.values()):
        return False
    return any("pid" in v or {"query", "response"} <= set(v) for v in value.values())


def _read_mathvista(path: Path, value: Any) -> Iterator[StoredAnswer]:
    """A problem whose request failed has `error` and no `response`: it has no answer."""
    for pid, record in value.items():
        if "response" in record or "error" not in record:
            yield StoredAnswer(
                text=text_of(path, pid, "response", record),
                row=pid,
                ids={"pid": pid},
                question=some_text(record, "query", "question"),
            )


def _mmvet(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_MMVET_ID.fullmatch(key) for key in value)


def _read_mmvet(path: Path, value: Any) -> Iterator[StoredAnswer]:
    """`v1_7` is question 7 of the first version; of a later version the number is not that of a row here."""
    for key, answer in value.items():
        if isinstance(answer, dict) and "score" in answer:
            what = "these are the grades of a judge, and no answers."
            fix = "Name them with `--judgments`, and the file that was graded with `--predictions`."
            raise PredictionsError(what, file=path, key=key, fix=fix)
        number = {"number": key.partition("_")[2]} if key.startswith("v1_") else {}
        yield StoredAnswer(text=text_of(path, key, key, value), row=key, ids={"id": key, **number})


def _pope(value: Any) -> bool:
    keys = first_keys(value)
    others = {"index", "id", "questionId", "prediction", "response", "text", "output"}
    return {"question", "answer"} <= keys and not keys & others


def _vqa_upload(value: Any) -> bool:
    return isinstance(value, list) and first_keys(value) in ({"question_id", "answer"}, {"image", "answer"})


def _read_upload(path: Path, value: Any) -> Iterator[StoredAnswer]:
    for number, record in records_of(value):
        yield StoredAnswer(
            text=text_of(path, number, "answer", record),
            row=number,
            ids=texts_in(record, ("question_id",)),
            question=some_text(record, "question"),
            picture=picture_of(record),
        )


def _seed_upload(value: Any) -> bool:
    keys = first_keys(value)
    return {"question_id", "prediction"} <= keys <= {"question_id", "prediction", "gt_answer"}


def _mme_folder(value: Any) -> bool:
    return isinstance(value, Folder) and bool(_mme_files(value.path))


def _read_mme_folder(path: Path, _value: Any) -> Iterator[StoredAnswer]:
    for file in _mme_files(path):
        for number, line in enumerate(decoded(file).split("\n"), 1):
            if line.strip():
                yield _mme_answer(file, number, line.rstrip("\r"))


def _mme_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.txt") if file.stem in CATEGORIES and file.is_file())


def _mme_answer(file: Path, number: int, line: str) -> StoredAnswer:
    cells = line.split("\t", 3)
    if len(cells) < 4:
        fix = None
        if len(cells) == 3:
            fix = "These are the questions without answers: write each answer behind a fourth tab."
        raise PredictionsError(
            f"{len(cells)} cells where there are four, separated by tabs: {_CELLS}.",
            file=file,
            row=number,
            fix=fix,
        )
    picture, question, _reference, text = cells
    return StoredAnswer(
        text=text, row=f"{file.name} {number}", question=question, picture=picture, category=file.stem
    )


FORMATS = (
    Format("LLaVA's answers", "`text`", _llava_lines, _read_llava),
    Format("LLaVA's ScienceQA result", "`outputs`", _scienceqa_result, _read_scienceqa_result),
    Format("LLaVA's ScienceQA output", "`pred`", _scienceqa_output, _read_scienceqa_output),
    Format("LLaVA's MMBench upload", "`prediction`", _llava_upload, read_answers_of),
    Format("MMMU's folder of output.json", "`response`", _mmmu_folder, _read_mmmu_folder),
    Format("MMMU's output.json of one subject", "`response`", _mmmu_subject, _read_mmmu_subject),
    Format(
        "MMMU's answers by id",
        "the answers that an evaluator parsed, which are not the model's words",
        _mmmu_parsed,
        _read_mmmu_parsed,
    ),
    Format(
        "MathVista's output",
        "`response` (`extraction` and `prediction` are not the model's words)",
        _mathvista,
        _read_mathvista,
    ),
    Format("MM-Vet's answers by id", "the text", _mmvet, _read_mmvet),
    Format("SEED-Bench's upload", "`prediction`", _seed_upload, read_answers_of),
    Format("VQA's upload", "`answer`", _vqa_upload, _read_upload),
    Format("POPE's answers", "`answer`", _pope, _read_upload),
    Format("MME's folder of categories", "the fourth column", _mme_folder, _read_mme_folder),
)
