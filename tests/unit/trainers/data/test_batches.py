"""Batches of training data, as a tiny LLaVA sees them: plain, packed, without pictures, with broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import picture

from vlmbench.errors import DataError
from vlmbench.templates import template
from vlmbench.trainers.data.batches import (
    Collator,
    PackedCollator,
    TrainingSample,
    pack,
    to_model,
)
from vlmbench.trainers.data.dataset import (
    BrokenPictures,
    LlavaDataset,
    MixturePart,
    TrainingPictures,
)
from vlmbench.trainers.data.encoding import IMAGE_ID, Limit, Style
from vlmbench.trainers.data.prepare import TokenSpec, prepare
from vlmbench.trainers.data.records import Policy
from vlmbench.trainers.data.samplers import LengthGroupedSampler, ShuffledSampler, Spread
from vlmbench.trainers.data.tokenizer import load_tokenizer

FEATURES = 16


@pytest.fixture(scope="module")
def model(tiny_model: Callable[[str], Path]) -> Any:
    from transformers import LlavaForConditionalGeneration

    return LlavaForConditionalGeneration.from_pretrained(tiny_model("llava")).eval()


@pytest.fixture(scope="module")
def collator(model: Any) -> Collator:
    return Collator(pad_id=0, image_token=model.config.image_token_id, features=FEATURES)


def sample(length: int, pictures: int = 1, seed: int = 0, learned: int = 3) -> TrainingSample:
    """Some tokens, with pictures near the beginning and labels at the end."""
    noise = np.random.default_rng([seed, length, pictures])
    ids = noise.integers(5, 300, length)
    ids[1 : 1 + 2 * pictures : 2] = IMAGE_ID
    labels = np.where(np.arange(length) >= length - learned, ids, -100)
    pixels = torch.tensor(noise.normal(size=(pictures, 3, 32, 32)), dtype=torch.float32) if pictures else None
    return TrainingSample(id=f"{seed}-{length}", ids=ids, labels=labels, pixels=pixels)


SAMPLES = [sample(9), sample(20, 2), sample(7, 0), sample(14, 1, 1), sample(30, 0, 1), sample(6, 1)]


def token_losses(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """The loss of every learned token, in order."""
    asked = to_model(batch)
    labels = asked.pop("labels")
    logits = model(**asked).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none"
    )
    return losses[labels[:, 1:].flatten() >= 0]


def alone(model: Any, collator: Collator, samples: Sequence[TrainingSample]) -> torch.Tensor:
    return torch.cat([token_losses(model, collator([one])) for one in samples])


def test_padding_changes_no_loss(model: Any, collator: Collator) -> None:
    with torch.no_grad():
        together = token_losses(model, collator(SAMPLES))
    torch.testing.assert_close(together, alone(model, collator, SAMPLES).detach())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_token_costs_what_it_costs_alone(
    tiny_model: Callable[[str], Path], collator: Collator, attention: str
) -> None:
    from transformers import LlavaForConditionalGeneration

    model = LlavaForConditionalGeneration.from_pretrained(tiny_model("llava"), attn_implementation=attention)
    rows = [[SAMPLES[0], SAMPLES[1], SAMPLES[2]], [SAMPLES[3], SAMPLES[4], SAMPLES[5]]]
    batch = PackedCollator(plain=collator)(rows)
    with torch.no_grad():
        packed = token_losses(model, batch)
        torch.testing.assert_close(packed, alone(model, collator, SAMPLES), rtol=1e-4, atol=1e-4)
        # The model's own loss is the mean over tokens, whatever row they are in.
        torch.testing.assert_close(model(**to_model(batch)).loss, packed.mean(), rtol=1e-4, atol=1e-4)


def test_the_first_token_of_a_packed_sample_is_not_predicted_from_another(collator: Collator) -> None:
    everything = sample(8, 0, 5, learned=8)
    batch = PackedCollator(plain=collator)([[everything, everything]])
    assert (batch["labels"][0] >= 0).sum() == 14
    assert batch["position_ids"][0].tolist() == [*range(8), *range(8)]


@given(st.lists(st.integers(1, 50), max_size=60))
def test_packing_loses_nothing_and_fills_rows(lengths: list[int]) -> None:
    rows = pack(lengths, 40)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    sizes = [sum(lengths[index] for index in row) for row in rows]
    assert all(size <= 40 or len(row) == 1 for size, row in zip(sizes, rows, strict=True))
    # First fit: no two rows that are half empty.
    assert sum(size <= 20 for size in sizes) <= 1


def test_text_alone_trains_and_a_blank_picture_reaches_the_projector(model: Any, collator: Collator) -> None:
    texts = [SAMPLES[2], SAMPLES[4]]
    assert "pixel_values" not in collator(texts)
    plain = model(**to_model(collator(texts))).loss
    blank = Collator(
        pad_id=0, image_token=collator.image_token, features=FEATURES, blank=torch.zeros(3, 32, 32)
    )
    loss = model(**to_model(blank(texts))).loss
    torch.testing.assert_close(loss, plain)
    loss.backward()
    gradients = [parameter.grad for parameter in model.model.multi_modal_projector.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
    model.zero_grad()
    packed = PackedCollator(plain=blank)([texts])
    torch.testing.assert_close(token_losses(model, packed), token_losses(model, collator(texts)))
    assert blank(SAMPLES)["pixel_values"].shape == collator(SAMPLES)["pixel_values"].shape


# The data set ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six records, of which the third names a broken picture and the fourth none at all."""
    names = [["0.png"], ["1.png"], ["2.png"], [], ["4.png", "5.png"], ["5.png"]]
    records = []
    for number, images in enumerate(names):
        question = "".join("<image>\n" for _ in images) + "colour?"
        said = [{"from": "human", "value": question}, {"from": "gpt", "value": "red " * (number + 1)}]
        records.append({"id": f"r{number}", "image": images, "conversations": said})
        for name in images:
            (tmp_path / name).write_bytes(picture(20, 30, number))
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "own.json").write_text(json.dumps(records))
    return tmp_path


def dataset(
    folder: Path, tiny_model: Callable[[str], Path], broken: BrokenPictures | None = None
) -> LlavaDataset:
    spec = TokenSpec(
        file=folder / "own.json",
        tokenizer=load_tokenizer(tiny_model("llava")),
        style=Style(template=template("vicuna")),
        limit=Limit(ids=200),
        placement="as_written",
    )
    tokens = prepare(spec, folder / "home")
    from transformers import AutoImageProcessor

    pictures = TrainingPictures(
        processor=AutoImageProcessor.from_pretrained(str(tiny_model("llava")), backend="pil"), square=True
    )
    return LlavaDataset([MixturePart(tokens=tokens, images=folder)] * 2, pictures, broken)


def test_a_broken_picture_stops_the_run_or_gives_way_to_the_next(
    folder: Path, tiny_model: Callable[[str], Path]
) -> None:
    with pytest.raises(DataError, match=r"record r2: .*2.png.*not a picture"):
        dataset(folder, tiny_model)[2]
    broken = BrokenPictures(policy=Policy(action="skip", limit=1), list_file=folder / "broken.jsonl")
    data = dataset(folder, tiny_model, broken)
    instead = data[2]
    assert (instead.id, broken.count) == ("r3", 1)
    assert "r2: " in instead.skipped[0]
    assert json.loads((folder / "broken.jsonl").read_text())["record"] == "r2"
    with pytest.raises(DataError, match="more than 1 could not be used"):
        data[8]


def test_loading_processes_give_what_this_one_gives(
    folder: Path, tiny_model: Callable[[str], Path], model: Any, collator: Collator
) -> None:
    from torch.utils.data import DataLoader

    broken = BrokenPictures(policy=Policy(action="skip"))
    data = dataset(folder, tiny_model, broken)
    assert len(data) == 12
    assert data.expanded_lengths(FEATURES).tolist()[4] == len(data[4].ids) + 2 * (FEATURES - 1)
    assert np.sign(data.modality_lengths()).tolist() == [1, 1, 1, -1, 1, 1] * 2
    sampler = LengthGroupedSampler(data.modality_lengths(), Spread(batch=4))
    loader = DataLoader(data, 4, sampler=sampler, collate_fn=collator, num_workers=2)  # type: ignore[arg-type]
    mine = [collator([data[index] for index in list(sampler)[at : at + 4]]) for at in (0, 4, 8)]
    for batch, other in zip(loader, mine, strict=True):
        assert batch["record_ids"] == other["record_ids"]
        assert batch["input_ids"].equal(other["input_ids"])
        assert batch["pixel_values"].equal(other["pixel_values"])
        assert model(**to_model(batch)).loss > 0
    assert broken.count == 2  # each once, in whichever process and epoch


def test_packed_rows_hold_every_sample_once(
    folder: Path, tiny_model: Callable[[str], Path], model: Any, collator: Collator
) -> None:
    (folder / "2.png").write_bytes(picture(9, 9))
    data = dataset(folder, tiny_model)
    packed = pack(data.expanded_lengths(FEATURES), room=120)
    rows = [[data[number] for number in row] for row in packed]
    assert len(rows) < len(data)
    assert sorted(s.id for row in rows for s in row) == sorted(s.id for s in data)
    batch = PackedCollator(plain=collator)([rows[0], rows[1]])
    assert batch["input_ids"].shape[1] <= 120
    assert model(**to_model(batch)).loss > 0


# Order -----------------------------------------------------------------------------------------------


def test_an_order_can_be_taken_up_after_any_step() -> None:
    lengths = np.where(np.arange(50) % 3, np.arange(50) + 1, -np.arange(50) - 1)
    for world in (1, 2):
        for rank in range(world):
            spread = Spread(batch=2, world=world, rank=rank, seed=3)
            for sampler in (ShuffledSampler(50, spread), LengthGroupedSampler(lengths, spread)):
                sampler.set_epoch(1)
                whole = list(sampler)
                sampler.set_epoch(1, start=4 * world)
                assert list(sampler) == whole[4:]
                assert len(sampler) == len(whole) - 4


def test_a_plain_shuffle_goes_on_with_another_number_of_ranks() -> None:
    def rest(world: int) -> list[int]:
        samplers = [ShuffledSampler(48, Spread(batch=4, world=world, rank=rank)) for rank in range(world)]
        for sampler in samplers:
            sampler.set_epoch(0, start=16)
        return sorted(index for sampler in samplers for index in sampler)

    assert rest(1) == rest(2) == rest(4)


def test_epochs_and_seeds_differ() -> None:
    orders = set()
    for seed, epoch in ((0, 0), (0, 1), (5, 0)):
        sampler = ShuffledSampler(40, Spread(batch=4, seed=seed))
        sampler.set_epoch(epoch)
        assert sorted(sampler) == list(range(40))
        orders.add(tuple(sampler))
    assert len(orders) == 3
