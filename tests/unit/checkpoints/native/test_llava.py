"""LLaVAs built on InternLM and InternLM2: plain folders that transformers reads, answers from and trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import answers, questions
from native_models import TOKENIZERS, as_model, save_llava

from vlmbench.checkpoints.language import open_language
from vlmbench.model_files.silence import quiet
from vlmbench.model_files.weights import loaded
from vlmbench.models.hf.model import load_hf

FAMILIES = ("internlm", "internlm2")


@pytest.fixture(scope="module", params=FAMILIES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param) / "llava"
    bias = request.param == "internlm"
    return request.param, save_llava(folder, request.param, bias=bias)


def open_model(folder: Path) -> Any:
    from transformers import LlavaForConditionalGeneration

    with quiet():
        model, report = LlavaForConditionalGeneration.from_pretrained(
            folder, output_loading_info=True, attn_implementation="eager"
        )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return model.eval()


def test_the_language_model_inside_computes_what_it_did_alone(built: tuple[str, Path]) -> None:
    _, folder = built
    language = open_language(folder.with_name("llm"))
    ids = torch.arange(3, 43)[None]
    with torch.no_grad():
        alone = as_model(language.config, loaded(language.weights))(ids).logits
        inside = open_model(folder)(input_ids=ids).logits
    assert torch.equal(alone, inside[..., : alone.shape[-1]])


def test_the_folder_needs_no_remote_code_and_no_sentencepiece(built: tuple[str, Path]) -> None:
    _, folder = built
    names = {file.name for file in folder.iterdir()}
    assert not [name for name in names if name.endswith((".py", ".model"))]
    said = "".join(file.read_text("utf-8") for file in folder.glob("*config.json"))
    assert "auto_map" not in said
    assert "dynamic" not in said


def test_ids_in_the_folder_are_those_of_the_original(built: tuple[str, Path]) -> None:
    from transformers import AutoProcessor

    family, folder = built
    with quiet():
        tokenizer = AutoProcessor.from_pretrained(folder, backend="pil").tokenizer
    golden = json.loads((TOKENIZERS / f"tokenizer_{family}" / "expected.json").read_text("utf-8"))
    speed = "slow" if family == "internlm" else "fast"
    # `<image>` is a token now, and no text.
    cases = [c for c in golden["tokenizers"][speed]["encode"] if "<image>" not in c["text"]]
    assert len(cases) > 30
    for case in cases:
        assert tokenizer(case["text"])["input_ids"] == case["ids"], case["text"]
        assert tokenizer.decode(case["ids"], skip_special_tokens=True) == case["decode_skip"]


def test_it_answers_about_pictures_and_knows_where_answers_end(built: tuple[str, Path]) -> None:
    family, folder = built
    model = load_hf(str(folder), device="cpu")
    found = answers(model, questions())
    assert not [r.error for r in found.values() if r.error]
    assert len({r.text for r in found.values()}) > len(found) / 2
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    assert generation["eos_token_id"] == [2, 849 if family == "internlm2" else 701]


def test_it_trains(built: tuple[str, Path]) -> None:
    """Every part gets a gradient, and a step along it helps."""
    _, folder = built
    model = open_model(folder)
    ids = torch.arange(3, 43)[None]
    before = model(input_ids=ids, labels=ids).loss
    before.backward()
    layer = model.model.language_model.layers[0].self_attn
    for part in (layer.q_proj, layer.k_proj, layer.v_proj, layer.o_proj):
        assert part.weight.grad.abs().max() > 0
        assert part.bias is None or part.bias.grad is not None
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    with torch.no_grad():
        assert model(input_ids=ids, labels=ids).loss < before
