"""A source of shards becomes a LLaVA file whose pictures are read from where they are."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_server import serving_hub
from record_sets import as_messages, columns, webdataset, write_jsonl, write_parquet, write_tar
from tiny_models import picture

from vlmbench.errors import DataError, UnknownName, UserError
from vlmbench.images import open_picture
from vlmbench.trainers.data.checking import Pair, check_pair
from vlmbench.trainers.data.dataset import read_picture
from vlmbench.trainers.data.generated import as_llava
from vlmbench.trainers.data.shards import convert
from vlmbench.trainers.data.shards.spans import stored_bytes
from vlmbench.trainers.plan.samples import source_plans
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import RecordMap, Source

RECORDS: list[dict[str, Any]] = [
    {
        "id": f"r{n}",
        "conversations": [{"from": "human", "value": f"<image>\nq{n}"}, {"from": "gpt", "value": f"a{n}"}],
        "bytes": picture(20 + n, 10, seed=n),
    }
    for n in range(6)
]


def parquet(folder: Path) -> Source:
    rows = [columns(record, {"bytes": record["bytes"], "path": "x.png"}) for record in RECORDS]
    write_parquet(folder / "train-0.parquet", rows[:4])
    write_parquet(folder / "train-1.parquet", rows[4:])
    return Source(files=str(folder / "train-*.parquet"))


def raw_bytes(folder: Path) -> Source:
    rows = [columns(record) | {"images": [record["bytes"]]} for record in RECORDS]
    return Source(files=str(write_parquet(folder / "a.parquet", rows)))


def paths(folder: Path) -> Source:
    rows = []
    for number, record in enumerate(RECORDS):
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / "pictures" / f"{number}.png").write_bytes(record["bytes"])
        rows.append({**as_messages(record), "images": [f"{number}.png"]})
    return Source(files=str(write_jsonl(folder / "a.jsonl", rows)), images=str(folder / "pictures"))


def urls(folder: Path) -> Source:
    rows = []
    for record in RECORDS:
        text = base64.b64encode(record["bytes"]).decode()
        rows.append(as_messages(record, f"data:image/png;base64,{text}"))
    return Source(files=str(write_jsonl(folder / "a.jsonl", rows)))


def tars(folder: Path) -> Source:
    write_tar(folder / "s-0.tar", webdataset(RECORDS[:2]))
    write_tar(folder / "s-1.tar", webdataset(RECORDS[2:]))
    return Source(files=str(folder / "s-*.tar"))


LAYOUTS = [parquet, raw_bytes, paths, urls, tars]


def read(source: Source, home: Path) -> tuple[list[dict[str, Any]], Path]:
    made = as_llava(source, 0, home)
    lines = Path(str(made.annotations)).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines], Path(str(made.images))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_records_and_pixels(
    tmp_path: Path, layout: Callable[[Path], Source]
) -> None:
    records, images = read(layout(tmp_path), tmp_path / "home")
    assert [r["conversations"] for r in records] == [r["conversations"] for r in RECORDS]
    assert [r["id"] for r in records] == [r["id"] for r in RECORDS]
    for record, made in zip(RECORDS, records, strict=True):
        (name,) = made["image"]
        assert read_picture(images / name).tobytes() == open_picture(record["bytes"]).tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_plan_counts_them(tmp_path: Path, layout: Callable[[Path], Source]) -> None:
    data = read_recipe("llava_v15_7b_finetune").data
    (plan,) = source_plans(type(data)(name="x", sources=(layout(tmp_path),), max_length=100))
    assert (plan.samples, plan.samples_from, plan.pictures, plan.problem) == (6, "file", 1.0, None)
    assert plan.text_tokens == 3.0


def test_a_shard_that_was_read_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, home = parquet(tmp_path), tmp_path / "home"
    whole = convert.read_shard
    asked: list[str] = []

    def killed(path: Path) -> Any:
        asked.append(path.name)
        if path.name == "train-1.parquet":
            raise KeyboardInterrupt
        return whole(path)

    monkeypatch.setattr(convert, "read_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        as_llava(source, 0, home)
    monkeypatch.setattr(convert, "read_shard", lambda path: [asked.append(path.name), whole(path)][1])
    asked.clear()
    assert len(read(source, home)[0]) == 6
    # The first shard's layout is looked at; only the second is read.
    assert asked == ["train-0.parquet", "train-1.parquet"]
    asked.clear()
    as_llava(source, 0, home)
    assert asked == ["train-0.parquet"]


def test_shards_that_were_moved_are_not_read_again(tmp_path: Path) -> None:
    """As by a new commit of a hub's dataset: a resumed training finds the same file."""
    parquet(tmp_path / "a")
    before = as_llava(Source(files=f"{tmp_path}/a/train-*.parquet"), 0, tmp_path / "home")
    (tmp_path / "a").rename(tmp_path / "b")
    after = as_llava(Source(files=f"{tmp_path}/b/train-*.parquet"), 0, tmp_path / "home")
    assert (after.annotations, after.images) == (before.annotations, before.images)


def test_a_table_names_picture_files_in_the_folder_of_now(tmp_path: Path) -> None:
    rows = [columns(RECORDS[0]) | {"image": "1.png"}]
    file = write_parquet(tmp_path / "a.parquet", rows)
    for folder in ("one", "other", "one"):
        source = Source(files=str(file), images=str(tmp_path / folder))
        (record,), _ = read(source, tmp_path / "home")
        assert record["image"] == [str(tmp_path / folder / "1.png")]


def test_equal_pictures_are_stored_once(tmp_path: Path) -> None:
    rows = [columns(RECORDS[0], {"bytes": RECORDS[0]["bytes"], "path": None})] * 5
    records, _ = read(Source(files=str(write_parquet(tmp_path / "a.parquet", rows))), tmp_path / "home")
    assert len({record["image"][0] for record in records}) == 1


BAD = [
    ({"conversations": [{"from": "bot", "value": "x"}]}, "from `bot`; known speakers"),
    ({"messages": []}, "has no `conversations`, which the first record of the set has"),
    ({"conversations": []}, "has no question"),
    (
        {"conversations": RECORDS[0]["conversations"], "image": 5},
        "its picture is a int",
    ),
    (
        {"conversations": RECORDS[0]["conversations"], "image": "http://x/y.png"},
        "is an address.*nothing is downloaded",
    ),
    ({"conversations": RECORDS[0]["conversations"], "image": "../y.png"}, "lies outside.*set `images`"),
    ({"conversations": RECORDS[0]["conversations"], "image": "data:x;base64,?"}, "is empty: it has no bytes"),
    ({"conversations": [{"from": "human", "value": "\ud83d"}]}, "half a character"),
]


@pytest.mark.parametrize(("record", "error"), BAD)
def test_a_bad_record_is_its_own_error_and_names_shard_and_row(
    tmp_path: Path, record: dict[str, Any], error: str
) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [columns(RECORDS[0]), record, columns(RECORDS[1])])
    made = as_llava(Source(files=str(file)), 0, tmp_path / "home")
    pair = Pair(annotations=Path(str(made.annotations)), images=Path(str(made.images)))
    found = check_pair(pair, progress=lambda *_: None)
    assert (found.records, list(found.notes.counts)) == (3, ["records that cannot be used"])
    (complaint,) = found.notes.ids["records that cannot be used"]
    assert re.search(error, complaint)
    assert complaint.startswith("a.jsonl, row 2")


def test_too_few_pictures_for_the_placement_name_the_sample_of_the_shard(tmp_path: Path) -> None:
    twice = json.loads(json.dumps(columns(RECORDS[0])))
    twice["conversations"] *= 2
    members = [*webdataset(RECORDS[:1]), ("9.json", json.dumps(twice).encode()), ("9.png", b"x")]
    made = as_llava(Source(files=str(write_tar(tmp_path / "s.tar", members))), 0, tmp_path / "home")
    pair = Pair(annotations=Path(str(made.annotations)), images=Path(str(made.images)))
    notes = check_pair(pair, progress=lambda *_: None).notes
    assert notes.ids["records that cannot be used"] == [
        "s.tar, sample `9`, row 2: the questions show 2 pictures, and `image` names 1. "
        "Give each picture one `<image>`."
    ]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["b.png", "1.a.png"], [b"second", b"first"]),
        (["old.png", "older.png"], [b"first", b"second"]),  # of before the shard was written: its order
        (["b.png", "old.png"], "names the picture `old.png`, and the sample has 1.a.png, 1.b.png"),
    ],
)
def test_a_sample_shows_the_members_that_it_names(tmp_path: Path, names: list[str], shown: Any) -> None:
    record = columns(RECORDS[0], names) | {"conversations": [{"from": "human", "value": "<image><image>"}]}
    pair = [("1.a.png", b"first"), ("1.b.png", b"second")]
    file = write_tar(tmp_path / "s.tar", [("1.json", json.dumps(record).encode()), *pair])
    (made,), folder = read(Source(files=str(file)), tmp_path / "home")
    if isinstance(shown, str):
        assert shown in made["vlmbench"]["problem"]
    else:
        assert [stored_bytes(folder / name) for name in made["image"]] == shown


def test_what_cannot_be_a_set_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches this"):
        as_llava(Source(files=str(tmp_path / "no-*.tar")), 0, tmp_path)
    parquet(tmp_path)
    tars(tmp_path)
    with pytest.raises(DataError, match=r"of one format, and these are not: s-1\.tar and train-1\.parquet"):
        as_llava(Source(files=str(tmp_path / "*-1.*")), 0, tmp_path)
    for source, error in (
        ("{files: a.jsonl, annotations: b.json}", "has annotations and files. Give each"),
        ("{hf: owner/name}", "a hub's dataset needs a split. Write {hf: owner/name, split: train}"),
        ("{files: a.jsonl, split: train}", "has a split, which only `hf` and `ms` have"),
        ("{annotations: a.json, map: {image: x}}", "has a `map`, which only"),
    ):
        with pytest.raises(UserError, match=error):
            read_recipe("demo_lora", [f"data.sources=[{source}]"])


def test_a_hubs_dataset_is_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = parquet(tmp_path / "a")
    card = b"---\ndataset_info:\n  splits:\n  - name: train\n    num_examples: 6\n---\n"
    files = {f"data/{n}": (tmp_path / "a" / n).read_bytes() for n in ("train-0.parquet", "train-1.parquet")}
    shards = {f"data/train-0000{n}-of-00002.parquet": content for n, content in enumerate(files.values())}
    with serving_hub() as hub:
        hub.add("owner/name", {"README.md": card, **shards})
        hub.add("owner/script", {"script.py": b"", "data/train.parquet": b""})
        hub.use(monkeypatch, tmp_path)
        source = Source(hf="owner/name", split="train")
        (plan,) = source_plans(type(read_recipe("demo_lora").data)(name="x", sources=(source,), max_length=9))
        assert (plan.samples, plan.samples_from) == (6, "published")
        assert not any("train-00000" in path for path in hub.paths() if "resolve" in path)
        records, images = read(source, tmp_path / "home")
        with pytest.raises(DataError, match="runs no code of a dataset"):
            as_llava(Source(hf="owner/script", split="train"), 0)
        with pytest.raises(UnknownName, match="split of owner/name named `test`"):
            as_llava(Source(hf="owner/name", split="test"), 0)
    assert [r["conversations"] for r in records] == [r["conversations"] for r in RECORDS]
    mine, folder = read(local, tmp_path / "home")
    for one, other in zip(records, mine, strict=True):
        first, second = read_picture(images / one["image"][0]), read_picture(folder / other["image"][0])
        assert first.tobytes() == second.tobytes()


def test_a_map_may_be_set_on_the_command_line() -> None:
    recipe = read_recipe(
        "demo_lora", ["data.sources=[{files: a.tar, map: {answer: txt, prompt: Describe it.}}]"]
    )
    assert recipe.data.sources[0].map == RecordMap(answer="txt", prompt="Describe it.")
