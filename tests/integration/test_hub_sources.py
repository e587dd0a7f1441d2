"""A benchmark of the catalogue gives the same questions from its TSV and from the dataset beside it.

The fixtures are made in the published schemas: lmms-lab/MMBench (config cn) and HuggingFaceM4/MMBench.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets_made import write_parquet
from hub_server import HubServer, serving_hub
from repository import GOLDEN

from vlmbench.data.image_cells import decode
from vlmbench.data.opening import open_data_file
from vlmbench.data.tsv import read_rows
from vlmbench.domain import Sample
from vlmbench.errors import DataError
from vlmbench.registry import load_benchmark

TEXTS = ("question", "hint", "answer", "A", "B", "C", "D", "category", "source", "comment", "split")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with serving_hub() as server:
        server.use(monkeypatch, tmp_path / "home")
        yield server


def read_cells(name: str) -> list[dict[str, str]]:
    return [row.by_column() for row in read_rows(GOLDEN / "scoring" / name.lower() / "data.tsv")]


def with_image_feature(name: str) -> dict[str, list[Any]]:
    """As lmms-lab has it: every row with its picture, `nan` in empty cells, `L2-category`."""
    rows = read_cells(name)
    pictures = {row["index"]: row["image"] for row in rows}
    shown = [row["image"] if len(row["image"]) > 64 else pictures[row["image"]] for row in rows]
    columns: dict[str, list[Any]] = {"index": [int(row["index"]) for row in rows]}
    columns |= {column: [row.get(column, "") or "nan" for row in rows] for column in TEXTS}
    columns["L2-category"] = [row["l2-category"] for row in rows]
    columns["image"] = [{"bytes": decode(text), "path": None} for text in shown]
    return columns


def with_text_image(name: str) -> dict[str, list[Any]]:
    """As HuggingFaceM4 has it: the cells of the TSV, pictures in base64 or by another row."""
    rows = read_cells(name)
    columns: dict[str, list[Any]] = {"index": [int(row["index"]) for row in rows]}
    columns |= {
        column: [row.get(column) or None for row in rows] for column in (*TEXTS, "l2-category", "image")
    }
    return columns


@pytest.mark.parametrize(
    ("name", "repository", "file", "columns"),
    [
        ("MMBench_DEV_CN", "lmms-lab/MMBench", "cn/dev-00000-of-00001.parquet", with_image_feature),
        (
            "MMBench_DEV_EN",
            "HuggingFaceM4/MMBench",
            "data/validation-00000-of-00001.parquet",
            with_text_image,
        ),
    ],
)
def test_both_sources_give_the_same_questions(
    hub: HubServer, tmp_path: Path, name: str, repository: str, file: str, columns: Any
) -> None:
    write_parquet(tmp_path / "made" / file, columns(name))
    card = "---\nconfigs:\n- config_name: cn\n  data_files:\n  - split: dev\n    path: cn/dev-*\n---\n"
    (tmp_path / "made" / "README.md").write_text(card if file.startswith("cn") else "A set.\n")
    commit = hub.add_folder(repository, tmp_path / "made")
    benchmark = load_benchmark(name)
    named = benchmark.card.file.dataset
    revision = named.partition("@")[2].partition("/")[0]
    # The commit that the catalogue names has these files here.
    hub.datasets[repository].commits[revision] = hub.datasets[repository].commits[commit]
    (tmp_path / "data").mkdir()
    tsv = (GOLDEN / "scoring" / name.lower() / "data.tsv").read_bytes()
    (tmp_path / "data" / f"{name}.tsv").write_bytes(tsv)
    own = open_data_file(benchmark.card.file, tmp_path / "data", accept_changed=True)
    other = open_data_file(benchmark.card.file, Path("hub"))
    other.require_integer_index()
    assert (own.lock["file"], other.lock["file"]) == (f"{name}.tsv", named)
    assert other.lock["revision"] == revision
    found = [list(map(known, benchmark.samples(table.rows()))) for table in (own, other)]
    assert found[0] == found[1]
    assert all(sample.images for sample in found[0])


def known(sample: Sample) -> Sample:
    """A sample whose columns are in no order."""
    from dataclasses import replace

    return replace(sample, cells=dict(sorted(sample.cells.items())))


def test_the_error_of_a_missing_file_names_the_dataset_beside_it(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`--data-dir hub` reads the same rows from hf:lmms-lab/MMBench:cn@"):
        open_data_file(load_benchmark("MMBench_DEV_CN").card.file, tmp_path)
