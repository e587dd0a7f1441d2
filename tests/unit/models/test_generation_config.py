"""A checkpoint's generation_config.json as a decoding: what it names, and nothing that it does not."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import GenerationConfig, LlamaConfig

from vlmbench.decoding import Decoding
from vlmbench.errors import ModelError
from vlmbench.models.generation_config import decoding_of, settings_in

BASE = Decoding(max_new_tokens=2048)
QWEN = {
    "bos_token_id": 151643,
    "pad_token_id": 151643,
    "do_sample": True,
    "eos_token_id": [151645, 151643],
    "repetition_penalty": 1.05,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "transformers_version": "4.49.0",
}


def of(**settings: Any) -> Decoding:
    found = settings_in(GenerationConfig(**settings))
    assert found is not None
    return decoding_of(found, BASE)


def test_what_a_checkpoint_samples_with_is_its_decoding() -> None:
    assert of(**QWEN) == Decoding(
        max_new_tokens=2048, do_sample=True, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05
    )


def test_top_k_that_the_file_leaves_open_stays_off() -> None:
    assert of(do_sample=True, temperature=0.6) == Decoding(
        max_new_tokens=2048, do_sample=True, temperature=0.6
    )


def test_a_file_that_does_not_sample_is_greedy_whatever_temperature_it_names() -> None:
    assert of(do_sample=False, temperature=0.9, top_p=0.6) == BASE


def test_the_longest_answer_beams_and_stop_texts_are_taken_too() -> None:
    found = of(max_new_tokens=4096, num_beams=3, stop_strings=["###"])
    assert found == Decoding(max_new_tokens=4096, num_beams=3, stop=("###",))


@pytest.mark.parametrize(
    "setting", [{"no_repeat_ngram_size": 3}, {"typical_p": 0.9}, {"num_beams": 2, "length_penalty": 0.5}]
)
def test_a_setting_that_no_decoding_has_is_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(ModelError) as error:
        of(**setting)
    assert f"generation_config.json, `{[*setting][-1]}`" in str(error.value)


def test_a_value_out_of_range_names_the_file() -> None:
    with pytest.raises(ModelError, match=r"generation_config.json, `temperature`: `-1.0` is not"):
        decoding_of({"do_sample": True, "temperature": -1.0}, BASE)


def test_neutral_values_and_settings_of_beams_without_beams_change_nothing() -> None:
    assert of(length_penalty=0.5, no_repeat_ngram_size=0, early_stopping=True) == BASE


def test_a_model_without_the_file_has_no_settings_of_its_own() -> None:
    assert settings_in(GenerationConfig.from_model_config(LlamaConfig())) is None
