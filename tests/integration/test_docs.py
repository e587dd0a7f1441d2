"""The commands of docs/add-a-benchmark.md, training-data.md and thinking.md, run in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets_made import shown, write_parquet
from doc_pages import blocks, printed
from hub_server import HubServer, Repository, serving_hub
from repository import GOLDEN, ROOT

from vlmbench.data.tsv import read_rows

DOC, DATA = ROOT / "docs" / "add-a-benchmark.md", ROOT / "docs" / "training-data.md"
COMMIT = "215b79e126bea0777a489683f239edd0a6012a8a"
READ = ("red/photos", "Yes/photos", "A/classes", "A/MMBench_DEV_EN")


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The datasets that the page names, in the published schemas."""
    columns = {
        "question": ["Which letter names the producer?"] * 3,
        "options": [["grass", "fox", "owl"]] * 3,
        "answer": ["0", "1", "1"],
        "image": [shown("red"), shown("blue"), shown("green")],
    }
    folder = tmp_path_factory.mktemp("ai2d")
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", columns)
    rows = [row.by_column() for row in read_rows(GOLDEN / "scoring" / "mmbench_dev_en" / "data.tsv")]
    cells: dict[str, list[Any]] = {name: [row[name] or None for row in rows] for name in rows[0]}
    other = tmp_path_factory.mktemp("mmbench")
    whole = {**cells, "index": [int(row["index"]) for row in rows]}
    write_parquet(other / "data" / "validation-00000-of-00001.parquet", whole)
    with serving_hub() as server:
        server.add_folder("lmms-lab/ai2d", folder)
        commits = server.datasets["HuggingFaceM4/MMBench"] = Repository()
        files = {str(file.relative_to(other)): file.read_bytes() for file in other.rglob("*.parquet")}
        commits.commits[COMMIT] = files
        yield server


@pytest.mark.slow
def test_every_command_of_the_page_works_with_the_files_it_shows(tmp_path: Path, hub: HubServer) -> None:
    text = printed(DOC, tmp_path, **hub.environment(tmp_path / "home"))
    assert "answer = answer (index)" in text
    assert (tmp_path / "runs/echo_B/ai2d_test/results.json").is_file()
    assert (tmp_path / "runs/echo_A/Odd/results.json").is_file()
    assert all((tmp_path / f"runs/echo_{name}/results.json").is_file() for name in READ)
    assert f"hf:HuggingFaceM4/MMBench@{COMMIT}/validation" in text
    assert "left out: 2 questions" in text
    assert "warm answers" in text
    assert "accuracy  100.0 %" in text  # the answers of section 1
    assert (tmp_path / "runs/all/signs/results.json").is_file()


@pytest.mark.slow
def test_the_page_on_training_data_counts_checks_and_trains_on_the_shards_that_it_makes(
    tmp_path: Path,
) -> None:
    text = printed(DATA, tmp_path, "vlmbench.trainers.training.run", "peft", "deepspeed")
    assert "24 (counted)" in text
    assert "24 records, 0 of text alone" in text
    assert "12 records, 0 of text alone" in text
    assert "is streamed: 2 shards" in text
    assert len(re.findall(r"3/3 steps, .*in \d", text)) == 2
    assert "'pixel_values': (8, 3, 96, 96)" in text


def test_the_page_shows_a_command_for_every_door() -> None:
    commands = "".join(text for language, name, text in blocks(DOC) if language == "sh" and not name)
    assert all(word in commands for word in ("show", "run", "score", "--plugin", "mine.yaml", "--circular"))
    assert list(blocks(DOC.with_name("add-a-benchmark.zh-CN.md"))) == list(blocks(DOC))


@pytest.mark.slow
def test_the_commands_of_the_page_on_thinking_do_what_they_say(tmp_path: Path) -> None:
    found = " ".join(printed(ROOT / "docs" / "thinking.md", tmp_path).split())
    assert "11 thoughts (11 unfinished)" in found
    assert "thinking of `demo` cannot be set" in found
