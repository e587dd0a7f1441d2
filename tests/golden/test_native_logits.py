"""InternLM, InternLM2 and Phi-3 as Llama: the logits and tokens of the original classes."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import make_tokenizer

from vlmbench.checkpoints.language import open_language
from vlmbench.model_files.silence import quiet
from vlmbench.model_files.weights import loaded

GOLDEN = Path(__file__).parent / "internlm"
CASES = ("internlm1_bias", "internlm2_gqa", "internlm2_gqa_dynamic_short", "internlm2_tied", "phi3_gqa")
TOKENIZERS = {"internlm1": "tokenizer_internlm", "internlm2": "tokenizer_internlm2"}
ONCE, TIED = 5e-6, 2e-5


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def golden(case: str, name: str) -> torch.Tensor:
    return torch.from_numpy(np.load(GOLDEN / case / f"{name}.npy"))


@cache
def folder(case: str, root: Path) -> Path:
    """A case as a repository would have it, with a tokenizer."""
    made = root / case
    made.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / case / name, made)
    tokenizer = TOKENIZERS.get(case.partition("_")[0])
    if tokenizer is None:
        make_tokenizer().save_pretrained(made)
    else:
        for file in (GOLDEN / tokenizer).glob("*token*"):
            shutil.copy(file, made)
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@cache
def model(case: str, root: Path, attention: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    language = open_language(folder(case, root))
    settings = dict(language.config)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    with quiet():
        made = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    missing, unexpected = made.load_state_dict(loaded(language.weights), strict=False)
    assert not unexpected
    assert set(missing) == set(made.all_tied_weights_keys)
    return made


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_original(case: str, attention: str, root: Path) -> None:
    tested = model(case, root, attention)
    bound = TIED if case == "internlm2_tied" else ONCE
    with torch.no_grad():
        alone = tested(golden(case, "single_input_ids")).logits
        mask = golden(case, "attention_mask")
        right = tested(golden(case, "input_ids"), attention_mask=mask).logits
        left_mask = golden(case, "left_attention_mask")
        left = tested(
            golden(case, "left_input_ids"),
            attention_mask=left_mask,
            position_ids=golden(case, "left_position_ids"),
        ).logits
    for ours, theirs in (
        (alone, golden(case, "single_logits")),
        (right[mask == 1], golden(case, "logits")[mask == 1]),
        (left[left_mask == 1], golden(case, "left_logits")[left_mask == 1]),
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=bound)


@pytest.mark.parametrize("case", CASES)
def test_loss_is_that_of_the_original(case: str, root: Path) -> None:
    with torch.no_grad():
        mask = golden(case, "attention_mask")
        loss = model(case, root, "eager")(
            golden(case, "input_ids"), attention_mask=mask, labels=golden(case, "labels")
        ).loss
    expected = json.loads((GOLDEN / case / "loss.json").read_text("utf-8"))["loss"]
    assert float(loss) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_greedy_tokens_are_those_of_the_original(case: str, root: Path) -> None:
    prompt, new = golden(case, "greedy_prompt_ids"), golden(case, "greedy_new_ids").flatten().tolist()
    tested = model(case, root, "eager")
    prompt = prompt.reshape(1, -1)
    with torch.no_grad(), quiet():
        said = tested.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
    assert said.sequences[0, prompt.shape[1] :].tolist() == new
    steps = torch.stack(said.logits).reshape(8, -1)
    bound = 2.1e-5 if case == "internlm2_tied" else ONCE
    torch.testing.assert_close(steps, golden(case, "greedy_step_logits").reshape(8, -1), rtol=0, atol=bound)


def test_what_a_folder_becomes_holds_no_remote_code(root: Path) -> None:
    for case in CASES:
        config = open_language(folder(case, root)).config
        assert config["architectures"] == ["LlamaForCausalLM"]
        assert not {"auto_map", "attn_implementation", "rotary", "rope_scaling", "sliding_window"} & set(
            config
        )
        assert config["rope_parameters"]["rope_type"] == "default"


def test_ids_and_stops(root: Path) -> None:
    first, second = (open_language(folder(case, root)) for case in ("internlm1_bias", "internlm2_gqa"))
    assert (first.config["bos_token_id"], first.config["eos_token_id"], first.config["pad_token_id"]) == (
        1,
        2,
        2,
    )
    assert first.generation["eos_token_id"] == [2, 701]
    assert second.generation["eos_token_id"] == [2, second.tokenizer.convert_tokens_to_ids("<|im_end|>")]
