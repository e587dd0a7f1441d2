"""A benchmark of the catalogue gives the same questions from its TSV and from the dataset beside it.

The fixtures are made in the published schemas: lmms-lab/MMBench (configs cn and cc), HuggingFaceM4/MMBench,
lmms-lab/textvqa and nyu-visionx/CV-Bench, and in those of the TSVs (tests/golden/scoring).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from datasets_made import png, shown, write_lines, write_parquet
from hub_server import HubServer, serving_hub
from repository import GOLDEN

from vlmbench.answers.scores import literal_of
from vlmbench.cli.main import main
from vlmbench.data.hub.reference import parse_hub_reference
from vlmbench.data.image_cells import decode
from vlmbench.data.locate import HUB
from vlmbench.data.opening import open_data_file, words_digest
from vlmbench.data.tsv import read_rows
from vlmbench.domain import Sample
from vlmbench.errors import DataError
from vlmbench.registry import load_benchmark

TEXTS = ("question", "hint", "answer", "A", "B", "C", "D", "category", "source", "comment", "split")
CONFIGS = """---
configs:
- config_name: cc
  data_files: [{split: test, path: cc/test-*}]
- config_name: cn
  data_files: [{split: dev, path: cn/dev-*}, {split: test, path: cn/test-*}]
- config_name: ScienceQA-IMG
  data_files:
  - {split: validation, path: ScienceQA-IMG/validation-*}
  - {split: test, path: ScienceQA-IMG/test-*}
---
"""
Cells = list[dict[str, str]]


@dataclass(frozen=True)
class Published:
    """Where the dataset of a benchmark lies, and how it comes out of the cells of the TSV."""

    name: str
    repository: str
    file: str
    columns: Callable[[Cells], dict[str, list[Any]]]
    golden: str = ""
    answers: bool = True


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path / "home")
        yield server


def pictures_of(rows: Cells) -> list[dict[str, Any]]:
    """Every row's own picture, as the feature Image has it."""
    pictures = {row["index"]: row["image"] for row in rows}
    return [{"bytes": decode(pictures.get(row["image"], row["image"])), "path": None} for row in rows]


def in_lmms_lab(rows: Cells) -> dict[str, list[Any]]:
    """As lmms-lab has MMBench: every row with its picture, `nan` in empty cells, `L2-category`."""
    columns: dict[str, list[Any]] = {"index": [int(row["index"]) for row in rows]}
    columns |= {column: [row.get(column, "") or "nan" for row in rows] for column in TEXTS}
    columns["L2-category"] = [row["l2-category"] for row in rows]
    return columns | {"image": pictures_of(rows)}


def in_config_cc(rows: Cells) -> dict[str, list[Any]]:
    """As lmms-lab has CCBench."""
    columns: dict[str, list[Any]] = {"index": [int(row["index"]) for row in rows]}
    for column in ("question", "answer", "A", "B", "C", "D", "category"):
        columns[column] = [row[column] for row in rows]
    return columns | {"image": pictures_of(rows), "source": ["synthetic"] * len(rows)}


def in_hugging_face_m4(rows: Cells) -> dict[str, list[Any]]:
    """As HuggingFaceM4 has it: the cells of the TSV, pictures in base64 or by another row."""
    columns: dict[str, list[Any]] = {"index": [int(row["index"]) for row in rows]}
    columns |= {
        column: [row.get(column) or None for row in rows] for column in (*TEXTS, "l2-category", "image")
    }
    return columns


def in_textvqa(rows: Cells) -> dict[str, list[Any]]:
    """As lmms-lab has TextVQA: lists of answers and of OCR tokens, and columns that no benchmark asks for."""
    return {
        "image_id": [f"{n:016x}" for n in range(len(rows))],
        "question_id": [int(row["index"]) for row in rows],
        "question": [row["question"] for row in rows],
        "question_tokens": [row["question"].split() for row in rows],
        "image": pictures_of(rows),
        "image_width": [16] * len(rows),
        "answers": [literal_of(row["answer"]) for row in rows],
        "set_name": ["val"] * len(rows),
        "ocr_tokens": [["NOKIA", "n8"] if n else [] for n in range(len(rows))],
    }


def in_ocrbench(rows: Cells) -> dict[str, list[Any]]:
    """As echo840 has OCRBench: rows without a number, `question_type`."""
    return {
        "dataset": ["IIIT5K"] * len(rows),
        "question": [row["question"] for row in rows],
        "question_type": [row["category"] for row in rows],
        "answer": [literal_of(row["answer"]) for row in rows],
        "image": pictures_of(rows),
    }


def in_scienceqa(rows: Cells) -> dict[str, list[Any]]:
    """As lmms-lab has ScienceQA-IMG: rows without a number, options in a list, the answer by its place."""
    columns: dict[str, list[Any]] = {
        "image": pictures_of(rows),
        "question": [row["question"] for row in rows],
        "choices": [[row[letter] for letter in "ABCDE" if row[letter]] for row in rows],
        "answer": ["ABCDE".index(row["answer"]) for row in rows],
    }
    return columns | {name: [row[name] for row in rows] for name in ("hint", "category", "lecture")}


def as_published(rows: Cells, published: Published) -> Cells:
    """The cells of the golden cases as the TSV of that name has them."""
    if published.columns is in_textvqa:  # every answer is a list
        rows = [row for row in rows if isinstance(literal_of(row["answer"]), list)]
    if published.columns in (in_ocrbench, in_scienceqa):  # other indices, so no row names another's picture
        pictures = {row["index"]: row["image"] for row in rows}
        rows = [row | {"image": pictures.get(row["image"], row["image"])} for row in rows]
    if published.columns is in_ocrbench:
        rows = [row | {"index": str(n)} for n, row in enumerate(rows)]
    if published.columns is in_scienceqa:  # numbered from 1, no `l2-category`
        split = published.name.removeprefix("ScienceQA_").lower()
        more = [{"index": str(n), "lecture": row["hint"], "split": split} for n, row in enumerate(rows, 1)]
        rows = [
            {k: v for k, v in (a | b).items() if k != "l2-category"} for a, b in zip(rows, more, strict=True)
        ]
    if not published.answers:
        rows = [{name: text for name, text in row.items() if name != "answer"} for row in rows]
    return rows


DATASETS = (
    Published("MMBench_DEV_CN", "lmms-lab/MMBench", "cn/dev-00000-of-00001.parquet", in_lmms_lab),
    Published(
        "MMBench_TEST_CN",
        "lmms-lab/MMBench",
        "cn/test-00000-of-00001.parquet",
        in_lmms_lab,
        golden="MMBench_DEV_CN",
        answers=False,
    ),
    Published("CCBench", "lmms-lab/MMBench", "cc/test-00000-of-00001.parquet", in_config_cc),
    Published(
        "MMBench_DEV_EN",
        "HuggingFaceM4/MMBench",
        "data/validation-00000-of-00001.parquet",
        in_hugging_face_m4,
    ),
    Published(
        "MMBench_TEST_EN",
        "HuggingFaceM4/MMBench",
        "data/test-00000-of-00001.parquet",
        in_hugging_face_m4,
        golden="MMBench_DEV_EN",
        answers=False,
    ),
    Published(
        "TextVQA_VAL",
        "lmms-lab/textvqa",
        "data/validation-00000-of-00001.parquet",
        in_textvqa,
        golden="TextVQA",
    ),
    Published("OCRBench", "echo840/OCRBench", "data/test-00000-of-00001.parquet", in_ocrbench),
    Published(
        "ScienceQA_TEST",
        "lmms-lab/ScienceQA",
        "ScienceQA-IMG/test-00000-of-00001.parquet",
        in_scienceqa,
        golden="ScienceQA",
    ),
    Published(
        "ScienceQA_VAL",
        "lmms-lab/ScienceQA",
        "ScienceQA-IMG/validation-00000-of-00001.parquet",
        in_scienceqa,
        golden="ScienceQA",
    ),
)
DATASET = {published.name: published for published in DATASETS}


def publish(hub: HubServer, folder: Path, published: Published, rows: Cells) -> str:
    """Put the dataset on the hub, where the card looks for it; its commit."""
    write_parquet(folder / published.file, published.columns(rows))
    (folder / "README.md").write_text("A set.\n" if published.file.startswith("data/") else CONFIGS)
    commit = hub.add_folder(published.repository, folder)
    revision = parse_hub_reference(load_benchmark(published.name).card.file.dataset).revision
    if revision is None:
        return commit
    # The commit that the catalogue names has these files here.
    repository = hub.datasets[published.repository]
    repository.commits[revision] = repository.commits[commit]
    return revision


def cells_of(published: Published) -> tuple[Cells, bytes]:
    """The cells of the TSV in its published layout, and the file."""
    path = GOLDEN / "scoring" / (published.golden or published.name).lower() / "data.tsv"
    rows = as_published([row.by_column() for row in read_rows(path)], published)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return rows, text.getvalue().encode()


@pytest.mark.parametrize("published", DATASETS, ids=lambda published: published.name)
def test_both_sources_give_the_same_questions(hub: HubServer, tmp_path: Path, published: Published) -> None:
    rows, tsv = cells_of(published)
    revision = publish(hub, tmp_path / "made", published, rows)
    benchmark = load_benchmark(published.name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{published.name}.tsv").write_bytes(tsv)
    own = open_data_file(benchmark.card.file, tmp_path / "data", accept_changed=True)
    other = open_data_file(replace(benchmark.card.file, words=words_digest(own)), HUB)
    if benchmark.card.circular:
        other.require_integer_index()
    assert (own.lock["file"], other.lock["file"]) == (f"{published.name}.tsv", benchmark.card.file.dataset)
    assert other.lock["revision"] == revision
    ours, theirs = (list(benchmark.samples(table.rows())) for table in (own, other))
    assert list(map(asked, ours)) == list(map(asked, theirs))
    assert all(sample.images for sample in ours)
    for one, two in zip(ours, theirs, strict=True):
        assert {name: text for name, text in one.cells.items() if text}.items() <= two.cells.items()


def asked(sample: Sample) -> Sample:
    """A sample without its cells: a dataset may have columns that the TSV lacks."""
    return replace(sample, cells={})


def test_ocr_tokens_come_from_the_dataset_unless_there_is_a_tsv_of_ones_own(
    hub: HubServer, tmp_path: Path
) -> None:
    published = DATASET["TextVQA_VAL"]
    publish(hub, tmp_path / "made", published, cells_of(published)[0])
    benchmark = load_benchmark("TextVQA_VAL_OCR")
    file = replace(benchmark.card.file, words="")
    first, second = list(benchmark.samples(open_data_file(file, tmp_path).rows()))[:2]
    assert "NOKIA, n8" in second.hint
    assert not first.hint
    (tmp_path / "TextVQA_VAL_OCR.tsv").write_text("index\tquestion\tanswer\tocr_tokens\n1\tq\ta\tA, B\n")
    (only,) = benchmark.samples(open_data_file(file, tmp_path).rows())
    assert "A, B" in only.hint


def test_cv_bench_is_read_from_its_authors_parquet_and_their_mean_is_the_headline(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sources = ("ADE20K", "COCO", "COCO", "Omni3D")
    columns: dict[str, list[Any]] = {
        "idx": [0, 1, 2, 3],
        "type": ["2D", "2D", "2D", "3D"],
        "task": ["Count", "Count", "Relation", "Depth"],
        "image": [shown("red")] * 4,
        "question": ["How many?", "How many?", "Where?", "Which is nearer?"],
        "choices": [["1", "2"], ["3", "4"], ["left", "right"], ["a", "b"]],
        "answer": ["(A)", "(A)", "(B)", "(A)"],
        "prompt": ["How many? Select from the following choices.\n(A) 1\n(B) 2"] * 4,
        "filename": ["img/2D/count/1.png"] * 4,
        "source": list(sources),
    }
    write_parquet(tmp_path / "made" / "test.parquet", columns)
    write_lines(tmp_path / "made" / "test.jsonl", [{"idx": 0}])
    (tmp_path / "made" / "img" / "2D" / "count").mkdir(parents=True)
    (tmp_path / "made" / "img" / "2D" / "count" / "1.png").write_bytes(png("red"))
    commit = hub.add_folder("nyu-visionx/CV-Bench", tmp_path / "made")
    named = parse_hub_reference(load_benchmark("cv_bench").card.file.dataset)
    repository = hub.datasets["nyu-visionx/CV-Bench"]
    repository.commits[str(named.revision)] = repository.commits[commit]
    run = ["run", "--model", "echo:A", "--bench", "CV-Bench"]
    assert main(run) == 2
    assert hub.asked == []
    assert "`vlmbench data get CV-Bench`, or add --download" in capsys.readouterr().err
    assert main([*run, "--limit", "2", "--out", "limited", "--download"]) == 0
    assert "only the pictures that are asked about are downloaded of it" in capsys.readouterr().err
    assert main([*run, "--download"]) == 0
    results = json.loads((tmp_path / "runs" / "echo_A" / "CV-Bench" / "results.json").read_text())
    # ADE20K 1, COCO 1/2, Omni3D 1
    assert (results["headline"]["name"], results["headline"]["value"]) == ("mean of 2D and 3D", 0.875)
    assert "rows of hf:nyu-visionx/CV-Bench@22409a9" in capsys.readouterr().err


def test_the_dataset_is_read_without_a_flag_once_it_is_here_and_the_tsv_is_not(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    published = DATASET["MMBench_DEV_EN"]
    rows, tsv = cells_of(published)
    publish(hub, tmp_path / "made", published, rows)
    file = load_benchmark("MMBench_DEV_EN").card.file
    with pytest.raises(
        DataError, match=r"`--data-dir hub` reads the same rows from hf:HuggingFaceM4/MMBench@"
    ):
        open_data_file(file, tmp_path)
    assert main(["data", "get", "MMBench_DEV_EN", "--data-dir", "hub"]) == 0
    assert f"MMBench_DEV_EN is here now: {file.dataset}" in capsys.readouterr().out
    assert main(["show", "MMBench_DEV_EN", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == file.dataset
    run = ["run", "--model", "echo:A", "--bench", "MMBench_DEV_EN"]
    assert main([*run, "--limit", "2"]) == 0
    assert "rows of hf:HuggingFaceM4/MMBench@" in capsys.readouterr().err
    folder = tmp_path / "runs" / "echo_A" / "MMBench_DEV_EN"
    locked = json.loads((folder / "run.json").read_text())["facts"]["dataset"]
    assert locked["file"] == file.dataset
    # A TSV that comes later is what new runs read; the old one is not mixed with it, and can be reported.
    (tmp_path / "LMUData").mkdir()
    (tmp_path / "LMUData" / "MMBench_DEV_EN.tsv").write_bytes(tsv)
    assert main([*run, "--accept-local-data"]) == 1
    assert "this run folder holds answers to another question: dataset" in capsys.readouterr().err
    assert main(["report", str(folder)]) == 0


def test_where_the_tsvs_server_fails_the_dataset_comes_instead(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlmbench.data.download._LONGEST_PAUSE", 0.0)
    published = DATASET["TextVQA_VAL"]
    publish(hub, tmp_path / "made", published, cells_of(published)[0])
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dataclasses import replace\n"
        "from vlmbench.registry import load_benchmark\n"
        "known = load_benchmark('TextVQA_VAL')\n"
        "file = replace(known.card.file, name='Mine.tsv', words='', url='http://127.0.0.1:9/Mine.tsv')\n"
        "benchmark = replace(known, card=replace(known.card, name='Mine', file=file))\n"
    )
    for _ in range(2):  # the second time too, although the dataset is here: the TSV is preferred
        assert main(["data", "get", "Mine", "--plugin", str(plugin)]) == 0
        said = " ".join(" ".join(capsys.readouterr()).split())
        assert "Mine.tsv cannot be reached" in said
        assert "hf:lmms-lab/textvqa/validation has the same rows and is read instead" in said
        assert "Mine is here now: hf:lmms-lab/textvqa/validation at commit" in said


def test_a_dataset_with_other_rows_than_the_tsv_is_refused(hub: HubServer, tmp_path: Path) -> None:
    published = DATASET["OCRBench"]
    publish(hub, tmp_path / "made", published, cells_of(published)[0])
    with pytest.raises(
        DataError, match=r"rows of hf:echo840/OCRBench/test at commit .* not those of OCRBench"
    ):
        open_data_file(load_benchmark("OCRBench").card.file, HUB)


def test_the_error_of_a_missing_file_names_the_dataset_beside_it(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`--data-dir hub` reads the same rows from hf:lmms-lab/MMBench:cn@"):
        open_data_file(load_benchmark("MMBench_DEV_CN").card.file, tmp_path)
