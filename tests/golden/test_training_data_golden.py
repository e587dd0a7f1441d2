"""Training data, as the tool that trained the published models maps, encodes, splices and orders it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor

from vlmbench.errors import DataError
from vlmbench.templates import IMAGE, Turn, template
from vlmbench.trainers.data.batches import expand, pad
from vlmbench.trainers.data.dataset import TrainingPictures
from vlmbench.trainers.data.encoding import IMAGE_ID, Encoded, Encoder, Fitted, Limit, Style, fit
from vlmbench.trainers.data.prepare import TokenSpec, prepare
from vlmbench.trainers.data.records import Placement, Record, as_record, turns_of
from vlmbench.trainers.data.samplers import LengthGroupedSampler, Spread, length_grouped
from vlmbench.trainers.data.token_file import TokenFile
from vlmbench.trainers.data.tokenizer import load_tokenizer

GOLDEN = Path(__file__).parent / "training"
ENCODE, DATASET = GOLDEN / "encode", GOLDEN / "dataset"


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


CONVERSATIONS = read(ENCODE / "conversations.json")
MAPPED = read(ENCODE / "mapped.json")
EXPECTED = {name: read(ENCODE / f"expected_{name}.json") for name in ("bytebpe", "llamalike")}
RECORDS: dict[str, Any] = {
    record["name"]: record for record in [*CONVERSATIONS["llava_records"], *CONVERSATIONS["xtuner_records"]]
}
CASES = [(tokenizer, name) for tokenizer, golden in EXPECTED.items() for name in golden["expected"]]

LOST_IN_THE_ORIGINAL = {
    "truncated_image_lost": {"first turns dropped", "nothing learned within the limit"},
    "truncated_all_labels": {"nothing learned within the limit"},
    "truncated_in_answer": {"nothing learned within the limit"},
    "exact_boundary_48": {"nothing learned within the limit"},
}
"""Records that the original, in at least one template, cuts so that the picture or all that is to be learned
is lost, and what is done here instead: turns without pictures go first, or the record is left out."""


# Mapping ---------------------------------------------------------------------------------------------


def in_turns(record: dict[str, Any], placement: Placement = "first") -> list[dict[str, Any]]:
    turns = turns_of(as_record(record, 1), placement)
    return [{"input": turn.question, "output": turn.answer} for turn in turns]


@pytest.mark.parametrize("name", MAPPED["llava_map_fn"])
def test_maps_as_the_original(name: str) -> None:
    assert in_turns(RECORDS[name]) == MAPPED["llava_map_fn"][name]


@pytest.mark.parametrize("name", MAPPED["llava_image_only_map_fn"])
def test_maps_to_the_picture_alone_as_the_original(name: str) -> None:
    expected = MAPPED["llava_image_only_map_fn"][name]
    if "raises" in expected:
        with pytest.raises(DataError, match=r"row 1.*every question"):
            in_turns(RECORDS[name], "image_only")
    else:
        assert in_turns(RECORDS[name], "image_only") == expected


@pytest.mark.parametrize("case", MAPPED["edge"].values(), ids=MAPPED["edge"])
def test_edges_of_mapping(case: dict[str, Any]) -> None:
    if "raises" in case:
        with pytest.raises(DataError, match="from `human` or `gpt`"):
            as_record(case, 1)
    else:
        assert in_turns(case) == case["result"]


# Encoding --------------------------------------------------------------------------------------------


def encoder(tokenizer: str, name: str) -> Encoder:
    words = {"__no_template__": None, "__vicuna_with_image_token_False__": "vicuna"}.get(name, name)
    style = Style(template=words and template(words))
    return Encoder(tokenizer=load_tokenizer(ENCODE / "tokenizers" / tokenizer), style=style)


def turns_and_silent(record: dict[str, Any]) -> tuple[list[Turn], list[int]]:
    if "conversations" in record:
        return turns_of(as_record(record, 1)), []
    said = record["conversation"]
    turns = [Turn(question=t["input"] or "", answer=t["output"], system=t.get("system")) for t in said]
    return turns, [n for n, turn in enumerate(said) if turn.get("output_with_loss") is False]


@pytest.mark.parametrize(("tokenizer", "name"), CASES)
def test_encodes_as_the_original(tokenizer: str, name: str) -> None:
    writer = encoder(tokenizer, name)
    assert writer.tokenizer.bos == (EXPECTED[tokenizer]["bos_token_id"],)
    for record, expected in EXPECTED[tokenizer]["expected"][name].items():
        turns, silent = turns_and_silent(RECORDS[record])
        encoded = writer.encode(turns, pictures="False" not in name, silent=silent)
        cut = encoded.cut(RECORDS[record]["max_length"])
        assert {"input_ids": cut.ids, "labels": cut.labels} == expected, record


@pytest.mark.parametrize(("tokenizer", "name"), CASES)
def test_cuts_as_the_original_where_that_loses_nothing(tokenizer: str, name: str) -> None:
    writer = encoder(tokenizer, name)
    for record, expected in EXPECTED[tokenizer]["expected"][name].items():
        turns, silent = turns_and_silent(RECORDS[record])
        if silent or "False" in name:
            continue
        whole = writer.encode(turns)
        fitted = fit(writer, turns, whole, Limit(ids=RECORDS[record]["max_length"]))
        if same(fitted, expected):
            continue
        assert max(expected["labels"]) < 0 or expected["input_ids"].count(IMAGE_ID) < whole.pictures
        done = fitted.change if isinstance(fitted, Fitted) else fitted
        assert done in LOST_IN_THE_ORIGINAL[record]
        assert not isinstance(fitted, Fitted) or sound(fitted.encoded, RECORDS[record]["max_length"])


def same(fitted: Fitted | str, expected: dict[str, Any]) -> bool:
    return isinstance(fitted, Fitted) and (fitted.encoded.ids, fitted.encoded.labels) == (
        expected["input_ids"],
        expected["labels"],
    )


def sound(kept: Encoded, limit: int) -> bool:
    return len(kept.ids) <= limit and kept.targets > 0 and kept.pictures == 1


# The whole data set ----------------------------------------------------------------------------------


@pytest.fixture(params=["data.json", "data.jsonl"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> TokenFile:
    spec = TokenSpec(
        file=DATASET / request.param,
        tokenizer=load_tokenizer(ENCODE / "tokenizers" / "bytebpe"),
        style=Style(template=template("internlm2_chat")),
        limit=Limit(ids=120),
    )
    return prepare(spec, tmp_path)


def test_keeps_and_encodes_the_records_of_the_original(tokens: TokenFile) -> None:
    expected = read(DATASET / "expected.json")["results"]["pad_image_to_square=False"]
    assert len(tokens) == expected["len"]
    assert tokens.modality_lengths().tolist() == expected["modality_length"]
    for row, item in zip(tokens, expected["items"], strict=True):
        assert (row.id, row.ids.tolist(), row.labels.tolist()) == (
            item["id"],
            item["input_ids"],
            item["labels"],
        )


NEVER_SHOWN_IN = {"t4"}
"""Names a picture, but no question shows it: the original opens it for nothing, and here it stays closed."""


def test_opens_the_pictures_that_are_shown(tokens: TokenFile) -> None:
    expected = read(DATASET / "expected.json")["results"]["pad_image_to_square=False"]
    for row, item in zip(tokens, expected["items"], strict=True):
        shown = () if row.id in NEVER_SHOWN_IN or item["image"] is None else (item["image"],)
        assert row.images == shown


@pytest.mark.parametrize("square", [False, True])
def test_pixels_of_the_original(square: bool) -> None:
    expected = np.load(DATASET / f"pixel_values_pad{int(square)}.npy")
    items = read(DATASET / "expected.json")["results"][f"pad_image_to_square={square}"]["items"]
    processor = AutoImageProcessor.from_pretrained(str(DATASET / "processor"), backend="pil")
    pictures = TrainingPictures(processor=processor, square=square)
    for item, pixels in zip(items, expected, strict=True):
        if item["image"] is None:
            mine = pictures.blank()[None]
        else:
            mine = pictures.load(DATASET / "images", [item["image"]])
        np.testing.assert_allclose(mine[0].numpy(), pixels, rtol=0, atol=1e-5)


# Batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed", "single", "all"])
def test_collates_as_the_original(name: str) -> None:
    expected = read(GOLDEN / "collate.json")[name]
    items = read(DATASET / "expected.json")["results"]["pad_image_to_square=False"]["items"]
    chosen = [items[index] for index in expected["dataset_indices"]]
    # The original fills with 0, whatever the tokenizer's own token for it is.
    batch = pad([(np.array(i["input_ids"]), np.array(i["labels"])) for i in chosen], pad_id=0)
    for column, values in batch.items():
        assert values.tolist() == torch.tensor(expected[column]).to(values.dtype).tolist(), column
        assert str(values.dtype) == expected["dtypes"][column]


SPLICE = read(GOLDEN / "splice.json")
IMAGE_TOKEN = 30
"""An image token's id in this test, beyond the ids of the golden texts."""
NO_BATCH_HERE = {
    "no_pixel_values": "nothing to splice",
    "two_images_but_one_pixel_per_sample": "a record must have as many pictures as it shows",
    "more_images_than_tokens": "a picture that is not shown is not opened",
}


def splice_cases() -> list[Any]:
    return [case for case in SPLICE["cases"] if case["name"] not in NO_BATCH_HERE]


@pytest.mark.parametrize("case", splice_cases(), ids=lambda case: case["name"])
def test_expanding_gives_the_places_and_labels_of_splicing(case: dict[str, Any]) -> None:
    expected, table, pictures = case["expected"], SPLICE["embedding_table"], case["image_embeds"]
    rows = zip(case["input_ids"], case["labels"], case["attention_mask"], strict=True)
    vectors = (vector for picture in pictures for vector in picture)
    wide = []
    for ids, labels, mask in rows:
        seen = np.array(mask, bool)
        wide.append(expand(np.array(ids)[seen], np.array(labels)[seen], len(pictures[0]), IMAGE_TOKEN))
    batch = pad(wide, pad_id=0)
    assert batch["labels"].tolist() == expected["labels"]
    assert batch["attention_mask"].tolist() == torch.tensor(expected["attention_mask"]).bool().tolist()
    for (ids, _), embedded in zip(wide, expected["inputs_embeds"], strict=True):
        mine = [next(vectors) if i == IMAGE_TOKEN else table[i] for i in ids.tolist()]
        assert mine == embedded[: len(ids)]


# Order -----------------------------------------------------------------------------------------------

GROUPED = read(GOLDEN / "length_grouped.json")


@pytest.mark.parametrize("case", GROUPED["get_length_grouped_indices"])
def test_groups_by_length_as_the_original(case: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(case["generator_seed"])
    assert length_grouped(case["lengths"], case["group_batch_size"], generator) == case["expected"]


@pytest.mark.parametrize("case", GROUPED["errors"])
def test_a_length_of_zero_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without tokens"):
        length_grouped(case["lengths"], 2, torch.Generator())


@pytest.mark.parametrize("case", GROUPED["LengthGroupedSampler"])
def test_deals_to_ranks_as_the_original(case: dict[str, Any]) -> None:
    for rank, expected in enumerate(case["expected_per_rank"]):
        spread = Spread(
            batch=case["per_device_batch_size"],
            world=case["world_size"],
            rank=rank,
            seed=case["seed"],
            whole_steps=case["round_up"],
        )
        sampler = LengthGroupedSampler(case["modality_lengths"], spread, case["mega_batch_mult"])
        sampler.set_epoch(case["epoch"])
        assert list(sampler) == expected
        assert len(sampler) == len(expected)


def test_a_picture_in_the_text_of_a_record_without_one_is_text() -> None:
    record = Record(row=1, id="a", images=(), messages=(("human", f"What does {IMAGE} mean?"), ("gpt", "x")))
    turns = turns_of(record, "as_written")
    assert encoder("bytebpe", "vicuna").encode(turns, pictures=False).pictures == 0
