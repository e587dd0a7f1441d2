"""`vlmbench data` for training data: what is missing, what is mended, what is learned, as people see it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from repository import TESTS
from tiny_models import picture

from vlmbench.cli.main import main
from vlmbench.trainers.data.checking import JPEG, Pair, mend
from vlmbench.trainers.data.folders import TREES, places, tree_of

GOLDEN = TESTS / "golden" / "training"


def record(image: str | None, question: str = "<image>\nwhat?") -> dict[str, Any]:
    said = [{"from": "human", "value": question}, {"from": "gpt", "value": "a bus"}]
    return {"conversations": said} | ({"image": image} if image else {})


def write(file: Path, *records: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, records)) if file.suffix == ".jsonl" else json.dumps(records)
    file.write_text(text)
    return file


def put(path: Path, kind: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(12, 8))).save(buffer, kind)
    path.write_bytes(buffer.getvalue())


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    """The tree of the guide with three of the folders that its records name."""
    names = ["coco/train2017/1.jpg", "gqa/images/2.jpg", "ocr_vqa/images/3.jpg", "ocr_vqa/images/4.jpg"]
    root = tmp_path / "llava_data"
    for name in ("coco/train2017/1.jpg", "ocr_vqa/images/3.png"):
        put(root / "llava_images" / name)
    put(root / "llava_images" / "ocr_vqa/images/4.gif", "JPEG")
    file = root / "LLaVA-Instruct-150K" / "llava_v1_5_mix665k.json"
    return write(file, *map(record, names), record("coco/train2017/1.jpg"), record(None, "hello"))


def images_of(mix: Path) -> Path:
    return mix.parents[1] / "llava_images"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = main([str(word) for word in words])
    return code, capsys.readouterr().out


def test_what_is_missing_is_named_with_its_source(mix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "data", "check", mix, "--images", images_of(mix))
    assert code == 4
    assert "6 records, 1 of text alone; 4 different pictures" in said
    assert "missing pictures: 3\n    gqa/images/2.jpg\n    ocr_vqa/images/3.jpg" in said
    assert "coco/train2017: here, 1 pictures named\n" in said
    assert "gqa/images: missing, 1 pictures named, 1 missing (from https://downloads.cs.stanford.edu" in said
    assert "vg/VG_100K: missing, not needed by these records" in said


def test_fix_gives_ocr_vqa_its_endings_and_says_so(mix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "data", "check", mix, "--images", images_of(mix), "--fix")
    assert "renamed 1 pictures of OCR-VQA that were JPEG under another ending to .jpg" in said
    assert "wrote 1 pictures of OCR-VQA anew as .jpg" in said
    folder = images_of(mix) / "ocr_vqa" / "images"
    assert sorted(path.name for path in folder.iterdir()) == ["3.jpg", "3.png", "4.jpg"]
    assert all((folder / name).read_bytes().startswith(JPEG) for name in ("3.jpg", "4.jpg"))
    put(images_of(mix) / "gqa/images/2.jpg")
    code, said = run(capsys, "data", "check", mix, "--images", images_of(mix), "--fix", "--format", "json")
    assert code == 0
    assert json.loads(said)[0]["complete"] is True
    assert json.loads(said)[0]["mended"] == []


def test_fix_mends_the_endings_while_the_annotation_file_is_still_missing(
    mix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mix.unlink()
    (images_of(mix) / "ocr_vqa/images/done.txt").write_text("no picture")
    code, said = run(capsys, "data", "check", mix, "--images", images_of(mix), "--fix")
    assert code == 4
    assert "the annotation file is missing" in said
    assert "renamed 1 pictures" in said
    folder = images_of(mix) / "ocr_vqa" / "images"
    assert sorted(path.name for path in folder.iterdir()) == ["3.jpg", "3.png", "4.jpg", "done.txt"]


def test_broken_pictures_and_records_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(
        tmp_path / "own.jsonl", record("a.png"), record("b.png"), {"conversations": 1}, record("c.png")
    )
    put(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(picture(40, 40)[:90])
    (tmp_path / "c.png").write_bytes(b"")
    code, said = run(capsys, "data", "check", file)
    assert code == 4
    assert "broken pictures: 2\n    b.png: the picture is cut off" in said
    assert "records that cannot be used: 1" in said
    assert "row 3" in said
    code, said = run(capsys, "data", "check", file, "--quick", "--format", "json")
    assert json.loads(said)[0]["trouble"]["broken pictures"] == {
        "count": 1,
        "ids": ["c.png: the file is empty"],
    }


def test_half_characters_and_impossible_paths_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(
        tmp_path / "own.jsonl",
        record(None, "cut \ud83d"),
        record("a\0.png"),
        record("\ud83d.png"),
        record(None),
    )
    code, said = run(capsys, "data", "check", file)
    assert code == 4
    assert "records that cannot be used: 3" in said
    assert "row 1, `conversations`: has half a character, `\\ud83d`" in said
    code, said = run(capsys, *TOKENS, "--tokenizer", TOKENIZER, file)
    assert code == 0
    assert said.count("left out:") == 3


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 1024\n"
PAGE = "\n<!-- hub -->\n<!DOCTYPE html>\n<html><body>own.json</body></html>\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "files without a record: 1"),
        ("[]", "files without a record: 1"),
        (POINTER, "own.json: is a pointer of git-lfs, and not the file itself. Run `git lfs"),
        (PAGE, "own.json: is a web page, and not the file itself. An address with `blob/main`"),
        ('[{"conversations": []}, {', "files that cannot be read to their end: 1"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_incomplete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "own.json"
    file.write_text(text)
    code, told = run(capsys, "data", "check", file, "--fix")
    assert code == 4
    assert said in told
    assert told.endswith("incomplete\n")


def test_a_pointer_in_place_of_a_picture_is_called_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_text(POINTER)
    _, told = run(capsys, "data", "check", write(tmp_path / "own.json", record("a.png")))
    assert "a.png: is a pointer of git-lfs" in told


def test_a_recipe_stands_for_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(capsys, "data", "check", "llava_v15_7b_pretrain")
    assert code == 4
    assert "blip_laion_cc_sbu_558k.json: the annotation file is missing" in said
    write(tmp_path / "data/llava_data/LLaVA-Pretrain/blip_laion_cc_sbu_558k.json", record("0/a.jpg"))
    put(tmp_path / "data/llava_data/LLaVA-Pretrain/images/0/a.jpg", "JPEG")
    code, said = run(capsys, "data", "check", "llava_v15_7b_pretrain")
    assert code == 0
    assert "LLaVA-Pretrain/images: here, 1 pictures named" in said


def test_a_recipe_that_draws_its_data_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "data", "check", "demo_lora")
    assert code == 0
    assert said.startswith("demo_lora: training draws 2,400 pictures with questions itself")
    _, said = run(capsys, "data", "check", "demo_lora", "--format", "json")
    assert json.loads(said) == [{"recipe": "demo_lora", "drawn": 2400, "complete": True}]


def test_boxes_are_checked_as_the_records_they_become(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    name = "llava_vicuna_7b_v15_qlora_clip_vit_large_p14_336_lora_e1_gpu8_finetune_refcoco"
    _, said = run(capsys, "data", "check", name)
    assert "RefCOCOJson/train.json: the annotation file is missing" in said
    file = tmp_path / "data/llava_data/RefCOCOJson/train.json"
    file.parent.mkdir(parents=True)
    item = {"id": "a", "image": "1.jpg", "sents": "the lady", "bbox": [41, 21, 58, 83]}
    file.write_text(json.dumps([item]), "utf-8")
    _, said = run(capsys, "data", "check", name)
    assert "7 records, 0 of text alone; 1 different pictures" in said


def test_links_of_the_guides_are_made_where_their_targets_are(tmp_path: Path) -> None:
    file = write(tmp_path / "internvl_sft" / "llava_instruct_150k_zh.jsonl", record("coco/train2017/1.jpg"))
    put(tmp_path / "llava_data/llava_images/coco/train2017/1.jpg", "JPEG")
    pair = Pair(annotations=file, images=tmp_path / "internvl_sft" / "data")
    done = mend(pair)
    assert done.linked == ["coco"]
    assert (pair.images / "coco" / "train2017" / "1.jpg").is_file()
    (pair.images / "gqa").symlink_to("../../nowhere")
    states = {place.below: place.state for place in places(file, pair.images)}
    assert (states["coco"], states["gqa"], states["dvqa/images"]) == ("here", "link to nowhere", "missing")
    assert mend(pair).linked == []


def test_links_reach_the_other_trees_from_a_tree_on_another_disk(tmp_path: Path) -> None:
    write(tmp_path / "disk/internvl_sft/llava_instruct_150k_zh.jsonl", record("coco/train2017/1.jpg"))
    put(tmp_path / "data/llava_data/llava_images/coco/train2017/1.jpg", "JPEG")
    put(tmp_path / "data/llava_data/LLaVA-Pretrain/images/2.jpg", "JPEG")
    tree = tmp_path / "data/internvl_sft"
    tree.symlink_to("../disk/internvl_sft")
    # As an earlier version left it.
    (tree / "data").mkdir()
    (tree / "data/coco").symlink_to("../../llava_data/llava_images/coco")
    pair = Pair(annotations=tree / "llava_instruct_150k_zh.jsonl", images=tree / "data")
    assert sorted(mend(pair).linked) == ["coco", "llava/llava_pretrain/images"]
    assert (pair.images / "coco/train2017/1.jpg").is_file()
    assert (pair.images / "llava/llava_pretrain/images/2.jpg").is_file()
    assert mend(pair).linked == []


def test_every_published_annotation_file_has_its_tree() -> None:
    for tree in TREES:
        for name in tree.annotations:
            assert tree_of(Path("/data") / tree.root / name) == (tree, Path("/data") / tree.root)
    assert tree_of(Path("/data/own.json")) is None


# Tokens ----------------------------------------------------------------------------------------------

TOKENS = ("data", "tokens", "--template", "internlm2_chat", "--max-length", "120")
TOKENIZER = GOLDEN / "encode" / "tokenizers" / "bytebpe"


def test_learned_tokens_stand_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, *TOKENS, "--tokenizer", TOKENIZER, GOLDEN / "dataset" / "data.json")
    assert code == 0
    assert "0 (row 1): 28 ids, 7 learned, 1 picture\n" in said
    assert "297 200 [34 222 261 69 368 15 401] 200" in said
    assert "assistant\\n[A red bus.<|im_end|>]\\n" in said
    assert "t5 (row 6): left out: nothing learned within the limit\n" in said
    assert "t6 (row 7): 120 ids, 102 learned, 1 picture; cut\n" in said
    assert "\x1b" not in said


def test_tokens_as_json_equal_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(
        capsys, *TOKENS, "--tokenizer", TOKENIZER, GOLDEN / "dataset" / "data.jsonl", "--format", "json"
    )
    kept = [one for one in json.loads(said) if "left_out" not in one]
    golden = json.loads((GOLDEN / "dataset" / "expected.json").read_text())
    items = golden["results"]["pad_image_to_square=True"]["items"]
    assert [(one["id"], one["input_ids"], one["labels"]) for one in kept] == [
        (item["id"], item["input_ids"], item["labels"]) for item in items
    ]
    assert code == 0


def test_colours_only_where_they_are_welcome(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*TOKENS, "--tokenizer", TOKENIZER, GOLDEN / "dataset" / "data.json", "--limit", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m[34 222" in run(capsys, *words)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run(capsys, *words)[1]
    assert "32m" not in plain
    assert "[34 222 261 69 368 15 401]" in plain


def test_mistakes_on_the_command_line(
    tiny_model: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write(tmp_path / "own.json", record(None, "hello"))
    assert main(["data", "tokens", str(own)]) == 2
    assert main(["data", "tokens", str(own), "--template", "vicunna", "--tokenizer", str(TOKENIZER)]) == 2
    assert main(["data", "tokens", str(own), "--template", "vicuna", "--tokenizer", str(tmp_path)]) == 1
    assert main(["data", "repeat", str(own), "none"]) == 2
    assert main(["data", "check", "llava_v15_7b_pretrian"]) == 2
    told = capsys.readouterr().err
    assert "Did you mean vicuna" in told
    assert "llava_v15_7b_pretrain" in told
    assert run(capsys, "data", "repeat", own, "3") == (0, f"3 records in {tmp_path / 'own_3x.json'}\n")
