"""The number of processor threads is measured once, unless somebody has chosen it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Gemma3nTextConfig

from vlmbench.cores import cores
from vlmbench.model_files.threads import VARIABLES, choose_threads, fastest, widest


def config(hidden: int = 64) -> Any:
    sizes = SimpleNamespace(hidden_size=hidden, intermediate_size=128)
    return SimpleNamespace(get_text_config=lambda decoder: sizes)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_torch_uses_the_number_that_was_measured_and_it_is_measured_once() -> None:
    choice = choose_threads("cpu", config())
    if cores() == 1:
        assert choice is None
        return
    assert choice is not None
    assert choice.count == torch.get_num_threads() == fastest(choice.measured)
    assert set(choice.measured) == {1, max(1, cores() // 2), cores()}
    assert str(choice).startswith(f"processor threads: {choice.count}, measured (")
    assert choose_threads("cpu", config()) is choice


@pytest.mark.parametrize("name", VARIABLES)
def test_a_number_that_the_user_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    torch.set_num_threads(3)
    assert choose_threads("cpu", config()) is None
    assert torch.get_num_threads() == 3


def test_of_layers_with_widths_of_their_own_the_widest_counts() -> None:
    text = Gemma3nTextConfig(num_hidden_layers=2, intermediate_size=[64, 128])
    assert (widest(text, "intermediate_size"), widest(text, "none such")) == (128, None)


def test_an_accelerator_needs_no_choice() -> None:
    assert choose_threads("cuda:0", config()) is None


@pytest.mark.parametrize(
    ("measured", "count"),
    [
        ({1: 0.3, 2: 18.0}, 1),
        ({1: 0.50, 2: 0.30}, 2),
        ({1: 0.98, 2: 1.0}, 2),
        ({1: 4.0, 8: 1.0, 16: 1.5}, 8),
        ({1: 0.99, 8: 0.85, 16: 1.0}, 8),
    ],
)
def test_the_fastest_is_taken_and_of_equals_the_most_threads(measured: dict[int, float], count: int) -> None:
    assert fastest(measured) == count
